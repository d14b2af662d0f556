"""The queue as programs meet it: from upload to download, previews, order, two visitors, broken uploads, a full disk, a
restart in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest

from support.commands import ROOT, run
from support.serving import ask, finished, job_when, jobs_of, private_temporaries, served, status, upload
from support.videos import Recipe, count_frames, encoded_with, footage, frames, packets, sound_only, write
from vdeblur.errors import EXIT_DAMAGED_INPUT
from vdeblur.loading import ModelOptions
from vdeblur.media.quality import STEPS
from vdeblur.serve.archive import unique_names
from vdeblur.serve.choices import QUALITIES, Settings
from vdeblur.serve.job import UNWANTED, ServedJob, new_id
from vdeblur.serve.options import ServeOptions
from vdeblur.serve.restoring import frame_jpeg
from vdeblur.serve.server import running


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage(tmp_path_factory.mktemp("serve") / "clip.mp4", frames=25, audio=True)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Takes nlm some seconds, and a frame of it a few hundredths."""
    return footage(tmp_path_factory.mktemp("serve") / "long.mp4", frames=400, size=(320, 240)).read_bytes()


def is_running(job: Any) -> bool:
    return bool(job["status"] == "restoring" and job["frames"])


# -- one video --------------------------------------------------------------------------------------------------------


def test_a_video_is_restored_and_downloaded(clip: Path, tmp_path: Path) -> None:
    async def work(session: Any, url: str) -> None:
        code, job = await upload(session, url, clip.read_bytes(), "my%20h%C3%B6liday.mov", strength="0.5")
        assert code == 201
        assert job["name"] == "my höliday.mov"
        done = await finished(session, url, job["id"])
        assert (done["status"], done["frames"], done["share"]) == ("done", 25, 1.0)
        home = f"{url}/api/jobs/{job['id']}"
        async with session.get(f"{home}/output?download") as response:
            assert response.headers["Content-Disposition"].endswith("filename*=UTF-8''my%20h%C3%B6liday.deblur.mp4")
            (tmp_path / "out.mp4").write_bytes(await response.read())
        assert count_frames(tmp_path / "out.mp4") == 25
        assert (tmp_path / "out.mp4").stat().st_size == done["output_bytes"]
        async with session.get(f"{home}/input", headers={"Range": "bytes=0-99"}) as response:
            assert response.status == 206
            assert await response.read() == clip.read_bytes()[:100]
        assert await status(session, "DELETE", home) == 200
        assert await status(session, "GET", home) == 404

    served(work)


def test_a_job_is_restored_as_requested_and_again_with_other_settings(clip: Path) -> None:
    async def work(session: Any, url: str) -> None:
        asked = {"codec": "av1", "quality": "draft", "start_seconds": "0.2", "end_seconds": "0.6"}
        _, job = await upload(session, url, clip.read_bytes(), **asked)
        home = f"{url}/api/jobs/{job['id']}"
        done = await finished(session, url, job["id"])
        assert (done["status"], done["frames"]) == ("done", 10)
        code, changed = await ask(session, "PATCH", home, json={"start_seconds": None, "codec": "h264"})
        assert (code, changed["status"]) == (200, "waiting")
        done = await finished(session, url, job["id"])
        assert (done["status"], done["frames"]) == ("done", 15)
        assert done["settings"] == {
            "model": "unsharp",
            "strength": 1.0,
            "codec": "h264",
            "quality": "draft",
            "start_seconds": None,
            "end_seconds": 0.6,
        }
        wrong: Any
        for wrong in ({"strength": 7}, {"model": "/etc/passwd"}, {"codec": ["h264"]}, [], "x"):
            assert (await ask(session, "PATCH", home, json=wrong))[0] == 400
        assert (await ask(session, "GET", home))[1]["status"] == "done"

    served(work)


def test_qualities_are_those_of_the_command(clip: Path, tmp_path: Path) -> None:
    assert set(QUALITIES) == set(STEPS)

    async def work(session: Any, url: str) -> None:
        for quality in QUALITIES:
            _, job = await upload(session, url, clip.read_bytes(), quality=quality)
            await finished(session, url, job["id"])
            async with session.get(f"{url}/api/jobs/{job['id']}/output") as response:
                (tmp_path / "served.mp4").write_bytes(await response.read())
            out, words = tmp_path / f"{quality}.mp4", ("--quality", quality, "--codec", "h264", "-m", "unsharp")
            assert (await asyncio.to_thread(run, clip, "-o", out, *words)).exit_code == 0
            assert encoded_with(tmp_path / "served.mp4") == encoded_with(out)

    served(work)


