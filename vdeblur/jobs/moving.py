"""Synthetic moving frames for measurements, made in advance so that they cost no measured time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..frames import Color, Frame, Layout

YUV420 = Layout("yuv", 8, (1, 1))
PERIOD = 32
"""Frames after which the movement repeats."""
RATE = 30
"""Frames per second."""


def moving_frames(size: tuple[int, int], count: int) -> list[Frame]:
    """`count` frames of this (width, height) at RATE fps: blocks and noise that move six pixels per frame."""
    width, height = size
    rng = np.random.default_rng(0)
    wide = rng.integers(40, 200, (height // 8 + 1, width // 8 + 1 + PERIOD)).repeat(8, 0).repeat(8, 1)
    luma = np.clip(wide + rng.integers(-4, 5, wide.shape), 16, 235).astype(np.uint8)
    chroma = np.full((-(-height // 2), -(-width // 2)), 128, np.uint8)
    shifts = [6 * min(i, PERIOD - i) for i in range(PERIOD)]
    lumas = [np.ascontiguousarray(luma[:height, x : x + width]) for x in shifts]
    return [Frame((lumas[i % PERIOD], chroma, chroma), YUV420, Color(), i, Fraction(1, RATE)) for i in range(count)]
