"""Optical flow between neighbouring frames, on luma at half scale.

DIS (Kroeger et al. 2016) from OpenCV: no training, a few milliseconds per frame, and it releases the GIL.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..flow import Luma, dis

FlowPlanes: TypeAlias = NDArray[np.float32]
"""Optical flow as two planes, (2, height, width): x and y displacement in samples; see `vdeblur.flow.Flow`."""
SMALLEST = 16
"""Smallest side in samples that DIS accepts; the flow of smaller frames is zero."""


def half_luma(folded: NDArray[np.float32]) -> Luma:
    """Folded planes (1, 6, h, w) -> the mean of the four luma phases, (h, w), for DIS."""
    luma = folded[0, :4].mean(0)
    return np.asarray(np.rint(luma * 255).clip(0, 255).astype(np.uint8))


def flow_between(one: Luma, two: Luma) -> FlowPlanes:
    """Flow from `one` to `two`, both (height, width)."""
    if min(one.shape) < SMALLEST:
        return np.zeros((2, *one.shape), np.float32)
    return dis(one, two, "fast").transpose(2, 0, 1)