def test_the_quality_small_of_an_old_queue_is_a_draft(clip: Path, tmp_path: Path) -> None:
    async def work(session: Any, url: str) -> None:
        _, job = await upload(session, url, clip.read_bytes(), quality="draft")
        await finished(session, url, job["id"])
        assert (await upload(session, url, clip.read_bytes(), quality="small"))[0] == 400

    served(work, folder=tmp_path)
    stored = (tmp_path / "queue.json").read_text()
    assert '"draft"' in stored
    (tmp_path / "queue.json").write_text(stored.replace('"draft"', '"small"'))

    async def look(session: Any, url: str) -> None:
        (job,) = await jobs_of(session, url)
        assert job["settings"]["quality"] == "draft"
        await ask(session, "PATCH", f"{url}/api/jobs/{job['id']}", json={"strength": 0.5})
        assert (await finished(session, url, job["id"]))["status"] == "done"

    served(look, folder=tmp_path)


def test_a_frame_is_shown_before_and_after_in_advance(clip: Path) -> None:
    async def shown(session: Any, url: str) -> Any:
        async with session.get(url) as response:
            assert response.status == 200, await response.text()
            assert response.headers["Content-Type"] == "image/jpeg"
            return cv2.imdecode(np.frombuffer(await response.read(), np.uint8), cv2.IMREAD_COLOR)

    async def work(session: Any, url: str) -> None:
        await ask(session, "PUT", f"{url}/api/queue", json={"is_paused": True})
        _, job = await upload(session, url, clip.read_bytes())
        home = f"{url}/api/jobs/{job['id']}"
        job = await job_when(session, url, job["id"], lambda job: job["poster"] is not None)
        assert job["status"] == "waiting"
        assert job["video"] == {"width": 64, "height": 48, "seconds": 1.0, "fps": 25.0}
        before, after = [await shown(session, f"{home}/frame/{which}") for which in ("before", "after")]
        assert before.shape == after.shape == (48, 64, 3)
        assert np.abs(before.astype(int) - after).mean() > 1
        same = await shown(session, f"{home}/frame/after?strength=0")
        assert np.abs(before.astype(int) - same).max() <= 3
        elsewhere = await shown(session, f"{home}/frame/before?at=0")
        assert np.abs(before.astype(int) - elsewhere).mean() > 5
        assert (await shown(session, f"{home}/frame/before?at=99")).shape == (48, 64, 3)  # the last frame
        for wrong in ("at=-1", "at=x", "model=/etc/passwd", "strength=2"):
            assert await status(session, "GET", f"{home}/frame/after?{wrong}") == 400

    served(work)


def test_a_frame_is_explained_on_a_page_that_runs_apart(clip: Path, tmp_path: Path) -> None:
    async def work(session: Any, url: str) -> None:
        await ask(session, "PUT", f"{url}/api/queue", json={"is_paused": True})
        _, job = await upload(session, url, clip.read_bytes(), "a%3Cb%3E.mp4", model="fast")
        await job_when(session, url, job["id"], lambda job: job["poster"] is not None)
        page = f"{url}/api/jobs/{job['id']}/explain?at=0.4"
        assert await ask(session, "GET", f"{page}&prepare") == (200, {})
        async with session.get(page) as response:
            text = await response.text()
            policy = response.headers["Content-Security-Policy"]
        assert "a&lt;b&gt;.mp4" in text
        assert "a<b>.mp4" not in text
        assert tempfile.gettempdir() not in text
        assert policy.startswith("sandbox allow-scripts; default-src 'none'")
        assert (await ask(session, "GET", f"{url}/api/jobs/{job['id']}/explain?at=9"))[0] == 422
        assert await ask(session, "GET", f"{page}&prepare&strength=0.3") == (200, {})  # shows what the network does
        assert len([*(tmp_path / job["id"]).glob("*.html")]) == 1

    served(work, folder=tmp_path)


