"""The server as programs meet it: what may be asked for, who may ask, names, tokens."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.commands import ROOT, run
from support.exported import exported
from support.networks import publish_heavier
from support.serving import ask, jobs_of, served, status, upload
from support.videos import footage
from vdeblur.loading import ModelOptions
from vdeblur.serve.app import PAGE_FILES, WEB
from vdeblur.serve.job import display_name, download_name
from vdeblur.serve.options import ServeOptions, is_loopback
from vdeblur.serve.server import running

OPTIONS = ServeOptions(port=0, model=ModelOptions("unsharp"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage(tmp_path_factory.mktemp("serve") / "clip.mp4", audio=True)


# -- what is asked for ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        {"model": "/etc/passwd"},
        {"model": "x.safetensors"},
        {"strength": "2"},
        {"strength": "nan"},
        {"codec": "rawvideo"},
        {"quality": "0"},
        {"start_seconds": "-1"},
        {"start_seconds": "inf"},
        {"start_seconds": "3", "end_seconds": "3"},
    ],
)
def test_settings_from_outside_are_checked(clip: Path, query: dict[str, str]) -> None:
    async def work(session: Any, url: str) -> None:
        assert (await upload(session, url, clip.read_bytes(), **query))[0] == 400

    served(work)


def test_settings_that_are_not_known_are_refused_by_name(clip: Path) -> None:
    async def work(session: Any, url: str) -> None:
        async def refused(method: str, path: str, name: str, **more: Any) -> str:
            code, said = await ask(session, method, f"{url}/api/{path}", **more)
            assert code == 400
            assert f'unknown setting "{name}"' in said["error"]
            return str(said["error"])

        assert 'did you mean "codec"?' in await refused("POST", "jobs?codek=av1", "codek", data=clip.read_bytes())
        code, made = await upload(session, url, clip.read_bytes(), token="of a server that needs none")
        assert code == 201
        one = f"jobs/{made['id']}"
        assert 'did you mean "strength"?' in await refused("PATCH", one, "stremgth", json={"stremgth": 0.5})
        for path in ("frame/before?nonsense=1", "frame/after?nonsense=1", "explain?prepare&nonsense=1"):
            await refused("GET", f"{one}/{path}", "nonsense")
        await refused("PUT", "queue", "paused", json={"paused": True})
        await refused("POST", "peers", "stremgth", json={"sdp": "", "stremgth": 0.5})

    served(work)


def test_a_form_is_refused_as_an_upload(clip: Path) -> None:
    async def work(session: Any, url: str) -> None:
        form = aiohttp.FormData()
        form.add_field("file", clip.read_bytes(), filename="clip.mp4")
        code, said = await ask(session, "POST", f"{url}/api/jobs", data=form)
        assert code == 415
        assert "the body must be the file itself, not a form" in said["error"]
        assert await jobs_of(session, url) == []

    served(work)


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("clip.mp4", "clip.mp4"),
        ("..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("C%3A%5Ctemp%5Ca.avi", "a.avi"),
        ("a%0D%0ASet-Cookie%3A%20x", "aSet-Cookie: x"),
        ("", "video"),
        ("..", "video"),
        ("x" * 500, "x" * 100),
    ],
)
def test_names_from_outside_are_only_shown(header: str, shown: str) -> None:
    assert display_name(header) == shown
    assert download_name(shown).endswith(".deblur.mp4")


# -- who may ask, and for what ----------------------------------------------------------------------------------------


def test_the_page_and_its_files_are_all_that_is_served() -> None:
    async def work(session: Any, url: str) -> None:
        async with session.get(f"{url}/") as response:
            assert "vdeblur" in await response.text()
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
        for name in PAGE_FILES:
            assert await status(session, "GET", f"{url}/web/{name}") == 200
        for path in ("/web/index.html", "/web/..%2fapp.py", "/web/", "/app.py", "/api/jobs/../../etc"):
            assert await status(session, "GET", f"{url}{path}") == 404

    served(work)
    assert {path.name for path in WEB.iterdir()} == {*PAGE_FILES, "index.html", "token.html"}


def test_the_page_offers_whatever_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = publish_heavier(tmp_path, monkeypatch)

    async def work(session: Any, url: str) -> None:
        async with session.get(f"{url}/api/facts") as response:
            facts = await response.json()
        assert facts["model"] == heavy
        assert next(iter(facts["models"])) == heavy
        assert {"fast", "cnn", "unsharp"} <= set(facts["models"])

    served(work, model=ModelOptions(heavy))


def test_the_page_requests_nothing_from_other_sites() -> None:
    for path in WEB.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text


def test_requests_from_other_sites_and_host_names_are_refused(clip: Path) -> None:
    async def work(session: Any, url: str) -> None:
        assert await status(session, "GET", f"{url}/", headers={"Host": "evil.example"}) == 403
        forged = {"Origin": "http://evil.example"}
        assert await status(session, "POST", f"{url}/api/jobs", data=clip.read_bytes(), headers=forged) == 403
        own = {"Origin": url}
        assert await status(session, "POST", f"{url}/api/jobs", data=clip.read_bytes(), headers=own) == 201

    served(work)


@pytest.mark.parametrize(
    "malformed",
    [
        {"Host": b"["},
        {"Host": b"[::1"},
        {"Host": b"[nonsense]"},
        {"Host": b"\xff"},
        {"Host": "127.0.0.1\u2100".encode()},
        {"Origin": b"["},
        {"Origin": b"http://["},
        {"Origin": b"http://\xff"},
        {"Origin": "http://\u2100".encode()},
        {"Cookie": b"vdeblur_token=\xff"},
        {"Cookie": b"\xff=\xff; vdeblur_token=\xed\xa0\x80"},
        {"Authorization": b"Bearer \xff"},
        {"Authorization": b"\xff"},
        {"path": b"/api/facts?token=%ff%ED%A0%80"},
    ],
    ids=str,
)
def test_malformed_headers_are_refused_without_a_word_in_the_log(
    malformed: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async def work(_: Any, url: str) -> None:
        host = url.removeprefix("http://")
        headers = {"Host": host.encode(), **malformed}
        path = headers.pop("path", b"/api/facts")
        lines = [b"GET " + path + b" HTTP/1.1", *(name.encode() + b": " + text for name, text in headers.items())]
        reader, writer = await asyncio.open_connection(*host.split(":"))
        writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
        answer = await reader.read()
        writer.close()
        assert answer.split()[1] in (b"401", b"403"), answer

    served(work, token="secret")
    assert caplog.messages == []


def test_a_token_is_asked_for_and_kept_as_a_cookie() -> None:
    async def work(session: Any, url: str) -> None:
        assert await status(session, "GET", f"{url}/") == 403
        assert await status(session, "GET", f"{url}/api/facts") == 403
        async with session.get(f"{url}/?token=wrong") as response:  # people are told, and can put it right
            assert response.status == 403
            assert "Wrong token" in await response.text()
        bearer = {"Authorization": "Bearer secret"}
        assert await status(session, "GET", f"{url}/api/facts", headers=bearer) == 200
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as visitor:
            async with visitor.get(f"{url}/?token=secret") as response:
                cookie = response.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
            assert await status(visitor, "GET", f"{url}/api/facts") == 200

    served(work, token="secret")


def test_any_host_but_loopback_gets_a_token() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "localhost", "::1"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.0.2.2", "example.org"))

    async def main() -> str:
        async with running(ServeOptions(host="0.0.0.0", port=0, model=ModelOptions("unsharp"))) as url:
            return url

    assert len(asyncio.run(main()).partition("?token=")[2]) >= 20


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "vdeblur", "serve", "--port", "0", "-m", "unsharp", "--folder", str(tmp_path)]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "serving http://127.0.0.1:" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
        assert process.stderr.read() == ""


def test_an_exported_model_is_served() -> None:
    model = str(exported("cnn"))

    async def work(session: Any, url: str) -> None:
        assert (await ask(session, "GET", f"{url}/api/facts"))[1]["model"] == model

    served(work, model=ModelOptions(model))


def test_a_port_in_use_is_a_one_line_error(tmp_path: Path) -> None:
    async def main() -> Any:
        async with running(OPTIONS) as url:
            port = url.rstrip("/").rpartition(":")[2]
            return await asyncio.to_thread(run, "serve", "--port", port, "-m", "unsharp", "--folder", tmp_path / "new")

    result = asyncio.run(main())
    assert result.exit_code == 5
    (line,) = result.stderr.splitlines()
    assert "choose another port" in line
    assert list(tmp_path.iterdir()) == []


def test_a_folder_serves_one_server_and_a_model_must_be_known(tmp_path: Path) -> None:
    async def main() -> Any:
        async with running(ServeOptions(port=0, model=ModelOptions("unsharp"), folder=tmp_path)):
            return await asyncio.to_thread(run, "serve", "--port", "0", "-m", "unsharp", "--folder", tmp_path)

    result = asyncio.run(main())
    assert result.exit_code == 5
    assert "in use by another vdeblur server" in result.stderr
    unknown = run("serve", "-m", "fats", "--folder", tmp_path)
    assert unknown.exit_code == 3
    assert 'did you mean "fast"' in unknown.stderr


def test_a_folder_with_files_of_others_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "film.mp4").write_text("mine")
    result = run("serve", "--port", "0", "-m", "unsharp", "--folder", tmp_path)
    assert result.exit_code == 5
    (line,) = result.stderr.splitlines()
    assert "choose an empty folder" in line
    assert [path.name for path in tmp_path.rglob("*")] == ["holiday", "film.mp4"]
