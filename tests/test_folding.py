"""Native planes to the network's channels and back, against values worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.in_memory import picture
from vdeblur.backends.folding import fold, unfold
from vdeblur.errors import NonFiniteResult
from vdeblur.frames import Color, Frame, Layout
from vdeblur.recurrence import CELL


def frame_from(planes: list[NDArray[np.int64]], layout: Layout, color: Color | None = None) -> Frame:
    samples: Any = tuple(plane.astype(layout.dtype) for plane in planes)
    return Frame(samples, layout, color or Color(), 0, Fraction(1, 25))


def fold32(frame: Frame) -> NDArray[np.float32]:
    """Folded, without the padding."""
    width, height = frame.size
    folded: NDArray[np.float32] = fold(frame)[0, :, : -(-height // 2), : -(-width // 2)]
    return folded


@pytest.mark.parametrize(
    ("bits", "full", "black", "white", "span"),
    [(8, False, 16, 235, 224), (8, True, 0, 255, 255), (10, False, 64, 940, 896), (12, True, 0, 4095, 4095)],
)
def test_levels_of_luma_and_chroma(bits: int, full: bool, black: int, white: int, span: int) -> None:
    y = np.full((8, 8), black)
    y[:, 4:] = white
    middle = 1 << (bits - 1)
    cb, cr = np.full((4, 4), middle), np.full((4, 4), middle + span // 4)
    folded = fold32(frame_from([y, cb, cr], Layout("yuv", bits, (1, 1)), Color(full_range=full)))
    assert folded.shape == (6, 4, 4)
    np.testing.assert_allclose(folded[:4, :, :2], 0, atol=1e-6)
    np.testing.assert_allclose(folded[:4, :, 2:], 1, atol=1e-6)
    np.testing.assert_allclose(folded[4], 0, atol=1e-6)
    np.testing.assert_allclose(folded[5], span // 4 / span, atol=1e-6)


def test_luma_phases_are_in_reading_order_and_chroma_keeps_its_grid() -> None:
    y, c = np.arange(64).reshape(8, 8), np.arange(16).reshape(4, 4)
    folded = fold32(frame_from([y, c, 2 * c], Layout("yuv", 8, (1, 1)), Color(full_range=True))) * 255
    for phase, (dy, dx) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        np.testing.assert_allclose(folded[phase], y[dy::2, dx::2], atol=1e-4)
    np.testing.assert_allclose(folded[4], c - 128, atol=1e-4)
    np.testing.assert_allclose(folded[5], 2 * c - 128, atol=1e-4)


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (0, 1)])
def test_finer_chroma_is_averaged_for_the_network(shift: tuple[int, int]) -> None:
    layout = Layout("yuv", 8, shift)
    frame = replace(picture(0, (16, 8), layout), color=Color(full_range=True))
    cb = frame.planes[1].astype(float)
    means = cb.reshape(4, cb.shape[0] // 4, 8, cb.shape[1] // 8).mean((1, 3))
    np.testing.assert_allclose(fold32(frame)[4] * 255 + 128, means, atol=1e-3)


def test_coarser_chroma_lies_where_it_was() -> None:
    """4:1:1's columns are spread over two each, about the same centres."""
    ramp = np.tile(np.arange(8) * 8 + 60, (8, 1))
    frame = frame_from([np.zeros((8, 32), int), ramp, ramp], Layout("yuv", 8, (2, 0)), Color(full_range=True))
    folded = fold32(frame)[4] * 255 + 128
    assert folded.shape == (4, 16)
    np.testing.assert_allclose(folded.reshape(4, 8, 2).mean(2)[:, 1:-1], ramp[::2, 1:-1], atol=1e-3)


