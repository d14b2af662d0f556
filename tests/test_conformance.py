"""The conformance matrix, case x promise: what goes in comes out, through the command line, with nothing restored.

The cases are clips made here, and the small ones of ../shared/clips where that is present. `benchmarks/conformance.py`
has the comparison and prints it as a report.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from support.cases import CASES, same_tags
from support.commands import ROOT
from support.interlacing import WOVEN, woven
from support.needs import SHARED
from support.videos import ROTATED_90, Recipe, frames, restless, shift_stamps, write

SHARED_CLIPS = SHARED / "clips"
SMALL_BYTES = 25_000


def _script() -> Any:
    spec = importlib.util.spec_from_file_location("conformance", ROOT / "benchmarks" / "conformance.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["conformance"] = module
    spec.loader.exec_module(module)
    return module


conformance = _script()

Make = Callable[[Path], str]


def made(name: str, recipe: Callable[[], Recipe]) -> Make:
    return lambda folder: write(folder / name, recipe())


def cut_short(folder: Path) -> str:
    path = Path(write(folder / "in.mkv", Recipe(frames(60, make=restless), options={"g": "15"}, audio="libopus")))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    return str(path)


def flipped(folder: Path) -> str:
    path = Path(write(folder / "in.mp4", Recipe(frames(60, make=restless), options={"g": "15"}, audio="aac")))
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 3, len(data) * 2 // 3, len(data) // 30):
        data[at] ^= 16
    path.write_bytes(data)
    return str(path)


def backwards(folder: Path) -> str:
    path = Path(write(folder / "in.ts", Recipe(frames(20), codec="mpeg2video")))
    shift_stamps(path, range(8, 11), -1)
    return str(path)


def two_sizes(folder: Path) -> str:
    parts = [
        write(folder / f"{w}.h264", Recipe(frames(5, size=(w, h)), container="h264")) for w, h in [(64, 48), (96, 80)]
    ]
    joined = folder / "in.h264"
    joined.write_bytes(b"".join(Path(part).read_bytes() for part in parts))
    return str(joined)


WIDE = Fraction(16, 11)
CLIPS: dict[str, Make] = {
    **{name: made("in.mkv", recipe) for name, recipe in CASES.items()},
    "MP4, variable rate": made("in.mp4", lambda: Recipe(frames(6, pts=[0, 1, 5, 6, 40, 41]), bframes=2, audio="aac")),
    "MP4, late start": made("in.mp4", lambda: Recipe(frames(6, pts=range(50, 56)), bframes=2, audio="aac")),
    "MP4, words and chapters": made("in.mp4", lambda: Recipe(frames(8), audio="aac", subtitles="mov_text", chapters=2)),
    "MP4, cover": made("in.mp4", lambda: Recipe(frames(8), audio="aac", cover=True)),
    "MP4, turned": made("in.mp4", lambda: Recipe(frames(4), matrix=ROTATED_90)),
    "MP4, wide pixels": made("in.mp4", lambda: Recipe(frames(4), aspect=WIDE)),
    "MOV": made("in.mov", lambda: Recipe(frames(6), audio="aac")),
    "Matroska, wide pixels": made("in.mkv", lambda: Recipe(frames(4), aspect=WIDE)),
    "WebM": made("in.webm", lambda: Recipe(frames(6), codec="libvpx-vp9", audio="libopus")),
    "AVI": made("in.avi", lambda: Recipe(frames(6), codec="mpeg4", audio="ac3")),
    "NUT": made("in.nut", lambda: Recipe(frames(6), audio="aac")),
    "transport stream": made("in.ts", lambda: Recipe(frames(12), bframes=2, audio="ac3")),
    "MPEG-2 in a transport stream": made("in.ts", lambda: Recipe(frames(12), codec="mpeg2video", audio="mp2")),
    "y4m": made("in.y4m", lambda: Recipe(frames(4), codec="rawvideo")),
    "y4m 10 bit": made("in.y4m", lambda: Recipe(frames(4, CASES["420 10 bit"]().frames[0].layout), codec="rawvideo")),
    "raw H.264 without times": made("in.h264", lambda: Recipe(frames(8), bframes=2, container="h264")),
    "times that run backwards": backwards,
    "fields": made("in.mkv", lambda: Recipe(frames(6, make=woven), options=WOVEN, bframes=0)),
    "two sizes": two_sizes,
    "truncated": cut_short,
    "flipped bits": flipped,
}
DAMAGED = ("truncated", "flipped bits")
SCALED = ("two sizes",)
"""Of which a part comes out in another size, and is said to."""


def lying(path: Path, _: Path) -> str:
    return str(path)


if SHARED_CLIPS.is_dir():
    CLIPS |= {p.name: partial(lying, p) for p in sorted(SHARED_CLIPS.iterdir()) if p.stat().st_size < SMALL_BYTES}


@cache
def passage(case: str) -> Any:
    with TemporaryDirectory() as folder:
        return conformance.pass_through(Path(CLIPS[case](Path(folder))), Path(folder))


def the_exit_code_tells_of_damage_and_of_nothing_else(case: str) -> None:
    assert passage(case).exit_code == (6 if case in DAMAGED else 0), passage(case).said


def every_frame_comes_out(case: str) -> None:
    before, after = passage(case).frames
    assert before == after > 0


def every_frame_keeps_its_time(case: str) -> None:
    """Exactly, but for Matroska's milliseconds."""
    assert passage(case).pts_error <= Fraction(1, 2000)
    if passage(case).infos[1].time_base.denominator > 1000:
        assert passage(case).pts_error == 0


