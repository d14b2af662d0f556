"""The 2x2 phases of luma: a plane at full size as four planes at half of it, and back.

OpenCV splits and merges channels several times as fast as NumPy copies every second sample.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_TWICE = np.arange(16).reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)
"""Channel of each of 4x4 pixels in `split_twice`."""


def split_phases(luma: Samples, into: Samples) -> None:
    """Luma (2h, 2w) into its phases (4, h, w): upper left, upper right, lower left, lower right."""
    _, h, w = into.shape
    rows = luma.reshape(h, 2, w, 2)
    for y in (0, 1):
        cv2.split(rows[:, y], list(into[2 * y : 2 * y + 2]))


def merge_phases(phases: Samples) -> Samples:
    """Phases (4, h, w) -> luma (2h, 2w)."""
    _, h, w = phases.shape
    rows = np.empty((h, 2, w, 2), np.float32)
    for y in (0, 1):
        cv2.merge(list(phases[2 * y : 2 * y + 2]), rows[:, y])
    return rows.reshape(2 * h, 2 * w)


def split_twice(luma: Samples, into: Samples) -> None:
    """Luma (4h, 4w) into the phases of its phases, (16, h, w): 4 p + q is phase q of phase p."""
    _, h, w = into.shape
    rows = luma.reshape(h, 4, w, 4)
    for row, places in enumerate(_TWICE):
        cv2.split(rows[:, row], [into[place] for place in places])