def test_edges_repeat_up_to_whole_cells() -> None:
    frame = replace(picture(3, (17, 3)), color=Color(full_range=True))
    folded = fold(frame)[0]
    assert folded.shape == (6, CELL // 2, CELL)
    bottom_right = float(frame.planes[0][-1, -1]) / 255
    np.testing.assert_allclose(folded[:4, -1, -1], bottom_right, atol=1e-6)
    right: Any = np.pad(frame.planes[1][:, -1], (0, CELL // 2 - 2), "edge")
    np.testing.assert_allclose(folded[4, :, -1] * 255 + 128, right, atol=1e-3)


def test_the_residual_is_added_in_native_units_and_rounded_once() -> None:
    layout, color = Layout("yuv", 10, (1, 1)), Color(full_range=False)
    frame = frame_from([np.full((8, 8), 500), np.full((4, 4), 512), np.full((4, 4), 512)], layout, color)
    residual = np.zeros((1, 6, 4, 4), np.float32)
    residual[0, 1] = 10.4 / 876  # the phase at odd columns of even rows
    residual[0, 4], residual[0, 5] = -3.6 / 896, 0.4 / 896
    restored = unfold(frame, residual)
    expected = np.full((8, 8), 500)
    expected[::2, 1::2] = 510
    np.testing.assert_array_equal(restored.planes[0], expected)
    np.testing.assert_array_equal(restored.planes[1], 508)
    np.testing.assert_array_equal(restored.planes[2], 512)


@pytest.mark.parametrize("matrix", [1, 5, 9])
def test_rgb_gets_what_its_luma_and_colour_differences_get(matrix: int) -> None:
    color = Color(matrix=matrix, full_range=True)
    frame = frame_from([np.full((8, 8), v) for v in (20000, 30000, 40000)], Layout("rgb", 16), color)
    change = (0.01, -0.004, 0.006)
    residual = np.zeros((1, 6, 4, 4), np.float32)
    residual[0, :4], residual[0, 4], residual[0, 5] = change
    before, after = fold32(frame), fold32(unfold(frame, residual))
    np.testing.assert_allclose((after - before)[:4], change[0], atol=2e-5)
    np.testing.assert_allclose((after - before)[4], change[1], atol=2e-5)
    np.testing.assert_allclose((after - before)[5], change[2], atol=2e-5)


def test_gray_has_no_chroma_and_alpha_is_not_touched() -> None:
    residual = np.full((1, 6, 4, 4), 0.1, np.float32)
    gray = frame_from([np.full((8, 8), 100)], Layout("gray", 8))
    assert not fold32(gray)[4:].any()
    np.testing.assert_array_equal(unfold(gray, residual).planes[0], 126)  # 100 + 0.1 * 255, rounded to even
    layout = Layout("rgb", 8, alpha=True)
    frame = picture(1, (8, 8), layout)
    restored = unfold(frame, residual)
    np.testing.assert_array_equal(restored.planes[3], frame.planes[3])
    assert (restored.planes[0] != frame.planes[0]).any()


@settings(max_examples=50)
@given(
    code=st.integers(0, 255),
    change=st.floats(-2, 2),
    full=st.booleans(),
)
def test_samples_stay_in_their_range_or_where_they_were(code: int, change: float, full: bool) -> None:
    layout, color = Layout("yuv", 8, (1, 1)), Color(full_range=full)
    frame = frame_from([np.full((8, 8), code), *[np.full((4, 4), code)] * 2], layout, color)
    restored = unfold(frame, np.full((1, 6, 4, 4), change, np.float32))
    for plane, high in zip(restored.planes, (235, 240, 240), strict=True):
        low, top = (0, 255) if full else (16, high)
        assert min(low, code) <= plane.min() <= plane.max() <= max(top, code)


@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize("change", [1e4, 1e9, 1e30, -1e4, -1e9, -1e30])
def test_a_change_of_any_size_ends_at_the_range_and_does_not_wrap_round(bits: int, change: float) -> None:
    frame = picture(0, (70, 40), Layout("gray", bits))
    height, width = (-(-side // CELL) * CELL // 2 for side in (40, 70))
    restored = unfold(frame, np.full((1, 6, height, width), change, np.float32))
    top = (1 << bits) - 1
    np.testing.assert_array_equal(restored.planes[0], top if change > 0 else 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_single_value_that_is_not_finite_is_an_error(value: float) -> None:
    residual = np.zeros((1, 6, 4, 4), np.float32)
    residual[0, 5, 3, 3] = value
    with pytest.raises(NonFiniteResult):
        unfold(picture(0, (8, 8)), residual)
