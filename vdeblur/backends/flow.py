"""Optical flow between neighbouring frames, on luma at half scale.

DIS (Kroeger et al. 2016) from OpenCV: no training, a few milliseconds per frame, and it releases the GIL.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from ..flow import Luma, Search, dis

FlowPlanes: TypeAlias = NDArray[np.float32]
"""Optical flow as two planes, (2, height, width): x and y displacement in samples; see `vdeblur.flow.Flow`."""
SMALLEST = 16
"""Smallest side in samples that DIS accepts; the flow of smaller frames is zero."""
SMALL = 192
"""Longest side in samples from which on flow is not followed to the finest level, which would take milliseconds."""
ROUNDS = 2
"""Iterations of `flow_back`; more change nothing that the networks notice."""


def half_luma(folded: NDArray[np.float32]) -> Luma:
    """Folded planes (1, 6, h, w) -> the mean of the four luma phases, (h, w), for DIS."""
    luma = folded[0, :4].mean(0)
    return np.asarray(np.rint(luma * 255).clip(0, 255).astype(np.uint8))


def flow_between(one: Luma, two: Luma, search: Search | None = None) -> FlowPlanes:
    """Flow from `one` to `two`, both (height, width); without a `search` as finely as their size allows."""
    if min(one.shape) < SMALLEST:
        return np.zeros((2, *one.shape), np.float32)
    search = search or ("fine" if max(one.shape) < SMALL else "fast")
    return dis(one, two, search).transpose(2, 0, 1)


def flow_back(there: FlowPlanes) -> FlowPlanes:
    """The flow from `two` to `one`, from that from `one` to `two`.

    What is at y in `two` lies at y + back(y) in `one`, so back(y) = -there(y + back(y)): a fixed point (Chen et al.
    2008), sought at half of the planes' resolution, which `flow_between` has in all but small frames. A search takes
    five times as long.
    """
    _, height, width = there.shape
    small = (max(width // 2, 1), max(height // 2, 1))
    flow = 0.5 * np.asarray(cv2.resize(there.transpose(1, 2, 0), small, interpolation=cv2.INTER_AREA), np.float32)
    back = -flow
    how = cv2.INTER_LINEAR | cv2.WARP_RELATIVE_MAP
    for _ in range(ROUNDS):
        x, y = cv2.split(back)
        back = -np.asarray(cv2.remap(flow, x, y, how, borderMode=cv2.BORDER_REPLICATE), np.float32)
    full = np.asarray(cv2.resize(2 * back, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return full.transpose(2, 0, 1)
