"""Strength and compare: exact in the samples' own integers, and right for every chroma layout, size and rotation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.in_memory import MILLISECONDS, Identity, picture
from vdeblur.errors import UsageError
from vdeblur.frames import Color, Frame, Layout, StreamInfo
from vdeblur.restorer import State
from vdeblur.restorers.blend import Blended, Compared, side_by_side_info
from vdeblur.windows import Window

LAYOUTS = [
    Layout("yuv", 8, (1, 1)),
    Layout("yuv", 10, (1, 0)),
    Layout("yuv", 12, (0, 0), alpha=True),
    Layout("yuv", 8, (2, 0)),
    Layout("rgb", 16),
    Layout("gray", 8),
]
SIZES = [(16, 12), (17, 13), (1, 1), (7, 2), (2, 9)]


@dataclass
class Replaces(Identity):
    """Gives other samples for every frame: those of the picture `offset` further on."""

    offset: int = 1000

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        centre = window.centre
        other = picture(centre.pts // 40 + self.offset, centre.size, centre.layout)
        return replace(centre, planes=other.planes), state


def alone(frame: Frame) -> Window:
    return Window((frame,), 0, is_scene_start=True)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(strength=st.floats(0, 1), seed=st.integers(0, 50))
def test_strength_rounds_the_exact_blend(layout: Layout, strength: float, seed: int) -> None:
    frame = picture(seed, (9, 7), layout)
    restored = Replaces().restore(alone(frame), None)[0]
    blended = Blended(Replaces(), strength).restore(alone(frame), None)[0]
    a: Any
    b: Any
    m: Any
    for before, after, mixed in zip(frame.planes, restored.planes, blended.planes, strict=True):
        assert mixed.dtype == before.dtype
        for a, b, m in zip(before.flat, after.flat, mixed.flat, strict=True):
            exact = int(a) + Fraction(strength) * (int(b) - int(a))
            assert abs(exact - int(m)) <= Fraction(1, 2) + Fraction(1, 10**9)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_none_and_full_strength_are_the_planes_themselves(layout: Layout) -> None:
    frame = picture(3, (9, 7), layout)
    restored = Replaces().restore(alone(frame), None)[0]
    for strength, expected in ((0.0, frame), (1.0, restored)):
        blended = Blended(Replaces(), strength).restore(alone(frame), None)[0]
        for wanted, plane in zip(expected.planes, blended.planes, strict=True):
            np.testing.assert_array_equal(plane, wanted)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_other_strengths_are_refused(strength: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        Blended(Identity(), strength)


def turned(frame: Frame, rotation: int) -> list[NDArray[Any]]:
    return [np.rot90(plane, rotation // 90) for plane in frame.planes]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rotation", [0, 90, -90, 180])
def test_split_shows_the_input_left_and_the_result_right(layout: Layout, rotation: int) -> None:
    frame = picture(3, (32, 24), layout)
    restored = Replaces().restore(alone(frame), None)[0]
    shown = Compared(Replaces(), "split", rotation).restore(alone(frame), None)[0]
    assert shown.size == frame.size
    for before, after, seen in zip(*(turned(f, rotation) for f in (frame, restored, shown)), strict=True):
        width = seen.shape[1]
        left, right = 3 * width // 8, 5 * width // 8 + 1
        np.testing.assert_array_equal(seen[:, :left], before[:, :left])
        np.testing.assert_array_equal(seen[:, right:], after[:, right:])
    between = turned(shown, rotation)[0]
    lines = [x for x in range(between.shape[1]) if (between[:, x] == between[0, x]).all()]
    assert len(lines) >= 2
    assert lines == list(range(lines[0], lines[0] + len(lines)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rotation", [0, 90, -90, 180])
def test_side_by_side_holds_both_whole(layout: Layout, size: tuple[int, int], rotation: int) -> None:
    frame = picture(3, size, layout)
    restored = Replaces().restore(alone(frame), None)[0]
    shown = Compared(Replaces(), "side", rotation).restore(alone(frame), None)[0]
    info = side_by_side_info(StreamInfo(*size, layout, Color(), MILLISECONDS, rotation=rotation))
    assert shown.size == (info.width, info.height)
    assert [plane.shape for plane in shown.planes] == layout.plane_shapes(*shown.size)
    for before, after, seen in zip(*(turned(f, rotation) for f in (frame, restored, shown)), strict=True):
        width, half = before.shape[1], seen.shape[1] // 2
        if rotation in (0, 90):  # where a half is padded, it is at the stored right or lower end
            np.testing.assert_array_equal(seen[:, :width], before)
            np.testing.assert_array_equal(seen[:, half : half + width], after)
        else:
            np.testing.assert_array_equal(seen[:, half - width : half], before)
            np.testing.assert_array_equal(seen[:, 2 * half - width :], after)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", SIZES)
def test_split_takes_any_size(layout: Layout, size: tuple[int, int]) -> None:
    frame = picture(3, size, layout)
    shown = Compared(Replaces(), "split").restore(alone(frame), None)[0]
    assert [plane.shape for plane in shown.planes] == layout.plane_shapes(*size)


def test_wrappers_hand_the_state_through() -> None:
    inner = Identity()
    outer = Compared(Blended(inner, 0.5), "split")
    state: State = None
    for index in range(3):
        _, state = outer.restore(alone(picture(index)), state)
    assert inner.states == [0, 1, 2]
    assert (outer.name, outer.device, outer.precision, outer.past, outer.future) == ("identity", "cpu", "native", 1, 1)
