"""The classical filters keep every promise of a restorer, and each does what it is for."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vdeblur.frames import Color, Frame, Layout
from vdeblur.quality.metrics import psnr
from vdeblur.restorers.classical import CLASSICAL
from vdeblur.windows import Window, windows

Picture = NDArray[Any]
LAYOUTS = [
    Layout("yuv", 8, (1, 1)),
    Layout("yuv", 10, (1, 1)),
    Layout("yuv", 12, (1, 0)),
    Layout("yuv", 8, (0, 0), alpha=True),
    Layout("rgb", 8),
    Layout("rgb", 16, alpha=True),
    Layout("gray", 8),
    Layout("gray", 16),
]


def random_frame(layout: Layout, width: int, height: int, seed: int, pts: int = 0) -> Frame:
    generator = np.random.default_rng(seed)
    planes: list[Any] = []
    for shape in layout.plane_shapes(width, height):
        plane = generator.integers(0, 2**layout.bits, shape).astype(layout.dtype)
        plane.flags.writeable = False
        planes.append(plane)
    return Frame(tuple(planes), layout, Color(matrix=1), pts, Fraction(1, 90_000), duration=3003, origin="a.png")


def gray(picture: Picture, pts: int = 0, bits: int = 8) -> Frame:
    return Frame((picture,), Layout("gray", bits), Color(), pts, Fraction(1, 25))


def filtered(name: str, frames: list[Frame]) -> list[Frame]:
    restorer = CLASSICAL[name]()
    return [restorer.restore(window, None)[0] for window in windows(frames, restorer.past, restorer.future)]


def panning_clip(length: int = 5, step: float = 6.0, exposure: float = 0.6) -> tuple[list[Picture], list[Picture]]:
    """A smooth random texture that pans sideways by `step` pixels per frame: (blurred, sharp) gray pictures."""
    noise = cv2.GaussianBlur(np.random.default_rng(5).normal(size=(72, 256)).astype(np.float32), (0, 0), 1.5)
    texture = cv2.normalize(noise, np.empty_like(noise), 20, 235, cv2.NORM_MINMAX)

    def at(time: float) -> Picture:
        shift = np.array([[1, 0, -80 + step * time], [0, 1, 0]], np.float32)
        return cv2.warpAffine(texture, shift, (96, 72), flags=cv2.INTER_CUBIC)

    sharp = [at(k) for k in range(length)]
    blurred = [np.mean([at(k + exposure * t) for t in np.linspace(-0.5, 0.5, 17)], axis=0) for k in range(length)]
    blurred, sharp = ([np.rint(np.clip(p, 0, 255)).astype(np.uint8) for p in clip] for clip in (blurred, sharp))
    return blurred, sharp


def mean_gain(name: str) -> float:
    blurred, sharp = panning_clip()
    restored = filtered(name, [gray(picture, pts) for pts, picture in enumerate(blurred)])
    scores = [
        psnr(np.asarray(out.planes[0], np.uint8)[..., None], truth[..., None])
        - psnr(before[..., None], truth[..., None])
        for out, before, truth in zip(restored, blurred, sharp, strict=True)
    ]
    return float(np.mean(scores))


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout.model}{layout.bits}")
@settings(max_examples=6)
@given(width=st.integers(1, 20), height=st.integers(1, 20), seed=st.integers(0, 99))
def test_any_size_and_layout_comes_back_with_its_time_and_chroma(
    name: str, layout: Layout, width: int, height: int, seed: int
) -> None:
    frames = [random_frame(layout, width, height, seed + pts, pts) for pts in range(3)]
    for before, after in zip(frames, filtered(name, frames), strict=True):
        assert (after.pts, after.time_base, after.duration, after.origin) == (
            before.pts,
            before.time_base,
            before.duration,
            before.origin,
        )
        assert (after.layout, after.color) == (before.layout, before.color)
        assert [plane.shape for plane in after.planes] == layout.plane_shapes(width, height)
        assert all(plane.dtype == layout.dtype and plane.max() < 2**layout.bits for plane in after.planes)
        kept = 3 if layout.model == "rgb" else 1
        assert all(old is new for old, new in zip(before.planes[kept:], after.planes[kept:], strict=True))


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("code", [0, 1, 200, 65535])
def test_a_uniform_image_is_unchanged(name: str, code: int) -> None:
    frames = [gray(np.full((24, 32), code, np.uint16), pts, bits=16) for pts in range(3)]
    for after in filtered(name, frames):
        np.testing.assert_array_equal(after.planes[0], frames[0].planes[0])


@pytest.mark.parametrize("name", CLASSICAL)
def test_sixteen_bits_give_the_same_as_eight(name: str) -> None:
    blurred, _ = panning_clip(length=3)
    eight = filtered(name, [gray(picture) for picture in blurred])
    sixteen = filtered(name, [gray(picture.astype(np.uint16) * 257, bits=16) for picture in blurred])
    for low, high in zip(eight, sixteen, strict=True):
        np.testing.assert_allclose(high.planes[0] / 257, low.planes[0], atol=0.51)


@pytest.mark.parametrize("name", CLASSICAL)
def test_rgb_changes_in_luma_alone(name: str) -> None:
    blurred, _ = panning_clip(length=3)
    grays = [picture.astype(np.uint16) * 100 for picture in blurred]
    tinted = [np.stack([picture + 12_000, picture + 6_000, picture + 9_000]) for picture in grays]
    frames = [Frame(tuple(rgb), Layout("rgb", 16), Color(), pts, Fraction(1, 25)) for pts, rgb in enumerate(tinted)]
    for before, after in zip(tinted, filtered(name, frames), strict=True):
        red, green, blue = (plane.astype(int) for plane in after.planes)
        assert np.any(green != before[1])
        np.testing.assert_array_equal(red - green, before[0].astype(int) - before[1])
        np.testing.assert_array_equal(blue - green, before[2].astype(int) - before[1])


def test_unsharp_mask_steepens_edges() -> None:
    step = cv2.GaussianBlur(np.repeat(np.array([[20_000] * 16 + [40_000] * 16], np.uint16), 16, axis=0), (0, 0), 2)
    (after,) = filtered("unsharp", [gray(step, bits=16)])
    assert np.diff(after.planes[0].astype(int)).max() > np.diff(step.astype(int)).max()


def test_nonlocal_means_takes_noise_away() -> None:
    noisy = np.random.default_rng(0).normal(20_000, 100, (40, 40)).astype(np.uint16)
    (after,) = filtered("nlm", [gray(noisy, bits=16)])
    assert after.planes[0].std() < 0.5 * noisy.std()


def test_richardson_lucy_undoes_motion_blur_better_than_a_mask() -> None:
    assert mean_gain("richardson-lucy") > max(1.0, mean_gain("unsharp"), mean_gain("nlm"))


def test_richardson_lucy_leaves_what_stands_still() -> None:
    picture = panning_clip(length=1)[1][0]
    for after in filtered("richardson-lucy", [gray(picture.copy(), pts) for pts in range(4)]):
        np.testing.assert_allclose(after.planes[0].astype(int), picture, atol=1)


@pytest.mark.parametrize("name", CLASSICAL)
def test_the_state_passes_through_unread(name: str) -> None:
    frame, state = gray(np.zeros((4, 4), np.uint8)), object()
    restorer = CLASSICAL[name]()
    window = Window((frame,) * (restorer.past + 1 + restorer.future), restorer.past, True)
    assert restorer.restore(window, state)[1] is state
    assert restorer.name == name
