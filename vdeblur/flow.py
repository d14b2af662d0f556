"""Optical flow between two frames: dense inverse search (DIS, Kroeger et al. 2016), as OpenCV has it."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Flow: TypeAlias = NDArray[np.float32]
"""(height, width, 2)."""


def optical_flow(previous: NDArray[np.uint8], frame: NDArray[np.uint8]) -> Flow:
    """Motion from `previous` to `frame`, both uint8 (height, width, channels): (height, width, 2), x and y in pixels.

    Raises ValueError for other shapes.
    """
    if frame.ndim != 3 or frame.shape != previous.shape:
        raise ValueError(f"frames are (height, width, channels) alike, got {previous.shape} and {frame.shape}")
    import cv2

    height, width = frame.shape[:2]
    # The coarsest level of the pyramid needs room for one 8x8 patch, so that a small frame is continued to 32x32.
    bottom, right = max(0, 32 - height), max(0, 32 - width)
    lumas = []
    for rgb in (previous, frame):
        luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) if rgb.shape[2] == 3 else np.ascontiguousarray(rgb[..., 0])
        lumas.append(cv2.copyMakeBorder(luma, 0, bottom, 0, right, cv2.BORDER_REPLICATE))
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    start = np.zeros((*lumas[0].shape, 2), np.float32)
    return np.asarray(estimator.calc(lumas[0], lumas[1], start)[:height, :width], np.float32)
