"""The page of an explanation in a real browser: frames, layers, plots, keyboard, phone, light and dark, no network."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import vdeblur
from support.chromium import Page, browser
from support.explained import write_model
from support.networks import tiny
from support.videos import footage

pytestmark = pytest.mark.needs("chromium")

OPACITY = "getComputedStyle(document.getElementById('layer')).opacity"
WHERE = "document.getElementById('where').textContent"


async def press(page: Page, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        await page.send("Input.dispatchKeyEvent", type=kind, key=key)


def test_the_page_shows_what_it_holds(tmp_path: Path) -> None:
    model = write_model(tmp_path / "random.safetensors", tiny("convlstm", residual=0.3))
    clip = footage(tmp_path / "a <b> clip.mp4", frames=12, size=(224, 200), cut_at=6)
    found = vdeblur.explain(str(clip), model, vdeblur.ExplainOptions(device="cpu", views=2, point=(60, 60)))
    page_file = tmp_path / "page.html"
    found.write_page(page_file)

    async def main() -> None:
        async with browser(tmp_path) as page:
            await page.look(1200, 900)
            await page.open(page_file.as_uri())
            assert await page.evaluate("document.querySelector('h1').textContent") == "a <b> clip.mp4, explained"
            assert await page.evaluate(WHERE) == "frame 6 · 0.240 s"
            assert "Scenestarts here" in await page.evaluate("document.getElementById('facts').textContent")

            await press(page, "ArrowRight")
            assert await page.evaluate(WHERE) == "frame 7 · 0.280 s"
            await press(page, "Home")
            assert await page.evaluate(WHERE) == "frame 0 · 0.000 s"
            before = await page.evaluate("document.getElementById('after').src")
            await page.evaluate(
                "s = document.getElementById('frame'); s.value = 9; s.dispatchEvent(new Event('input'))"
            )
            assert await page.evaluate(WHERE) == "frame 9 · 0.360 s"
            assert await page.evaluate("document.getElementById('after').src") != before

            # A click into a plot jumps there: to its left end here.
            await page.evaluate("document.querySelector('.plot svg').scrollIntoView()")
            plot = "document.querySelector('.plot svg').getBoundingClientRect()"
            x, y, width, height = await page.evaluate(f"(b => [b.x, b.y, b.width, b.height])({plot})")
            for kind in ("mousePressed", "mouseReleased"):
                place = {"x": x + 0.1 * width, "y": y + height / 2}
                await page.send("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)
            assert await page.evaluate("data.shown[place].index") <= 1

            names = await page.evaluate("[...document.querySelectorAll('input[name=layer]')].map(i => i.value)")
            assert {"", "motion", "sources", "uncertainty", "i", "f", "o", "g", "c"} <= set(names)
            for name in names:
                await page.evaluate(f"document.querySelector('input[name=layer][value=\"{name}\"]').click()")
                await page.until(f"Math.abs({OPACITY} - {0.85 if name else 0}) < 0.01")
                if name:
                    await page.until("document.getElementById('layer').naturalWidth > 0")
                    assert len(await page.evaluate("document.getElementById('legend').textContent")) > 20
            assert await page.evaluate("[...document.images].every(i => !i.src || i.naturalWidth > 0)")

            await page.evaluate("document.getElementById('divider').focus()")
            await press(page, "ArrowRight")
            assert await page.evaluate("document.getElementById('stage').style.getPropertyValue('--x')") == "50.5%"
            here = await page.evaluate("place")
            await page.evaluate("document.getElementById('play').click()")
            await page.until(f"place !== {here}")

            for scheme, back in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 27)")):
                for size, is_phone in (((1200, 900), False), ((360, 740), True)):
                    await page.look(*size, scheme, is_phone)
                    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == back
                    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
                    await page.screenshot(tmp_path / f"{scheme}-{size[0]}.png")
                    assert (tmp_path / f"{scheme}-{size[0]}.png").stat().st_size > 10_000
            assert page.said == []
            assert {url.partition(":")[0] for url in page.asked} <= {"file", "data", "about"}

    asyncio.run(main())
