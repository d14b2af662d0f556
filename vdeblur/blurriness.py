"""How blurred a frame is, as the length in pixels that an edge is smeared over.

An ideal edge of height H that is blurred evenly over L pixels climbs with H / L per pixel. So around every place with
contrast, the height within reach divided by the steepest step within reach is the width of its sharpest edge; along
rows that is the horizontal part of the motion, along columns the vertical one; the larger one counts. The frame's blur
is a low quantile over all places: out-of-focus background does not count against a frame that is sharp somewhere.

The idea is the edge width of Marziliano et al. (A no-reference perceptual blur metric, ICIP 2002) with height and
slope in place of local extrema, which needs no edge detection. `CALIBRATION` maps the raw figure to the length of a
synthetic motion blur: benchmarks/blur_measure.py measures it on eight photographs. A single frame is told to a factor
of about 1.3 either way, since photographs differ in how sharp they are to start with; between a sharp frame and one
blurred over eight pixels or more it is right 98 times in 100.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .frames import Frame, Plane

WORKING_SIDE = 960
"""Larger frames are measured at this length of the longer side."""
REACH = 48
"""Pixels of the working frame around a place that belong to it; longer blurs count as this."""
CONTRAST = 60.0
"""8-bit levels of height that make a place fit to judge by."""
QUANTILE = 0.25
"""Of all places: this share is sharper."""
ENOUGH_PLACES = 0.002
"""Share of places with contrast below which a frame shows nothing to judge by, and counts as sharp."""
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
"""(raw figure, blur length in pixels of the working frame), rising."""
AUTO_THRESHOLD = 3.0
"""`--only-blurred auto`: frames smeared over fewer pixels (of a frame 960 wide) look sharp to people."""


def blur_length(frame: Frame) -> float:
    """Length of the blur in pixels of the frame, at least 0; 0 where there is nothing to judge by."""
    luma, scale = _working(frame.planes[0], frame.layout.bits)
    raw = raw_length(luma)
    if raw is None:
        return 0.0
    measured, true = zip(*CALIBRATION, strict=True)
    return float(np.interp(raw, measured, true)) / scale


def auto_threshold(size: tuple[int, int]) -> float:
    """Length in pixels under which a frame of this size (width, height) looks sharp."""
    return AUTO_THRESHOLD * max(max(size) / WORKING_SIDE, 1.0)


def raw_length(luma: NDArray[np.float32]) -> float | None:
    """Uncalibrated length for luma in 8-bit levels, (height, width); None where there is no contrast."""
    across, down = _width(luma), _width(np.ascontiguousarray(luma.T))
    if across is None and down is None:
        return None
    return max(across or 1.0, down or 1.0)


def _width(luma: NDArray[np.float32]) -> float | None:
    """Width of edges along rows."""
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


def _working(plane: Plane, bits: int) -> tuple[NDArray[np.float32], float]:
    import cv2

    height, width = plane.shape
    scale = min(1.0, WORKING_SIDE / max(height, width))
    samples: Any = plane
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        samples = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    luma = samples.astype(np.float32) / np.float32(1 << (bits - 8))
    return luma, scale
