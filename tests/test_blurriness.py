"""The blur measure against synthetic blur, and the restorer that leaves sharp frames alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from support import videos
from support.commands import run
from vdeblur.blurriness import CALIBRATION, auto_threshold, blur_length
from vdeblur.frames import Color, Frame, Layout, Plane
from vdeblur.pipeline import restore_stream
from vdeblur.restorer import State
from vdeblur.restorers.only_blurred import OnlyBlurred
from vdeblur.windows import Window

GRAY = Layout("gray")
WARM_UP = 6
PHOTOGRAPHS = ("camera", "coffee", "astronaut")


def photograph(name: str) -> NDArray[np.uint8]:
    picture = getattr(data, name)()
    luma: NDArray[np.uint8] = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
    return luma


def frame(luma: Plane, pts: int = 0, layout: Layout = GRAY) -> Frame:
    return Frame((luma,), layout, Color(), pts, Fraction(1, 25))


def smeared(luma: NDArray[np.uint8], length: int, down: bool = False) -> NDArray[np.uint8]:
    return cv2.blur(luma, (1, length) if down else (length, 1)).astype(np.uint8)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("down", [False, True])
def test_more_blur_measures_more(name: str, down: bool) -> None:
    lengths = [blur_length(frame(smeared(photograph(name), n, down))) for n in (1, 4, 10, 24)]
    assert all(a < b or a == CALIBRATION[-1][1] for a, b in pairwise(lengths))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_the_automatic_threshold_parts_sharp_from_blurred(name: str) -> None:
    luma = photograph(name)
    assert blur_length(frame(luma)) < auto_threshold(luma.shape[::-1]) < blur_length(frame(smeared(luma, 15)))


def test_a_frame_that_shows_nothing_counts_as_sharp() -> None:
    for shape in ((120, 160), (1, 1), (3, 500)):
        assert blur_length(frame(np.full(shape, 90, np.uint8))) == 0


def test_bit_depth_does_not_matter() -> None:
    luma = smeared(photograph("camera"), 9)
    deep = frame(luma.astype(np.uint16) << np.uint16(2), layout=Layout("gray", 10))
    assert blur_length(deep) == pytest.approx(blur_length(frame(luma)))


@dataclass
class Counting:
    """Inverts frames; its state is the list of all pts that it has seen since it started anew."""

    name: str = "counting"
    device: str = "cpu"
    precision: str = "native"
    past: int = 1
    future: int = 1
    seen: dict[int, list[int]] = field(default_factory=dict)

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        history = [*(state or []), window.centre.pts]
        self.seen[window.centre.pts] = history
        return replace(window.centre, planes=(255 - window.centre.planes[0],)), history


class Collected:
    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def write(self, frame: Frame) -> None:
        self.frames.append(frame)


def through(blurred: list[bool]) -> tuple[list[bool], Counting]:
    """Which frames of a stream were touched, and what the inner restorer saw."""
    sharp = photograph("camera")[:200, :200]
    smooth = smeared(sharp, 25)
    frames = [frame(smooth if b else sharp, pts) for pts, b in enumerate(blurred)]
    inner, out = Counting(), Collected()
    restore_stream(frames, OnlyBlurred(inner, 0, WARM_UP), out)  # type: ignore[arg-type]  # what the pipeline needs of a sink
    return [a.planes is not b.planes for a, b in zip(frames, out.frames, strict=True)], inner


def test_only_blurred_frames_are_changed_and_the_state_is_warm() -> None:
    short = [True] * 3 + [False] * WARM_UP + [True]
    touched, inner = through(short)
    assert touched == short
    assert inner.seen[len(short) - 1] == list(range(len(short)))  # as if there had been no pause
    long = [True] * 3 + [False] * (WARM_UP + 5) + [True, True]
    touched, inner = through(long)
    assert touched == long
    last = len(long) - 1
    assert inner.seen[last - 1] == list(range(last - 1 - WARM_UP, last))  # warmed up anew
    assert inner.seen[last] == list(range(last - 1 - WARM_UP, last + 1))
    assert 5 not in inner.seen  # and the middle cost nothing


def test_info_measures_and_plots(tmp_path: Path) -> None:
    path = videos.write(tmp_path / "in.mkv", videos.Recipe(videos.frames(30)))
    result = run("info", path, "--blur")
    assert result.exit_code == 0
    assert "3 of 3 measured frames are blurred by 3.0 px" in result.stdout
    assert '"blur": {"seconds": [0.0, 0.52' in run("info", path, "--blur", "--json").stdout
