"""The page in a real browser: what a person sees from the first moment to the download, by hand and by keyboard."""

from __future__ import annotations

import asyncio
import threading
import zipfile
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from support.chromium import browser
from support.serving import jobs_of
from support.videos import Recipe, count_frames, footage, frames, write
from vdeblur.loading import ModelOptions
from vdeblur.serve.job import ServedJob
from vdeblur.serve.options import ServeOptions
from vdeblur.serve.restoring import make_poster
from vdeblur.serve.server import running

pytestmark = pytest.mark.needs("chromium")

RESTORED = "document.getElementById('restored')"
BOTH = "['before', 'after'].map(id => document.getElementById(id))"
NOTE = "document.getElementById('stage-note').textContent"


def rows(status: str) -> str:
    return f"document.querySelectorAll('#jobs li[data-status={status}]').length"


async def chosen(page: Any, name: str) -> None:
    names = "[...document.querySelectorAll('#jobs .name')]"
    await page.evaluate(f"{names}.find(one => one.textContent === '{name}').click()")


async def seen(page: Any, name: str, folder: Path) -> None:
    """A state as people meet it, twice: on a wide screen in the light, on a phone in the dark. Nothing sticks out."""
    for kind, width, height, scheme in (("wide", 1600, 1000, "light"), ("phone", 390, 800, "dark")):
        await page.look(width, height, scheme, is_phone=kind == "phone")
        await asyncio.sleep(0.2)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, (name, kind)
        small = "[...document.querySelectorAll('button, a, select, summary')].filter(one => one.offsetHeight)"
        unnamed = f"{small}.filter(one => !(one.textContent.trim() || one.ariaLabel)).length"
        assert await page.evaluate(unnamed) == 0, (name, kind)
        await page.screenshot(folder / f"{name}-{kind}.png")
    await page.look(1600, 1000)


def test_a_video_is_uploaded_restored_and_downloaded_in_the_browser(tmp_path: Path) -> None:
    shots = tmp_path / "shots"
    shots.mkdir()
    first = footage(tmp_path / "first.mp4", frames=10, size=(96, 64))
    clip = footage(tmp_path / "my clip.mp4", frames=50, size=(160, 96))
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    for name in ("2.mp4", "inner/10.mp4"):
        (folder / name).write_bytes(first.read_bytes())
    (folder / "list.txt").write_text("no video")

    async def main() -> None:
        options = ServeOptions(port=0, model=ModelOptions("unsharp"), max_upload_bytes=1 << 20)
        async with running(options) as url, browser(tmp_path) as page:
            # Its scripts are held back: chosen while the page is still on its way, and not lost.
            await page.send("Fetch.enable", patterns=[{"urlPattern": "*/web/app.js"}])
            await page.send("Page.navigate", url=url)
            await page.until("document.getElementById('file')")
            await page.choose_files("#file", first)
            assert await page.evaluate("document.documentElement.dataset.ready") is None
            await page.send("Fetch.disable")
            await page.until(f"{rows('done')} === 1")
            assert await page.evaluate("document.querySelector('#new-settings select').value") == "unsharp"
            await page.click("#jobs .away")
            await page.until("!document.querySelector('#jobs li') && !document.getElementById('empty').hidden")
            await seen(page, "empty", shots)

            # Held, so that what comes before the restoring can be looked at.
            await page.drop_files("#drop", clip)
            await page.until(f"{rows('waiting')} + {rows('restoring')} + {rows('done')} === 1")
            await page.click("#hold")
            await page.until("!document.getElementById('held').hidden")
            (tmp_path / "large.mp4").write_bytes(bytes(2 << 20))
            (tmp_path / "notes.mp4").write_text("no video")
            await page.choose_files("#file", tmp_path / "large.mp4", first, tmp_path / "notes.mp4")
            await page.drop_files("#drop", folder)
            names = "[...document.querySelectorAll('#jobs li[data-status=waiting] .name')].map(one => one.textContent)"
            await page.until(
                f"{names}.slice(-4).join() === 'first.mp4,notes.mp4,2.mp4,10.mp4' && {rows('failed')} === 1"
            )
            assert "1 file left out" in await page.evaluate("document.getElementById('queue-status').textContent")
            await page.click("#jobs [aria-label='Earlier: 10.mp4']")
            await page.until(f"{names}.at(-2) === '10.mp4'")
            await chosen(page, "2.mp4")
            await page.until(f"{NOTE}.includes('in advance')")
            before, after = await sides(page)
            assert np.abs(before - after).mean() > 0.5
            await seen(page, "waiting", shots)

            await page.click("#hold")
            await page.until(f"{rows('done')} === 4 && {rows('failed')} === 2", 60)
            await chosen(page, "notes.mp4")
            assert "notes.mp4: " in await page.evaluate("document.getElementById('job-status').textContent")
            await seen(page, "failed", shots)
            saved = await page.download("#download-all", tmp_path / "together")
            assert len(zipfile.ZipFile(saved).namelist()) == 4

            await chosen(page, "my clip.mp4")
            await page.until(f"{BOTH}.every(video => video.readyState >= 2)")
            await seen(page, "done", shots)
            saved = await page.download("#download", tmp_path / "alone")
            assert saved.name == "my clip.deblur.mp4"
            assert count_frames(saved) == 50
            await compared(page)
            await trimmed(page)
            assert page.said == []

    asyncio.run(main())


