"""Woven fields, and how to see them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from support.videos import Recipe, frames, write
from vdeblur.frames import Layout, Plane

WOVEN = {"flags": "+ildct+ilme", "x264-params": "tff=1", "qp": "0"}


def woven(layout: Layout, width: int, height: int, index: int) -> tuple[Plane, ...]:
    """A bar that moves 4 pixels from field to field: the comb of two moments in one frame."""
    luma = np.full((height, width), 40, np.uint8)
    for field in (0, 1):
        left = 8 + 8 * index + 4 * field
        luma[field::2, left : left + 12] = 200
    return (luma, *(np.full(shape, 128, np.uint8) for shape in layout.plane_shapes(width, height)[1:]))


def comb(luma: Plane) -> float:
    """How much more a line differs from its neighbours than from the lines of its own field."""
    lines = luma.astype(float)
    return float(np.abs(lines[1:-1] - (lines[:-2] + lines[2:]) / 2).mean())


def interlaced(folder: Path) -> str:
    return write(
        folder / "i.mkv",
        Recipe(
            frames(6, make=woven, pts=[0, 40, 80, 200, 240, 300], time_base=Fraction(1, 1000)), options=WOVEN, bframes=0
        ),
    )
