"""The page in a real browser: webcam, dropped video, comparison, download, keyboard, and no errors."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.chromium import browser
from support.videos import Recipe, count_frames, footage, frames, write
from vdeblur.loading import ModelOptions
from vdeblur.serve.app import ServeOptions, running

pytestmark = pytest.mark.needs("chromium")

OPTIONS = ServeOptions(port=0, model=ModelOptions("unsharp"))
RESTORED = "document.getElementById('restored')"


def test_the_page_restores_a_webcam_and_a_dropped_video(tmp_path: Path) -> None:
    camera = write(tmp_path / "camera.y4m", Recipe(frames(20, size=(160, 120)), codec="rawvideo"))
    clip = footage(tmp_path / "my clip.mp4", frames=50, size=(160, 96))

    async def main() -> None:
        async with (
            running(ServeOptions(port=0, model=ModelOptions("unsharp"))) as url,
            browser(tmp_path, Path(camera)) as page,
        ):
            await page.look(1200, 900)
            await page.open(url)
            assert await page.evaluate("document.getElementById('model').value") == "unsharp"

            await page.evaluate("document.getElementById('webcam-switch').click()")
            await page.until(f"{RESTORED}.videoWidth === 160 && {RESTORED}.currentTime > 0.5")
            await page.until("parseFloat(document.getElementById('fps').textContent) > 1")
            await page.until("document.getElementById('fps-plot').getAttribute('aria-label').includes('restored')")
            await page.evaluate("document.querySelector('#webcam-stage .divider').focus()")
            for _ in range(3):
                await page.send("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight")
            place = "document.querySelector('#webcam-stage .divider').getAttribute('aria-valuenow')"
            assert await page.evaluate(place) == "56"
            await page.evaluate("document.getElementById('webcam-switch').click()")
            await page.until(f"{RESTORED}.srcObject === null")

            await page.drop_file("#drop", clip)
            await page.until("document.querySelector('#jobs a')", 60)
            downloaded = await page.download("#jobs a", tmp_path / "downloads")
            assert downloaded.name == "my clip.deblur.mp4"
            assert count_frames(downloaded) == 50
            await page.evaluate("document.querySelector('#jobs button').click()")
            both = "['before', 'after'].map(id => document.getElementById(id))"
            await page.until(f"{both}.every(video => video.readyState >= 2)")
            await page.evaluate(
                "seek = document.getElementById('seek'); seek.value = 0.5; seek.dispatchEvent(new Event('input'))"
            )
            await page.until(f"{both}.every(video => Math.abs(video.currentTime - 1) < 0.06)")
            await page.evaluate("document.getElementById('play').click()")
            await page.until(f"!{both}[0].paused && !{both}[1].paused")
            await page.evaluate("document.querySelector('#jobs button:last-child').click()")
            await page.until("document.querySelectorAll('#jobs li').length === 0")

            await page.look(360, 700, "dark", is_phone=True)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360
            ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert ground == "rgb(16, 21, 20)"
            assert page.said == []

    asyncio.run(main())


def test_what_fails_is_said_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no video")

    async def main() -> None:
        async with running(ServeOptions(port=0, model=ModelOptions("unsharp"))) as url, browser(tmp_path) as page:
            await page.open(url)
            await page.choose_file("#file", tmp_path / "notes.txt")
            await page.until("document.querySelector('#jobs .detail.bad')")
            text = await page.evaluate("document.querySelector('#jobs .detail.bad').textContent")
            assert text.startswith("notes.txt: ")

    asyncio.run(main())
