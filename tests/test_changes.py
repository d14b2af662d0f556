"""Inputs that change in mid-stream: every frame comes out as the output began, and one warning tells what and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from support.commands import run
from support.videos import YUV420, Recipe, copy, frames, write
from vdeblur.frames import Color, Frame, Layout
from vdeblur.media.options import SinkOptions
from vdeblur.media.sinks import open_sink
from vdeblur.media.sources import open_source
from vdeblur.windows import windows

SIZE = (96, 64)
BT709 = Color(1, 1, 1, False)
COUNT = 5


@dataclass(frozen=True)
class Stretch:
    """What a stretch of an input is."""

    layout: Layout = YUV420
    size: tuple[int, int] = SIZE
    color: Color = BT709
    aspect: Fraction | None = None


TEN_BIT, CHROMA_422, CHROMA_444 = Layout("yuv", 10, (1, 1)), Layout("yuv", 8, (1, 0)), Layout("yuv", 8, (0, 0))
CHANGES: dict[str, tuple[Stretch, Stretch]] = {
    "matrix": (Stretch(), Stretch(color=Color(1, 1, 6, False))),
    "range": (Stretch(), Stretch(color=Color(1, 1, 1, True))),
    "matrix and range": (Stretch(), Stretch(color=Color(6, 6, 6, True))),
    "back to limited": (Stretch(color=Color(6, 6, 6, True)), Stretch()),
    "BT.2020": (Stretch(layout=TEN_BIT), Stretch(layout=TEN_BIT, color=Color(9, 1, 9, False))),
    "depth": (Stretch(), Stretch(layout=TEN_BIT)),
    "depth down": (Stretch(layout=TEN_BIT), Stretch()),
    "chroma": (Stretch(), Stretch(layout=CHROMA_422)),
    "chroma down": (Stretch(layout=CHROMA_444), Stretch()),
    "all samples": (Stretch(), Stretch(layout=Layout("yuv", 10, (0, 0)), color=Color(6, 6, 6, True))),
    "size": (Stretch(), Stretch(size=(48, 32))),
    "size and shape": (Stretch(), Stretch(size=(48, 96))),
    "pixel ratio": (Stretch(aspect=Fraction(1)), Stretch(aspect=Fraction(4, 3))),
    "pixel ratio back": (Stretch(aspect=Fraction(4, 3)), Stretch(aspect=Fraction(1))),
}
WORDS = {
    "matrix": ["colour from BT.709 "],
    "range": ["colour from BT.709 limited to BT.709 full"],
    "matrix and range": ["colour from BT.709 limited to BT.601 full"],
    "back to limited": ["colour from BT.601 full to BT.709 limited"],
    "BT.2020": ["colour "],
    "depth": ["format from yuv420p to yuv420p10le"],
    "depth down": ["format from yuv420p10le to yuv420p"],
    "chroma": ["format from yuv420p to yuv422p"],
    "chroma down": ["format from yuv444p to yuv420p"],
    "all samples": ["format from yuv420p to yuv444p10le", "colour from BT.709 limited to BT.601 full"],
    "size": ["size from 96x64 to 48x32"],
    "size and shape": ["size from 96x64 to 48x96"],
    "pixel ratio": ["pixel ratio from 1:1 to 4:3"],
    "pixel ratio back": ["pixel ratio from 4:3 to 1:1"],
}


def smooth(layout: Layout, width: int, height: int, index: int, color: Color) -> tuple[NDArray[np.uint8], ...]:
    """Colours that any matrix and range can hold, the same in every layout: a wave of R'G'B' and its samples."""
    planes = []
    for number, (h, w) in enumerate(layout.plane_shapes(width, height)):
        y, x = ((np.mgrid[:h, :w] + 0.5).T * (width / w, height / h)[::-1]).T
        value = (
            0.5 + 0.25 * np.sin(x / width * 6 + index / 5) if number == 0 else 0.12 * np.cos(y / height * 5 + number)
        )
        planes.append(coded(value, layout.bits, bool(color.full_range), number == 0))
    return tuple(planes)


def coded(value: NDArray[np.float64], bits: int, full: bool, is_luma: bool) -> NDArray[np.uint8]:
    step, top = 1 << bits - 8, (1 << bits) - 1
    offset = (0 if full else 16 * step) if is_luma else 128 * step
    span = top if full else (219 if is_luma else 224) * step
    return np.rint(value * span + offset).astype(np.uint8 if bits == 8 else np.uint16)


def rgb(frame: Frame) -> NDArray[np.float64]:
    """R'G'B' in 0..1 by the frame's own tags, by formulas that are not the package's."""
    bits, full = frame.layout.bits, bool(frame.color.full_range)
    step, top = 1 << bits - 8, (1 << bits) - 1
    kr, kb = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}[frame.color.matrix]
    luma = (frame.planes[0].astype(float) - (0 if full else 16 * step)) / (top if full else 219 * step)
    cb, cr = (
        (cv2.resize(plane.astype(np.float32), frame.size) - 128 * step) / (top if full else 224 * step)
        for plane in frame.planes[1:3]
    )
    red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    return np.stack([red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue], axis=-1)


def spliced(folder: Path, parts: tuple[Stretch, ...]) -> str:
    """Transport streams one after the other in one file, as a recorder makes it where a programme changes."""
    data = b""
    for number, part in enumerate(parts):
        made = frames(COUNT, part.layout, part.size, range(number * COUNT, (number + 1) * COUNT), color=part.color)
        made = [replace(f, planes=smooth(part.layout, *part.size, f.pts, part.color)) for f in made]
        recipe = Recipe(made, bframes=0, options={"qp": "0"}, aspect=part.aspect)
        data += Path(write(folder / f"{number}.ts", recipe)).read_bytes()
    path = folder / "in.ts"
    path.write_bytes(data)
    return str(path)


