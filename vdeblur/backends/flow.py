"""Optical flow between neighbouring frames, on their luma at half size: where each thing was, and where it will be.

DIS (Kroeger et al. 2016) as OpenCV has it: no training, some milliseconds a frame, and it lets other threads run.
"""

from __future__ import annotations

import threading

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
Flow = NDArray[np.float32]
"""(2, height, width): x and y, in samples, from a place in one frame to the same thing in the other."""
SMALLEST = 16
"""Samples a side that DIS's patches need; smaller frames count as still."""

_local = threading.local()


def half_luma(folded: NDArray[np.float32]) -> Luma:
    """Folded planes (1, 6, h, w) -> the mean of luma's four phases, (h, w), as DIS wants it."""
    luma = folded[0, :4].mean(0)
    return np.asarray(np.rint(luma * 255).clip(0, 255).astype(np.uint8))


def flow_between(one: Luma, two: Luma) -> Flow:
    """Flow from `one` to `two`, both (height, width)."""
    none = np.zeros((*one.shape, 2), np.float32)
    if min(one.shape) < SMALLEST:
        return none.transpose(2, 0, 1)
    if not hasattr(_local, "dis"):  # its buffers are not to be shared between threads
        _local.dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(_local.dis.calc(one, two, none), np.float32).transpose(2, 0, 1)
