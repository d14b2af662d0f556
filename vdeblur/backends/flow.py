"""Optical flow between neighbouring frames, on their luma at half size: where each thing was, and where it will be.

DIS (Kroeger et al. 2016) as OpenCV has it: no training, some milliseconds a frame, and it lets other threads run.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..flow import Luma, dis

FlowPlanes: TypeAlias = NDArray[np.float32]
"""(2, height, width): x and y, in samples, from a place in one frame to the same thing in the other."""
SMALLEST = 16
"""Samples a side that DIS's patches need; smaller frames count as still."""


def half_luma(folded: NDArray[np.float32]) -> Luma:
    """Folded planes (1, 6, h, w) -> the mean of luma's four phases, (h, w), as DIS wants it."""
    luma = folded[0, :4].mean(0)
    return np.asarray(np.rint(luma * 255).clip(0, 255).astype(np.uint8))


def flow_between(one: Luma, two: Luma) -> FlowPlanes:
    """Flow from `one` to `two`, both (height, width)."""
    if min(one.shape) < SMALLEST:
        return np.zeros((2, *one.shape), np.float32)
    return dis(one, two, "fast").transpose(2, 0, 1)
