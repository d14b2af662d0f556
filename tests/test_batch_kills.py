"""Two hundred files, five of them broken, and two kills: every good one is there once, and the report opens."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support import videos
from support.batches import SETTINGS
from support.chromium import browser
from support.commands import ROOT
from support.videos import count_frames, footage, sound_only
from vdeblur.batch.journal import stat_of

FILES = 200
FRAMES = 3
PAGE = "document.documentElement"


class Season(NamedTuple):
    """A batch that was killed twice and then went through."""

    out: Path
    good: list[str]
    broken: list[str]
    kept: dict[str, int]
    """Outputs that were there after the second kill, with their times."""
    exit_code: int


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Season:
    folder = tmp_path_factory.mktemp("season")
    made, out = folder / "in", folder / "out"
    for below in ("day 1", "day 2"):
        (made / below).mkdir(parents=True)
    one = footage(made / "one.mp4", frames=FRAMES, audio=True)
    names = [f"day {1 + number % 2}/{number:03}.mp4" for number in range(FILES)]
    for name in names:
        shutil.copy(one, made / name)
    whole = one.read_bytes()
    one.unlink()
    broken = [names[number] for number in (2, 51, 90, 133, 199)]
    (made / broken[0]).write_bytes(b"")
    (made / broken[1]).write_bytes(b"no film" * 99)
    (made / broken[2]).write_bytes(whole[: len(whole) // 2])
    (made / broken[3]).write_bytes(bytes(len(whole)))
    sound_only(made / broken[4])

    command = [sys.executable, "-m", "vdeblur", "batch", str(made), "-o", str(out), *SETTINGS]
    command += ["--recursive", "--jobs", "2", "-q"]

    def outputs() -> dict[str, int]:
        return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in sorted(out.glob("*/*.mp4"))}

    def killed(moment: Callable[[], bool]) -> None:
        """Run until the moment has come, then end the batch and its workers without a warning."""
        with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as process:
            while not moment() and process.poll() is None:
                time.sleep(0.002)
            assert process.poll() is None
            os.killpg(process.pid, signal.SIGKILL)

    killed(lambda: len(outputs()) >= 20 and any(out.glob("*/.*.vdeblur/.*.part")))  # in the middle of a file
    first = outputs()
    killed(lambda: len(outputs()) >= 120)
    kept = outputs()
    assert len(first) < len(kept) < FILES - len(broken)
    assert first.items() <= kept.items()
    exit_code = subprocess.run(command, cwd=ROOT, check=False).returncode
    return Season(out, [name for name in names if name not in broken], broken, kept, exit_code)


def test_every_valid_input_has_one_complete_output(season: Season) -> None:
    assert season.exit_code == 7
    found = {str(path.relative_to(season.out)) for path in season.out.rglob("*.mp4")}
    assert found == set(season.good)
    assert all(count_frames(season.out / name) == FRAMES for name in season.good)
    assert all(videos.packets(str(season.out / name), "audio") for name in season.good)
    assert all((season.out / name).stat().st_mtime_ns == changed for name, changed in season.kept.items())


def test_no_incomplete_or_temporary_file_is_left(season: Season) -> None:
    def shown(folder: Path) -> list[str]:
        return sorted(path.name for path in folder.iterdir() if path.suffix != ".mp4")

    assert shown(season.out) == [".vdeblur-batch", "day 1", "day 2", "report.html", "report.json"]
    assert shown(season.out / "day 1") == shown(season.out / "day 2") == []
    assert not list(season.out.rglob("*.part"))


def test_the_journal_is_right(season: Season) -> None:
    lines = [json.loads(line) for line in (season.out / ".vdeblur-batch" / "journal.jsonl").read_text().splitlines()]
    done: dict[str, list[dict[str, Any]]] = {}
    begun = set()
    for line in lines:
        if line["event"] == "writing":
            begun.add(line["output"])
        else:
            assert line["output"] in begun  # nothing is done that was not announced
            done.setdefault(line["output"], []).append(line)
    assert begun == done.keys() == {str(season.out / name) for name in season.good}
    for output, entries in done.items():
        assert [tuple(entry["output_stat"]) for entry in entries] == [stat_of(output)]


def test_the_report_lists_every_file(season: Season) -> None:
    report = json.loads((season.out / "report.json").read_text())
    counts = {status: count for status, count in report["counts"].items() if count}
    redone = FILES - len(season.broken) - len(season.kept)
    assert counts == {"done": redone, "skipped": len(season.kept), "failed": 5}
    of = {str(Path(file["output"]).relative_to(season.out)): file for file in report["files"]}
    assert len(of) == FILES
    assert all(of[name]["error"] for name in season.broken)
    # A kill between an output and its line leaves only that it is whole: at most one for each worker.
    assert sum(of[name]["frames"] != FRAMES for name in season.good) <= 4


@pytest.mark.needs("chromium")
def test_the_report_opens_in_a_browser(season: Season, tmp_path: Path) -> None:
    address = (season.out / "report.html").as_uri()

    async def main() -> None:
        async with browser(tmp_path) as page:
            await page.look(1280, 900)
            await page.send("Page.navigate", url=address)
            await page.until("document.readyState === 'complete' && document.title === 'vdeblur batch'")
            assert await page.evaluate("document.querySelectorAll('tbody tr').length") == FILES
            assert await page.evaluate("document.querySelectorAll('tbody tr.failed').length") == 5
            pictures = await page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth)")
            assert 2 * (FILES - 5 - 4) <= len(pictures) <= 2 * (FILES - 5)
            assert set(pictures) == {64}
            assert await page.evaluate(f"{PAGE}.scrollWidth - {PAGE}.clientWidth") == 0
            await page.look(390, 800, "dark", is_phone=True)
            assert await page.evaluate(f"{PAGE}.scrollWidth - {PAGE}.clientWidth") == 0
            assert page.said == []
            assert [url for url in page.asked if not url.startswith("data:")] == [address]

    asyncio.run(main())