def test_frames_and_explanations_do_not_fill_the_disk(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass
    class Page:
        input: str = ""

        def write_page(self, path: Path) -> None:
            path.write_text(self.input)

    monkeypatch.setattr("vdeblur.quality.explain.explain", lambda *_: Page())
    monkeypatch.setattr("vdeblur.serve.restoring.KEPT_FRAMES", 4)

    async def work(session: Any, url: str) -> None:
        await ask(session, "PUT", f"{url}/api/queue", json={"is_paused": True})
        _, job = await upload(session, url, clip.read_bytes())
        job = await job_when(session, url, job["id"], lambda job: job["poster"] is not None)
        home, poster = f"{url}/api/jobs/{job['id']}", {path.name for path in (tmp_path / job["id"]).glob("frame-*")}
        asked = [f"explain?at=0.{moment:03}" for moment in range(12)]
        asked += [f"frame/before?at=0.{moment:03}" for moment in range(12)]
        asked += [f"frame/after?strength=0.{share:03}" for share in range(12)]  # of the poster's moment
        for one in asked:
            assert await status(session, "GET", f"{home}/{one}") == 200
            made = {path.name for path in (tmp_path / job["id"]).iterdir()} - {"input"}
            assert len(made - poster) <= 4
            assert poster <= made

    served(work, folder=tmp_path)


def test_frames_that_nobody_waits_for_any_more_are_not_made(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def held(*details: Any) -> bytes:
        begun.set()
        go_on.wait(60)
        return frame_jpeg(*details)

    monkeypatch.setattr("vdeblur.serve.routes.frame_jpeg", held)

    async def work(session: Any, url: str) -> None:
        await ask(session, "PUT", f"{url}/api/queue", json={"is_paused": True})
        _, job = await upload(session, url, clip.read_bytes())
        await job_when(session, url, job["id"], lambda job: job["poster"] is not None)
        frame = f"{url}/api/jobs/{job['id']}/frame/before?at="
        first, *others = (asyncio.create_task(status(session, "GET", f"{frame}0.{at}01")) for at in range(5))
        await asyncio.to_thread(begun.wait, 60)
        for _ in range(3):  # the others have arrived by then
            await jobs_of(session, url)
        *abandoned, wanted = others
        for one in abandoned:
            one.cancel()
        await asyncio.gather(*abandoned, return_exceptions=True)
        for _ in range(3):  # the server has seen them leave by then
            await jobs_of(session, url)
        go_on.set()
        assert list(await asyncio.gather(first, wanted)) == [200, 200]
        made = sorted(path.name for path in (tmp_path / job["id"]).glob("frame-0.?01-before.jpg"))
        assert made == ["frame-0.001-before.jpg", "frame-0.401-before.jpg"]

    served(work, folder=tmp_path)


@pytest.mark.parametrize("kind", ["text", "sound", "empty"])
def test_an_upload_that_is_not_a_video_fails_in_one_line_without_paths_of_the_server(kind: str, tmp_path: Path) -> None:
    data = {"text": b"no video at all", "sound": sound_only(tmp_path / "s.mp4").read_bytes(), "empty": b""}[kind]

    async def work(session: Any, url: str) -> None:
        code, job = await upload(session, url, data, "notes.txt")
        if kind == "empty":
            assert code == 400
            assert "empty" in job["error"]
            assert await jobs_of(session, url) == []
            return
        failed = await job_when(session, url, job["id"], lambda job: job["status"] == "failed" and job["poster_error"])
        for line in (failed["error"], failed["poster_error"]):
            assert line.startswith("notes.txt: ")
            assert tempfile.gettempdir() not in line
        code, said = await ask(session, "GET", f"{url}/api/jobs/{job['id']}/frame/before?at=0")
        assert code == 422
        assert tempfile.gettempdir() not in said["error"]

    served(work)


def test_a_job_is_cancelled_or_changed_while_it_runs(long: bytes) -> None:
    async def work(session: Any, url: str) -> None:
        _, job = await upload(session, url, long, model="nlm")
        home = f"{url}/api/jobs/{job['id']}"
        await job_when(session, url, job["id"], is_running)
        async with asyncio.timeout(10):
            assert (await ask(session, "PATCH", home, json={"model": "unsharp"}))[1]["status"] == "waiting"
        assert (await finished(session, url, job["id"]))["settings"]["model"] == "unsharp"
        await ask(session, "PATCH", home, json={"model": "nlm"})
        await job_when(session, url, job["id"], is_running)
        async with asyncio.timeout(10):
            assert await status(session, "DELETE", home) == 200
        assert await status(session, "GET", home) == 404

    served(work)


def test_a_job_that_is_changed_while_it_runs_is_shown_to_run_again(long: bytes) -> None:
    async def work(session: Any, url: str) -> None:
        _, job = await upload(session, url, long, model="nlm")
        home = f"{url}/api/jobs/{job['id']}"
        await job_when(session, url, job["id"], is_running)
        for strength in (0.5, 0.7):
            assert (await ask(session, "PATCH", home, json={"strength": strength}))[1]["status"] == "waiting"
            again = await job_when(session, url, job["id"], lambda job: job["status"] != "waiting")
            assert again["status"] == "restoring"
            assert again["settings"]["strength"] == strength
            await job_when(session, url, job["id"], is_running)
        assert await status(session, "DELETE", home) == 200

    served(work)


# -- many -------------------------------------------------------------------------------------------------------------


def test_ten_at_once_from_two_visitors_are_all_restored_and_downloaded_together(clip: Path) -> None:
    async def work(session: Any, url: str) -> None:
        async with aiohttp.ClientSession() as other:
            visitors = [session, other]
            sent = [upload(visitors[index % 2], url, clip.read_bytes(), f"{index % 4}.mov") for index in range(10)]
            answers = await asyncio.gather(*sent)
            assert [code for code, _ in answers] == [201] * 10
            for _, job in answers:
                assert (await finished(session, url, job["id"]))["status"] == "done"
            theirs = [[job["id"] for job in await jobs_of(visitor, url)] for visitor in visitors]
            assert sorted(theirs[0]) == sorted(job["id"] for _, job in answers)
            assert theirs[0] == theirs[1]
            async with other.get(f"{url}/api/outputs.zip") as response:
                assert response.status == 200
                archive = zipfile.ZipFile(io.BytesIO(await response.read()))
        assert archive.testzip() is None
        assert len(set(archive.namelist())) == 10
        assert {"0.deblur.mp4", "0.deblur (2).mp4", "0.deblur (3).mp4"} <= set(archive.namelist())

    served(work)
    assert unique_names(["a.mp4", "a (2).mp4", "a.mp4"]) == ["a.mp4", "a (2).mp4", "a (3).mp4"]


def test_the_queue_can_be_paused_and_reordered(clip: Path) -> None:
    async def work(session: Any, url: str) -> None:
        assert await status(session, "GET", f"{url}/api/outputs.zip") == 404
        await ask(session, "PUT", f"{url}/api/queue", json={"is_paused": True})
        ids = [(await upload(session, url, clip.read_bytes(), f"{name}.mp4"))[1]["id"] for name in "abc"]
        code, queue = await ask(session, "PUT", f"{url}/api/queue", json={"order": [ids[2], "unknown", ids[0]]})
        assert code == 200
        assert "".join(job["name"][0] for job in queue["jobs"]) == "cba"
        assert {job["status"] for job in queue["jobs"]} == {"waiting"}
        wrong: Any
        for wrong in ({"order": 3}, {"is_paused": "yes"}, []):
            assert (await ask(session, "PUT", f"{url}/api/queue", json=wrong))[0] == 400
        await ask(session, "PUT", f"{url}/api/queue", json={"is_paused": False})
        await asyncio.gather(*(finished(session, url, job_id) for job_id in ids))

    served(work)


def test_uploads_and_jobs_are_bounded(clip: Path) -> None:
    async def work(session: Any, url: str) -> None:
        code, said = await upload(session, url, b"x" * 200_000)
        assert code == 413
        assert "larger" in said["error"]

        async def chunks() -> Any:  # of a length that is not told
            for _ in range(20):
                yield b"x" * 10_000

        assert (await upload(session, url, chunks()))[0] == 413
        for _ in range(2):
            assert (await upload(session, url, clip.read_bytes()))[0] == 201
        assert (await upload(session, url, clip.read_bytes()))[0] == 429
        jobs = await jobs_of(session, url)
        assert len(jobs) == 2
        await status(session, "DELETE", f"{url}/api/jobs/{jobs[0]['id']}")
        assert (await upload(session, url, clip.read_bytes()))[0] == 201

    served(work, max_upload_bytes=100_000, max_jobs=2)


def test_old_jobs_are_deleted_though_nobody_looks(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vdeblur.serve.queue.REMOVE_SECONDS", 0.1)

    async def work(session: Any, url: str) -> None:
        _, job = await upload(session, url, clip.read_bytes())
        async with asyncio.timeout(30):
            while (tmp_path / job["id"]).exists():
                await asyncio.sleep(0.03)
        assert await jobs_of(session, url) == []

    served(work, folder=tmp_path, job_seconds=-1.0)


def test_jobs_that_became_old_without_a_server_are_deleted_when_it_starts(clip: Path, tmp_path: Path) -> None:
    async def work(session: Any, url: str) -> None:
        _, job = await upload(session, url, clip.read_bytes())
        await finished(session, url, job["id"])

    served(work, folder=tmp_path)

    async def look(session: Any, url: str) -> None:
        async with asyncio.timeout(10):
            while await jobs_of(session, url):
                await asyncio.sleep(0.03)

    served(look, folder=tmp_path, job_seconds=0.0)


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_damaged_upload_is_told_in_the_words_of_the_command(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "clip.mp4", Recipe(frames(25), options={"g": "5"})))
    data = path.read_bytes()
    for number in (11, 12):
        lost = packets(str(path), "video")[number][1]
        data = data.replace(lost, bytes(len(lost)))
    path.write_bytes(data)
    told = run(path, "-o", tmp_path / "out.mp4", "-m", "unsharp")
    assert told.exit_code == EXIT_DAMAGED_INPUT
    (damage,) = re.findall(r"the input was damaged; \d+ frames? concealed", told.stderr)

    async def work(session: Any, url: str) -> None:
        _, job = await upload(session, url, data)
        done = await finished(session, url, job["id"])
        assert (done["status"], done["frames"]) == ("done", 25)
        assert done["warnings"] == [damage]

    served(work)


def test_an_upload_that_breaks_off_or_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    async def begun(url: str, session: Any) -> tuple[asyncio.StreamWriter, str]:
        host, _, port = url.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST /api/jobs HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 9999999\r\n\r\n".encode())
        writer.write(b"x" * 100_000)
        await writer.drain()
        async with asyncio.timeout(10):
            while not (jobs := await jobs_of(session, url)):
                await asyncio.sleep(0.02)
        assert jobs[0]["status"] == "uploading"
        assert (await ask(session, "PATCH", f"{url}/api/jobs/{jobs[0]['id']}", json={}))[0] == 409
        return writer, jobs[0]["id"]

    async def work(session: Any, url: str) -> None:
        writer, _ = await begun(url, session)
        writer.transport.abort()
        async with asyncio.timeout(10):
            while await jobs_of(session, url) or any(path.is_dir() for path in tmp_path.iterdir()):
                await asyncio.sleep(0.02)
        writer, job_id = await begun(url, session)
        assert await status(session, "DELETE", f"{url}/api/jobs/{job_id}") == 200
        writer.write(b"x" * 2_000_000)
        async with asyncio.timeout(10):
            while await jobs_of(session, url) or any(path.is_dir() for path in tmp_path.iterdir()):
                await asyncio.sleep(0.02)
        writer.transport.abort()

    served(work, folder=tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "vdeblur-test", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.needs("root")
def test_a_full_disk_is_reported_and_nothing_else_is_lost(clip: Path, disk: Path) -> None:
    full = "the disk of this server is full"

    async def work(session: Any, url: str) -> None:
        code, said = await upload(session, url, io.BytesIO(bytes(2_000_000)))
        assert code == 507
        assert said["error"].startswith(full)

        async def chunks() -> Any:  # of a length that is not told
            for _ in range(20):
                yield b"x" * 100_000

        code, said = await upload(session, url, chunks())
        assert code == 507
        assert said["error"].startswith(full)
        assert await jobs_of(session, url) == []

        await ask(session, "PUT", f"{url}/api/queue", json={"is_paused": True})
        _, job = await upload(session, url, clip.read_bytes())
        await job_when(session, url, job["id"], lambda job: job["poster"] is not None)
        (disk / "other").write_bytes(b"x" * 4096)
        with (disk / "other").open("ab", buffering=0) as other, contextlib.suppress(OSError):
            while True:
                other.write(b"x" * 4096)
        await ask(session, "PUT", f"{url}/api/queue", json={"is_paused": False})
        failed = await finished(session, url, job["id"])
        assert failed["error"].startswith(full)
        (disk / "other").unlink()
        assert (await ask(session, "PATCH", f"{url}/api/jobs/{job['id']}", json={}))[0] == 200
        assert (await finished(session, url, job["id"]))["status"] == "done"

    served(work, folder=disk)


def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    words = [sys.executable, "-m", "vdeblur", "serve", "--port", "0", "-m", "nlm", "--folder", str(folder)]
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "serving http" in line, line
    return process, line.split()[2].rstrip("/")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_the_queue_survives_a_restart_in_the_middle(clip: Path, long: bytes, tmp_path: Path, end: int) -> None:
    async def fill(url: str) -> list[str]:
        async with aiohttp.ClientSession() as session:
            _, first = await upload(session, url, clip.read_bytes(), "done.mp4", model="unsharp")
            await finished(session, url, first["id"])
            await job_when(session, url, first["id"], lambda job: job["poster"] is not None)
            _, second = await upload(session, url, long, "running.mp4", model="nlm")
            _, third = await upload(session, url, clip.read_bytes(), "waiting.mp4", model="unsharp", strength="0.5")
            await job_when(session, url, second["id"], is_running)
            return [first["id"], second["id"], third["id"]]

    process, url = start(tmp_path)
    try:
        ids = asyncio.run(fill(url))
        process.send_signal(end)
        process.wait(60)
    finally:
        process.kill()
        _, said = process.communicate()
    assert "Traceback" not in said
    half = ServedJob(new_id(), tmp_path, "an upload that was killed", Settings("nlm"))
    half.folder = tmp_path / half.id
    half.make_folder()
    half.input.write_bytes(b"x")

    async def look(session: Any, url: str) -> None:
        jobs = await jobs_of(session, url)
        assert [job["id"] for job in jobs] == ids
        assert [job["name"] for job in jobs] == ["done.mp4", "running.mp4", "waiting.mp4"]
        assert jobs[0]["status"] == "done"
        assert jobs[0]["poster"] is not None
        assert jobs[1]["status"] in ("waiting", "restoring")
        assert jobs[2]["settings"]["strength"] == 0.5
        assert await status(session, "GET", f"{url}/api/jobs/{ids[0]}/output") == 200
        await ask(session, "PATCH", f"{url}/api/jobs/{ids[1]}", json={"model": "unsharp"})  # for the test's time
        for job_id in ids:
            assert (await finished(session, url, job_id))["status"] == "done"
        assert not half.folder.exists()

    served(look, folder=tmp_path)


HANGING = """
import os, sys, threading
import vdeblur.serve.{module}, vdeblur.serve.queue
from vdeblur.cli.main import cli

def hang(*_):
    os.write(2, b"begun\\n")  # in one piece
    threading.Event().wait()

vdeblur.serve.{module}.{work} = hang
vdeblur.serve.queue.STOP_SECONDS = {seconds}
cli(["serve", "--port", "0", "-m", "unsharp", "--folder", sys.argv[1]])
"""
"""A server one of whose threads never ends."""


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]])
@pytest.mark.parametrize("work", ["queue.make_poster", "routes.frame_jpeg", "routes.explanation_page"])
def test_a_server_ends_though_a_frame_never_does(work: str, signals: list[int], clip: Path, tmp_path: Path) -> None:
    """The first signal waits a while, here for ever if a second is to come."""

    async def fill(session: Any, url: str) -> None:
        await ask(session, "PUT", f"{url}/api/queue", json={"is_paused": True})
        _, job = await upload(session, url, clip.read_bytes())
        await job_when(session, url, job["id"], lambda job: job["poster"] is not None)

    async def hold(url: str) -> None:
        asked = {"routes.frame_jpeg": "frame/before?at=0.3", "routes.explanation_page": "explain?at=0.3"}
        if work in asked:
            async with aiohttp.ClientSession() as session:
                (job,) = await jobs_of(session, url)
                with contextlib.suppress(aiohttp.ClientError):
                    await session.get(f"{url}/api/jobs/{job['id']}/{asked[work]}")

    async def is_stopping(url: str) -> None:
        """Wait until the server takes no more connections."""
        host, _, port = url.removeprefix("http://").partition(":")
        with contextlib.suppress(OSError):
            while True:
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
                await asyncio.sleep(0.05)

    async def main() -> int | None:
        module, _, name = work.partition(".")
        code = HANGING.format(module=module, work=name, seconds=0.2 if len(signals) == 1 else 1e6)
        words = [sys.executable, "-c", code, str(tmp_path)]
        process = await asyncio.create_subprocess_exec(*words, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
        try:
            assert process.stderr is not None
            async with asyncio.timeout(60):
                lines = [(await process.stderr.readline()).decode()]
                if work == "queue.make_poster":  # begins by itself, before or after the address is told
                    lines.append((await process.stderr.readline()).decode())
                (url,) = (line.split()[2].rstrip("/") for line in lines if "serving http" in line)
                asking = asyncio.create_task(hold(url))
                if work != "queue.make_poster":
                    lines.append((await process.stderr.readline()).decode())
                assert "begun\n" in lines
                for signum in signals:
                    process.send_signal(signum)
                    await is_stopping(url)
                await process.wait()
                await asking
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()  # closes the pipe
        return process.returncode

    served(fill, folder=tmp_path)
    if work == "queue.make_poster":
        queue = json.loads((tmp_path / "queue.json").read_text())
        queue["jobs"][0]["poster"] = None
        (tmp_path / "queue.json").write_text(json.dumps(queue))
    assert asyncio.run(main()) == 128 + signals[0]

    async def look(session: Any, url: str) -> None:
        (job,) = await jobs_of(session, url)
        await job_when(session, url, job["id"], lambda job: job["poster"] is not None)
        assert await status(session, "GET", f"{url}/api/jobs/{job['id']}/frame/before?at=0.3") == 200

    served(look, folder=tmp_path)


def test_an_unreadable_queue_file_loses_no_videos(clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work(session: Any, url: str) -> None:
        _, job = await upload(session, url, clip.read_bytes())
        await finished(session, url, job["id"])

    served(work, folder=tmp_path)
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    stored = (tmp_path / "queue.json").read_text()
    damaged = ("{", "null", stored.replace(folder.name, "../" + folder.name))

    async def look(session: Any, url: str) -> None:
        assert await jobs_of(session, url) == []

    for text in damaged:
        (tmp_path / "queue.json").write_text(text)
        caplog.clear()
        for _ in range(3):
            served(look, folder=tmp_path)
        (said,) = caplog.messages
        assert "cannot be read" in said
        assert (folder / "output.mp4").is_file()
    kept = [tmp_path / f"queue.unreadable{number}.json" for number in ("", " (2)", " (3)")]
    assert [path.read_text() for path in kept] == list(damaged)
    (tmp_path / "queue.json").write_text(stored)  # put right by hand

    async def again(session: Any, url: str) -> None:
        assert [job["status"] for job in await jobs_of(session, url)] == ["done"]

    served(again, folder=tmp_path)


@pytest.mark.parametrize("queue", [None, "{", '{"is_paused": false, "jobs": []}'])
def test_what_a_server_did_not_make_is_never_deleted(tmp_path: Path, queue: str | None) -> None:
    """Folders of 0.1.0 too, which served any folder."""
    names = ("holiday/film.mp4", f"{new_id()}/film.mp4", f"{new_id()}/input", f"holiday/{UNWANTED}")
    for path in (tmp_path / "in-use", *(tmp_path / name for name in names)):
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    if queue is not None:
        (tmp_path / "queue.json").write_text(queue)

    async def look(session: Any, url: str) -> None:
        assert await jobs_of(session, url) == []

    for _ in range(2):
        served(look, folder=tmp_path)
    assert {(tmp_path / name).read_text() for name in names} == {"mine"}


def test_the_folder_is_private(tmp_path: Path) -> None:
    async def main(folder: Path | None, temporaries: Path) -> int:
        async with running(ServeOptions(port=0, model=ModelOptions("unsharp"), folder=folder)):
            (made,) = [folder] if folder else temporaries.iterdir()
            return made.stat().st_mode & 0o077

    made = tmp_path / "made" / "here"
    with private_temporaries() as temporaries:
        assert asyncio.run(main(made, temporaries)) == 0
        assert asyncio.run(main(None, temporaries)) == 0
    assert json.loads((made / "queue.json").read_text()) == {"is_paused": False, "jobs": []}