def inner(part: Stretch, opened: Stretch) -> tuple[int, int]:
    """(width, height) in which a frame is to be shown within the opened one."""
    shape = part.size[0] * (part.aspect or 1) / part.size[1]
    room = opened.size[0] * (opened.aspect or 1) / opened.size[1]
    if shape < room:
        return round(opened.size[0] * shape / room), opened.size[1]
    return opened.size[0], round(opened.size[1] * room / shape)


@pytest.mark.parametrize("codec", ["ffv1", "libx265"])
@pytest.mark.parametrize("change", CHANGES)
def test_frames_after_a_change_keep_their_appearance(tmp_path: Path, change: str, codec: str) -> None:
    first, second = CHANGES[change]
    path, out = spliced(tmp_path, (first, second)), str(tmp_path / "out.mkv")
    crf, preset = (None, None) if codec == "ffv1" else (1, "ultrafast")
    sink = open_sink(out, source := open_source(path), SinkOptions(codec=codec, crf=crf, preset=preset))
    given = copy(source, sink)
    told = [line for line in sink.warnings if "the input changes" in line]
    assert len(told) == 1
    assert all(word in told[0] for word in WORDS[change])
    assert "at 0.200 s" in told[0]
    with open_source(out) as again:
        got = list(again)
    assert len(got) == len(given) == 2 * COUNT
    for before, after in zip(given, got, strict=True):
        part = first if before is given[0] or before.pts < given[COUNT].pts else second
        width, height = inner(part, first)
        left, top = (first.size[0] - width) // 2, (first.size[1] - height) // 2
        shown = rgb(after)[top : top + height, left : left + width]
        grows = before.size[0] < width
        wanted = cv2.resize(rgb(before), (width, height), interpolation=cv2.INTER_CUBIC if grows else cv2.INTER_AREA)
        middle = np.s_[4:-4, 4:-4]  # swscale and OpenCV treat borders differently
        worst = np.abs(shown - wanted)[middle].max() * 255
        assert worst < (4 if codec == "ffv1" else 12), (before.pts, worst)


def test_bars_are_black(tmp_path: Path) -> None:
    path, out = spliced(tmp_path, CHANGES["size and shape"]), str(tmp_path / "out.mkv")
    copy(source := open_source(path), open_sink(out, source, SinkOptions(codec="ffv1")))
    with open_source(out) as again:
        last = list(again)[-1]
    for side in (np.s_[:, :16], np.s_[:, -16:]):
        assert np.abs(rgb(last)[side]).max() < 1 / 255


def test_a_change_back_and_forth_is_reported_once(tmp_path: Path) -> None:
    first, second = CHANGES["matrix and range"]
    path = spliced(tmp_path, (first, second, first, second))
    source = open_source(path)
    sink = open_sink(str(tmp_path / "out.mkv"), source, SinkOptions(codec="ffv1"))
    given = copy(source, sink)
    assert len([line for line in sink.warnings if "the input changes" in line]) == 1
    with open_source(str(tmp_path / "out.mkv")) as again:
        for before, after in zip(given, again, strict=True):
            assert np.abs(rgb(before) - rgb(after)).max() * 255 < 4


def test_tags_that_are_left_out_later_are_those_of_the_first(tmp_path: Path) -> None:
    path = spliced(tmp_path, (Stretch(), Stretch(color=Color())))
    source = open_source(path)
    sink = open_sink(str(tmp_path / "out.mkv"), source, SinkOptions(codec="ffv1"))
    given = copy(source, sink)
    assert not sink.warnings
    with open_source(str(tmp_path / "out.mkv")) as again:
        for before, after in zip(given, again, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(before.planes, after.planes, strict=True))


@pytest.mark.parametrize("change", ["matrix", "depth", "chroma", "size"])
def test_no_window_reaches_across_a_change(tmp_path: Path, change: str) -> None:
    """A network never sees two kinds of samples at once, nor a state made of others."""
    with open_source(spliced(tmp_path, CHANGES[change])) as source:
        seen = list(windows(source, past=2, future=2))
    assert [window.is_scene_start for window in seen] == [index in (0, COUNT) for index in range(2 * COUNT)]
    for window in seen:
        assert len({(frame.size, frame.layout, frame.color) for frame in window.frames}) == 1


def test_a_change_between_segments_is_converted_as_in_one_piece(tmp_path: Path) -> None:
    """Forty seconds are restored in segments, of which the second would begin with what the input has become."""
    data = b""
    for number, color in enumerate((BT709, Color(6, 6, 6, True))):
        shot = frames(40, YUV420, SIZE, range(number * 40, number * 40 + 40), Fraction(1, 2), color)
        shot = [replace(f, planes=smooth(YUV420, *SIZE, f.pts, color)) for f in shot]
        recipe = Recipe(shot, rate=Fraction(2), options={"qp": "0", "g": "5"}, bframes=0)
        data += Path(write(tmp_path / f"{number}.ts", recipe)).read_bytes()
    path, out = tmp_path / "in.ts", tmp_path / "out.mkv"
    path.write_bytes(data)
    result = run(str(path), "-o", str(out), "-m", "unsharp", "--strength", "0", "--codec", "ffv1")
    assert result.exit_code == 0, result.stderr
    assert "restoring it in one piece" in result.stderr
    assert "the input changes colour from BT.709 limited to BT.601 full" in result.stderr
    with open_source(str(path)) as given, open_source(str(out)) as again:
        worst = [np.abs(rgb(before) - rgb(after)).max() * 255 for before, after in zip(given, again, strict=True)]
    assert len(worst) == 80
    assert max(worst) < 4
