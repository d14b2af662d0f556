"""Optical flow between two frames: dense inverse search (DIS, Kroeger et al. 2016), from OpenCV."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Luma: TypeAlias = NDArray[np.uint8]
"""(height, width)."""
Flow: TypeAlias = NDArray[np.float32]
"""(height, width, 2): x and y displacement in samples, from one frame to the same point in the other."""
Search: TypeAlias = Literal["fast", "fine", "medium"]
"""How `dis` searches.

"fast" and "fine" are OpenCV's preset "fast" but for the finest level of its pyramid: 1/2 and all of the resolution
rather than 1/4, which the networks' alignment needs; "fine" takes three times as long or more. "medium" is OpenCV's:
the finest level is 1/2, searched more densely, in twice the time of "fast".
"""
_FINEST = {"fast": (1, 2), "fine": (0, 5)}
"""Level and refinements."""


def dis(one: Luma, two: Luma, search: Search) -> Flow:
    """Flow from `one` to `two`, of at least 16 samples a side.

    Of frames under 96 samples OpenCV chooses the levels by itself, down to the finest.
    """
    import cv2

    number = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM if search == "medium" else cv2.DISOPTICAL_FLOW_PRESET_FAST
    # A small frame permanently changes the patches and scales of an estimator. A new one per flow costs no time, and
    # makes results independent of earlier frames.
    estimator = cv2.DISOpticalFlow.create(number)
    if search in _FINEST and max(one.shape) >= 96:
        level, refinements = _FINEST[search]
        estimator.setFinestScale(level)
        estimator.setGradientDescentIterations(8)
        estimator.setVariationalRefinementIterations(refinements)
    return np.asarray(estimator.calc(one, two, np.zeros((*one.shape, 2), np.float32)), np.float32)


def optical_flow(previous: NDArray[np.uint8], frame: NDArray[np.uint8]) -> Flow:
    """Motion from `previous` to `frame`, both uint8 (height, width, channels): (height, width, 2), x and y in pixels.

    Raises ValueError for other or different shapes.
    """
    if frame.ndim != 3 or frame.shape != previous.shape:
        raise ValueError(
            f"frames must be (height, width, channels) of the same shape, got {previous.shape} and {frame.shape}"
        )
    import cv2

    height, width = frame.shape[:2]
    # The coarsest level of the pyramid must hold one 8x8 patch, so small frames are padded to 32x32.
    bottom, right = max(0, 32 - height), max(0, 32 - width)
    lumas = []
    for rgb in (previous, frame):
        luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) if rgb.shape[2] == 3 else np.ascontiguousarray(rgb[..., 0])
        lumas.append(np.pad(np.asarray(luma, np.uint8), ((0, bottom), (0, right)), "edge"))
    return dis(lumas[0], lumas[1], "medium")[:height, :width]