def every_sample_is_the_same(case: str) -> None:
    assert passage(case).difference == (-1 if case in SCALED else 0)
    assert any("changes size from" in line for line in passage(case).said) == (case in SCALED)


def colour_is_tagged_alike(case: str) -> None:
    before, after = passage(case).colors
    in_mp4 = case.startswith(("MP4", "MOV", "flipped")) or case.endswith(".mp4")  # no field there for where chroma lies
    assert (before.primaries, before.transfer, before.matrix) == (after.primaries, after.transfer, after.matrix)
    assert before.full_range == after.full_range
    assert same_tags(before, after) or in_mp4 or case in ("NUT", "AVI")


def the_picture_has_its_shape(case: str) -> None:
    before, after = passage(case).infos
    assert (before.width, before.height, before.rotation) == (after.width, after.height, after.rotation)
    assert (before.sample_aspect_ratio or 1) == (after.sample_aspect_ratio or 1)
    assert before.layout == after.layout


def every_stream_is_there_or_named(case: str) -> None:
    before, after = passage(case).streams
    lost = len(before) - len(after)
    assert sum("dropped" in line for line in passage(case).said) >= lost
    if not lost:
        assert [(s.kind, s.language) for s in before] == [(s.kind, s.language) for s in after]


def sound_is_the_same_bytes(case: str) -> None:
    before, after = ([s.sha256 for s in streams if s.kind == "audio"] for streams in passage(case).streams)
    assert before == after


def sound_stays_in_step(case: str) -> None:
    before, after = ([s.start for s in streams if s.kind == "audio"] for streams in passage(case).streams)
    for one, other in zip(before, after, strict=True):
        assert one is None or abs(one - other) <= Fraction(1, 1000)


PROMISES = [
    the_exit_code_tells_of_damage_and_of_nothing_else,
    every_frame_comes_out,
    every_frame_keeps_its_time,
    every_sample_is_the_same,
    colour_is_tagged_alike,
    the_picture_has_its_shape,
    every_stream_is_there_or_named,
    sound_is_the_same_bytes,
    sound_stays_in_step,
]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("case", CLIPS)
def test_conformance(case: str, promise: Callable[[str], None]) -> None:
    promise(case)
