"""Measures the blur of a frame as the length in pixels over which edges are smeared.

An ideal edge of height H, blurred evenly over L pixels, has a slope of H / L per pixel. So around every pixel with
contrast, the local height divided by the steepest local step is the width of its sharpest edge; along rows that is the
horizontal component of the motion, along columns the vertical one, and the larger one counts. The blur of the frame is
a low quantile over all pixels: out-of-focus background does not count if part of the frame is sharp.

The idea is the edge width of Marziliano et al. (A no-reference perceptual blur metric, ICIP 2002) with height and
slope in place of local extrema, which needs no edge detection. `CALIBRATION` maps the raw value to the length of a
synthetic motion blur, measured on eight photographs by benchmarks/blur_measure.py. For a single frame it is accurate
to a factor of about 1.3, since photographs differ in sharpness; a sharp frame and one blurred over eight pixels or
more are distinguished correctly 98 times in 100.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .frames import Frame, Plane

WORKING_SIDE = 960
"""Larger frames are scaled down to this length of the longer side."""
REACH = 48
"""Size in pixels of the local neighbourhood; longer blurs are measured as this."""
CONTRAST = 60.0
"""Local height in 8-bit levels above which a pixel is measured."""
QUANTILE = 0.25
"""Quantile over all measured pixels."""
ENOUGH_PLACES = 0.002
"""Share of pixels with contrast below which a frame cannot be measured, and counts as sharp."""
CALIBRATION = (
    (1.59, 1.0),
    (1.98, 2.0),
    (2.48, 3.0),
    (2.92, 4.0),
    (3.77, 6.0),
    (4.63, 8.0),
    (5.91, 12.0),
    (6.94, 16.0),
    (8.7, 24.0),
    (9.71, 32.0),
)
"""(raw value, blur length in pixels of the scaled frame), rising."""
AUTO_THRESHOLD = 3.0
"""Frames blurred over fewer pixels (of a frame 960 pixels wide) look sharp to people."""


def blur_length(frame: Frame) -> float:
    """Blur length in pixels of the frame; 0 if it cannot be measured."""
    luma, scale = _scaled_luma(frame.planes[0], frame.layout.bits)
    raw = raw_length(luma)
    if raw is None:
        return 0.0
    measured, true = zip(*CALIBRATION, strict=True)
    return float(np.interp(raw, measured, true)) / scale


def auto_threshold(size: tuple[int, int]) -> float:
    """Blur length in pixels below which a frame of this size (width, height) looks sharp."""
    return AUTO_THRESHOLD * max(max(size) / WORKING_SIDE, 1.0)


def raw_length(luma: NDArray[np.float32]) -> float | None:
    """Uncalibrated length for luma in 8-bit levels, (height, width); None without contrast."""
    across, down = _edge_width(luma), _edge_width(np.ascontiguousarray(luma.T))
    if across is None and down is None:
        return None
    return max(across or 1.0, down or 1.0)


def _edge_width(luma: NDArray[np.float32]) -> float | None:
    """Width of edges along rows; None without contrast."""
    import cv2

    height, width = luma.shape
    if width < 8 or height < 2:
        return None
    rows = np.ascontiguousarray(luma[:: 2 if height > 200 else 1])
    reach = np.ones((1, min(REACH, width // 2) | 1), np.uint8)
    steps = cv2.dilate(np.abs(np.diff(rows, axis=1)), reach)
    heights = (cv2.dilate(rows, reach) - cv2.erode(rows, reach))[:, 1:]
    judged = heights > CONTRAST
    if judged.mean() < ENOUGH_PLACES:
        return None
    return float(np.quantile(heights[judged] / np.maximum(steps[judged], 1e-3), QUANTILE))


def _scaled_luma(plane: Plane, bits: int) -> tuple[NDArray[np.float32], float]:
    import cv2

    height, width = plane.shape
    scale = min(1.0, WORKING_SIDE / max(height, width))
    samples = np.asarray(plane)
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        samples = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))
    luma = samples.astype(np.float32) / np.float32(1 << (bits - 8))
    return luma, scale
