"""Photographs shaken by a camera, and the truth: whole numbers only, so that every machine makes the same clips."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import data

from vdeblur.frames import Color, Frame, Layout

YUV420 = Layout("yuv", 8, (1, 1))
PHOTOGRAPHS = (data.astronaut, data.coffee, data.chelsea)
SIZE = (128, 96)
SHUTTER = 12
"""Positions of the camera within one exposure, of 16 within a frame."""
LINEAR = (np.arange(256) ** 2).astype(np.int64)
"""Light by code value; the square is close to the curves of cameras and has a whole root."""


def halved(picture: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Means of two by two pixels: photographs are soft at their full size."""
    h, w = (side // 2 * 2 for side in picture.shape[:2])
    squares: NDArray[np.int64] = picture[:h, :w].reshape(h // 2, 2, w // 2, 2, 3).astype(np.int64)
    means: NDArray[np.int64] = squares.sum(axis=(1, 3)) // 4
    return means


def path(seed: int, positions: int, room: tuple[int, int]) -> NDArray[np.int64]:
    """(positions, 2): a camera's way over `room` pixels, 3 to 8 of them within a frame; it turns back at the edges."""
    rng = np.random.default_rng(seed)
    angle = np.cumsum(rng.normal(0, 0.09, positions)) + rng.uniform(0, 6.28)
    step = rng.uniform(3, 8) / 16
    steps = step * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    way = np.rint(np.cumsum(steps, axis=0)).astype(np.int64) + rng.integers(0, room)
    turned: NDArray[np.int64] = np.array(room) - np.abs(way % (2 * np.array(room)) - np.array(room))
    return turned


def planes(rgb: NDArray[np.int64]) -> tuple[NDArray[np.uint8], ...]:
    """(h, w, 3) -> Y, Cb, Cr of BT.601 in limited range, 4:2:0."""
    luma = 16 + rgb @ np.array([66, 129, 25]) // 256
    chroma = [128 + rgb @ np.array(row) // 256 for row in ([-38, -74, 112], [112, -94, -18])]
    quarters = [(c[::2, ::2] + c[1::2, ::2] + c[::2, 1::2] + c[1::2, 1::2] + 2) // 4 for c in chroma]
    return tuple(plane.astype(np.uint8) for plane in (luma, *quarters))


def photograph(seed: int) -> NDArray[np.int64]:
    load: Any = PHOTOGRAPHS[seed % len(PHOTOGRAPHS)]  # which has no types
    return halved(load())


def shaken_clip(seed: int, frames: int = 10) -> tuple[list[Frame], list[Frame]]:
    """(blurred, sharp): the exposure's mean in linear light, and what stood in its middle."""
    picture = photograph(seed)
    light = LINEAR[picture]
    width, height = SIZE
    places = path(seed, 16 * frames, (picture.shape[0] - height, picture.shape[1] - width))
    blurred: list[Frame] = []
    sharp: list[Frame] = []
    for index in range(frames):
        exposure = places[16 * index : 16 * index + SHUTTER]
        views = [light[y : y + height, x : x + width] for y, x in exposure]
        mean = sum(views) // SHUTTER
        y, x = exposure[SHUTTER // 2]
        for found, rgb in ((blurred, np.sqrt(mean).astype(np.int64)), (sharp, picture[y : y + height, x : x + width])):
            found.append(Frame(planes(rgb), YUV420, Color(), index, Fraction(1, 30)))
    return blurred, sharp


def luma_psnr(frames: list[Frame], truth: list[Frame]) -> float:
    """Of luma over the whole clip, dB."""
    errors = [np.square(a.planes[0].astype(float) - b.planes[0]).mean() for a, b in zip(frames, truth, strict=True)]
    return float(10 * np.log10(255**2 / np.mean(errors)))