def test_the_part_of_one_video_is_not_applied_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [footage(tmp_path / name, frames=50, size=(160, 96)) for name in ("first.mp4", "second.mp4")]
    go_on = threading.Event()

    def held(job: ServedJob, options: ServeOptions) -> float:
        if job.name == "second.mp4":
            go_on.wait(60)
        return make_poster(job, options)

    monkeypatch.setattr("vdeblur.serve.queue.make_poster", held)

    async def main() -> None:
        options = ServeOptions(port=0, model=ModelOptions("unsharp"))
        async with running(options) as url, browser(tmp_path) as page, aiohttp.ClientSession() as session:

            async def second_is(strength: float, start: float | None) -> None:
                await page.click("#apply")
                async with asyncio.timeout(30):
                    while (job := (await jobs_of(session, url.rstrip("/")))[1])["settings"]["strength"] != strength:
                        await asyncio.sleep(0.05)
                assert (job["settings"]["start_seconds"], job["settings"]["end_seconds"]) == (start, None)

            await page.open(url)
            await page.click("#hold")
            await page.choose_files("#file", *clips)
            await page.until("document.querySelectorAll('#jobs li[data-status=waiting]').length === 2")
            await chosen(page, "first.mp4")
            await page.until(f"{NOTE}.includes('in advance')")
            await page.slide("#trim-start", 0.8)
            await chosen(page, "second.mp4")
            await page.until(f"{NOTE}.includes('most blurred')")
            await page.slide("#job-settings input", 0.5)
            await second_is(0.5, None)
            await page.slide("#job-settings input", 0.25)  # and not applied yet
            go_on.set()
            await page.until("!document.getElementById('trim').hidden")
            part = await page.evaluate("document.getElementById('trim-text').textContent")
            assert part.startswith("The whole video")
            await second_is(0.25, None)
            await page.slide("#trim-start", 0.4)
            await page.slide("#job-settings input", 0.75)
            await second_is(0.75, 0.4)

    try:
        asyncio.run(main())
    finally:
        go_on.set()


def test_a_dragged_scrubber_asks_for_one_frame_at_a_time(tmp_path: Path) -> None:
    clip = footage(tmp_path / "clip.mp4", frames=50, size=(160, 96))

    async def main() -> None:
        options = ServeOptions(port=0, model=ModelOptions("unsharp"))
        async with running(options) as url, browser(tmp_path) as page:
            await page.open(url)
            await page.click("#hold")
            await page.choose_files("#file", clip)
            await page.until(f"{NOTE}.includes('in advance')")
            asked = len(page.asked)
            drag = "slider.value = at / 10; slider.dispatchEvent(new Event('input', {bubbles: true}))"
            await page.evaluate(f"slider = document.getElementById('seek'); for (at = 1; at < 20; at++) {{ {drag} }}")
            async with asyncio.timeout(30):
                while not any("/frame/after" in address for address in page.asked[asked:]):
                    await asyncio.sleep(0.1)
            scrubbed = [address for address in page.asked[asked:] if "/frame/" in address]
            kinds = [(address.partition("/frame/")[2].partition("?")[0], address[-5:]) for address in scrubbed]
            assert kinds == [("before", "0.100"), ("before", "1.900"), ("after", "1.900")]

    asyncio.run(main())


async def sides(page: Any) -> tuple[Any, Any]:
    """The stage with the line at either end: all before, all after."""
    shown = []
    for key in ("End", "Home"):
        await page.evaluate("document.querySelector('#stage .divider').focus()")
        await page.type(key)
        await asyncio.sleep(0.1)
        picture = await page.pixels("#stage")
        shown.append(picture[40:-20, 40:-40].astype(int))  # the tags and the line's handle stand at the edges
    return shown[0], shown[1]


