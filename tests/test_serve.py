"""The server as programs meet it: jobs from upload to download, bounds, tokens, names, and nothing left behind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.commands import ROOT, run
from support.networks import publish_heavier
from support.videos import count_frames, footage, sound_only
from vdeblur.loading import ModelOptions
from vdeblur.serve.app import PAGE_FILES, WEB, ServeOptions, is_loopback, running
from vdeblur.serve.jobs import download_name, shown_name

OPTIONS = ServeOptions(port=0, model=ModelOptions("unsharp"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage(tmp_path_factory.mktemp("serve") / "clip.mp4", audio=True)


def served(work: Callable[[Any, str], Awaitable[None]], **settings: Any) -> None:
    """Run `work(session, address)` against a fresh server; nothing of it may be left on disk."""
    folders = set(Path(tempfile.gettempdir()).glob("vdeblur-*"))

    async def main() -> None:
        options = ServeOptions(**{"port": 0, "model": ModelOptions("unsharp"), **settings})
        async with running(options) as url, aiohttp.ClientSession() as session:
            await work(session, url.partition("?")[0].rstrip("/"))

    asyncio.run(main())
    assert set(Path(tempfile.gettempdir()).glob("vdeblur-*")) <= folders


async def upload(session: Any, url: str, data: bytes, name: str = "clip.mp4", **query: str) -> tuple[int, Any]:
    async with session.post(f"{url}/api/jobs", data=data, params=query, headers={"X-Name": name}) as response:
        return response.status, await response.json()


async def finished(session: Any, url: str, job_id: str) -> Any:
    async with asyncio.timeout(60):
        while True:
            async with session.get(f"{url}/api/jobs/{job_id}") as response:
                job = await response.json()
            if job["status"] in ("done", "failed"):
                return job
            await asyncio.sleep(0.05)


async def status(session: Any, method: str, url: str, **more: Any) -> int:
    async with session.request(method, url, **more) as response:
        return int(response.status)


# -- jobs -------------------------------------------------------------------------------------------------------------


def test_a_video_is_restored_and_downloaded(clip: Path, tmp_path: Path) -> None:
    async def work(session: Any, url: str) -> None:
        code, job = await upload(session, url, clip.read_bytes(), "my%20h%C3%B6liday.mov", strength="0.5")
        assert code == 201
        assert job["name"] == "my höliday.mov"
        done = await finished(session, url, job["id"])
        assert (done["status"], done["frames"], done["share"]) == ("done", 12, 1.0)
        home = f"{url}/api/jobs/{job['id']}"
        async with session.get(f"{home}/output?download") as response:
            assert response.headers["Content-Disposition"].endswith("filename*=UTF-8''my%20h%C3%B6liday.deblur.mp4")
            (tmp_path / "out.mp4").write_bytes(await response.read())
        assert count_frames(tmp_path / "out.mp4") == 12
        async with session.get(f"{home}/input", headers={"Range": "bytes=0-99"}) as response:
            assert response.status == 206
            assert await response.read() == clip.read_bytes()[:100]
        assert await status(session, "DELETE", home) == 200
        assert await status(session, "GET", home) == 404

    served(work)


@pytest.mark.parametrize("kind", ["text", "sound", "empty"])
def test_what_is_no_video_fails_in_one_line_without_our_paths(kind: str, tmp_path: Path) -> None:
    data = {"text": b"no video at all", "sound": sound_only(tmp_path / "s.mp4").read_bytes(), "empty": b""}[kind]

    async def work(session: Any, url: str) -> None:
        code, job = await upload(session, url, data, "notes.txt")
        if kind == "empty":
            assert code == 400
            assert "empty" in job["error"]
            return
        failed = await finished(session, url, job["id"])
        assert failed["status"] == "failed"
        assert failed["error"].startswith("notes.txt: ")
        assert tempfile.gettempdir() not in failed["error"]

    served(work)


def test_uploads_and_jobs_are_bounded(clip: Path) -> None:
    async def work(session: Any, url: str) -> None:
        code, said = await upload(session, url, b"x" * 200_000)
        assert code == 413
        assert "larger" in said["error"]

        async def chunks() -> Any:  # of a length that is not told
            for _ in range(20):
                yield b"x" * 10_000

        assert await status(session, "POST", f"{url}/api/jobs", data=chunks()) == 413
        for _ in range(2):
            assert (await upload(session, url, clip.read_bytes()))[0] == 201
        code, said = await upload(session, url, clip.read_bytes())
        assert code == 429
        async with session.get(f"{url}/api/jobs") as response:
            jobs = await response.json()
        assert len(jobs) == 2
        await status(session, "DELETE", f"{url}/api/jobs/{jobs[0]['id']}")
        assert (await upload(session, url, clip.read_bytes()))[0] == 201

    served(work, max_upload_bytes=100_000, max_jobs=2)


def test_a_job_is_cancelled_while_it_runs(tmp_path: Path) -> None:
    long = footage(tmp_path / "long.mp4", frames=400, size=(320, 240)).read_bytes()

    async def work(session: Any, url: str) -> None:
        _, job = await upload(session, url, long, model="nlm")
        home = f"{url}/api/jobs/{job['id']}"
        async with asyncio.timeout(30):
            while not job["frames"]:
                async with session.get(home) as response:
                    job = await response.json()
                await asyncio.sleep(0.02)
        async with asyncio.timeout(10):
            assert await status(session, "DELETE", home) == 200
        assert await status(session, "GET", home) == 404

    served(work)


def test_old_jobs_go(clip: Path) -> None:
    async def work(session: Any, url: str) -> None:
        _, job = await upload(session, url, clip.read_bytes())
        await finished(session, url, job["id"])
        async with session.get(f"{url}/api/jobs") as response:
            assert await response.json() == []

    served(work, job_seconds=-1.0)


@pytest.mark.parametrize("query", [{"model": "/etc/passwd"}, {"model": "x.safetensors"}, {"strength": "2"}])
def test_settings_from_outside_are_checked(clip: Path, query: dict[str, str]) -> None:
    async def work(session: Any, url: str) -> None:
        assert (await upload(session, url, clip.read_bytes(), **query))[0] == 400

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
    assert shown_name(header) == shown
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
    assert {path.name for path in WEB.iterdir()} == {*PAGE_FILES, "index.html"}


def test_the_page_offers_whatever_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = publish_heavier(tmp_path, monkeypatch)

    async def work(session: Any, url: str) -> None:
        async with session.get(f"{url}/api/facts") as response:
            facts = await response.json()
        assert facts["model"] == heavy
        assert facts["models"][:3] == [heavy, "fast", "cnn"]
        assert len(set(facts["models"])) == len(facts["models"])

    served(work, model=ModelOptions(heavy))


def test_the_page_asks_nothing_of_other_sites() -> None:
    for path in WEB.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text


def test_other_sites_and_other_names_are_turned_away(clip: Path) -> None:
    async def work(session: Any, url: str) -> None:
        assert await status(session, "GET", f"{url}/", headers={"Host": "evil.example"}) == 403
        forged = {"Origin": "http://evil.example"}
        assert await status(session, "POST", f"{url}/api/jobs", data=clip.read_bytes(), headers=forged) == 403
        own = {"Origin": url}
        assert await status(session, "POST", f"{url}/api/jobs", data=clip.read_bytes(), headers=own) == 201

    served(work)


def test_a_token_is_asked_for_and_kept_as_a_cookie() -> None:
    async def work(session: Any, url: str) -> None:
        assert await status(session, "GET", f"{url}/") == 403
        assert await status(session, "GET", f"{url}/api/facts") == 403
        assert await status(session, "GET", f"{url}/?token=wrong") == 403
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


def test_uploads_lie_in_a_folder_of_ours_alone(clip: Path) -> None:
    async def work(session: Any, url: str) -> None:
        before = set(Path(tempfile.gettempdir()).glob("vdeblur-*/*"))
        await upload(session, url, clip.read_bytes())
        (folder,) = set(Path(tempfile.gettempdir()).glob("vdeblur-*/*")) - before
        assert folder.parent.stat().st_mode & 0o077 == 0

    served(work)


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_serves_until_it_is_stopped() -> None:
    words = [sys.executable, "-m", "vdeblur", "serve", "--port", "0", "-m", "unsharp"]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "serving http://127.0.0.1:" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 143
        assert process.stderr.read() == ""


def test_a_port_that_is_taken_is_one_line() -> None:
    async def main() -> Any:
        async with running(OPTIONS) as url:
            port = url.rstrip("/").rpartition(":")[2]
            return await asyncio.to_thread(run, "serve", "--port", port, "-m", "unsharp")

    result = asyncio.run(main())
    assert result.exit_code == 5
    (line,) = result.stderr.splitlines()
    assert "choose another --port" in line