async def compared(page: Any) -> None:
    """Both videos at the same moment, closer, by keyboard."""
    await page.slide("#seek", 1)
    await page.until(f"{BOTH}.every(video => Math.abs(video.currentTime - 1) < 0.03)")
    await page.evaluate("document.getElementById('stage').focus()")
    await page.type(".", ".")
    await page.until(f"{BOTH}.every(video => Math.abs(video.currentTime - 1.08) < 0.03)")
    scale = "document.getElementById('zoom-text').textContent"
    await page.type("1")
    assert await page.evaluate(scale) == "100 %"
    box = "document.getElementById('after').getBoundingClientRect()"
    assert await page.evaluate(f"[{box}.width, {box}.height]") == [160, 96]
    await page.type("0")
    fitted = await page.evaluate(f"{box}.width")
    await page.type("+", "+")
    assert await page.evaluate(f"{box}.width") == pytest.approx(fitted * 1.25**2, rel=0.01)
    left = await page.evaluate(f"{box}.left")
    await page.type("ArrowRight")
    assert await page.evaluate(f"{box}.left") < left - 20
    await page.type("b")
    assert await page.evaluate("document.querySelector('#stage .divider').ariaValueNow") in ("0", "100")
    await page.type("?")
    await page.until("document.getElementById('keys').open")
    await page.evaluate("document.getElementById('keys').close()")
    await page.type("0", "m", " ")
    await page.until(f"!{BOTH}[0].paused && !{BOTH}[1].paused")
    await page.type(" ")
    await page.until(f"{BOTH}[0].paused && {BOTH}[1].paused")


async def trimmed(page: Any) -> None:
    """A part, with another strength: a frame of it in advance, then the video, at the right place of the original."""
    await page.slide("#trim-start", 0.8)
    await page.until(f"{NOTE}.includes('in advance')")
    await page.slide("#job-settings input", 0.5)
    await page.click("#apply")
    await page.until("document.getElementById('job-status').textContent.startsWith('30 frames')")
    await page.until(f"{BOTH}.every(video => video.readyState >= 2)")
    assert await page.evaluate("getComputedStyle(document.querySelector('.layer.after')).opacity") == "1"
    await page.slide("#seek", 1.2)
    await page.until(f"Math.abs({BOTH}[0].currentTime - 1.2) < 0.03 && Math.abs({BOTH}[1].currentTime - 0.4) < 0.03")


def test_a_webcam_a_lost_server_and_a_wrong_token(tmp_path: Path) -> None:
    camera = write(tmp_path / "camera.y4m", Recipe(frames(20, size=(160, 120)), codec="rawvideo"))
    shots = tmp_path / "shots"
    shots.mkdir()
    options = ServeOptions(port=0, model=ModelOptions("unsharp"), token="secret", folder=tmp_path / "kept")

    async def main() -> None:
        async with browser(tmp_path, Path(camera)) as page:
            async with running(options) as url:
                await page.send("Page.navigate", url=url.replace("secret", "wrong"))
                await page.until("document.body && document.body.textContent.includes('Wrong token')")
                await page.screenshot(shots / "token.png")
                await page.evaluate("document.querySelector('input').value = 'secret'")
                await page.click("button")
                await page.until("document.documentElement.dataset.ready === 'yes'")
                assert "secret" not in await page.evaluate("location.href")
                await page.choose_files("#file", footage(tmp_path / "clip.mp4"))
                await page.until(f"{rows('done')} === 1")

                await page.click("#webcam-tab")
                await page.click("#webcam-switch")
                await page.until(f"{RESTORED}.videoWidth === 160 && {RESTORED}.currentTime > 0.5")
                await page.until("parseFloat(document.getElementById('fps').textContent) > 1")
                await page.until("document.getElementById('fps-plot').getAttribute('aria-label').includes('restored')")
                await page.evaluate("document.querySelector('#webcam-stage .divider').focus()")
                await page.type("ArrowRight", "ArrowRight", "ArrowRight")
                assert await page.evaluate("document.querySelector('#webcam-stage .divider').ariaValueNow") == "56"
                await seen(page, "webcam", shots)
                await page.click("#webcam-switch")
                await page.until(f"{RESTORED}.srcObject === null")
                port = int(url.partition("?")[0].rstrip("/").rpartition(":")[2])
            await page.click("#videos-tab")
            await page.until("document.getElementById('offline').textContent.includes('cannot be reached')")
            await seen(page, "offline", shots)
            async with running(
                ServeOptions(port=port, model=ModelOptions("unsharp"), token="secret", folder=tmp_path / "kept")
            ):
                await page.until(f"document.getElementById('offline').hidden && {rows('done')} === 1")
                await page.click("#jobs .name")
                await page.until(f"{BOTH}[1].readyState >= 2")

    asyncio.run(main())
