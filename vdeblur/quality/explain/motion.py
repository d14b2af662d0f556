"""The motion blur of every pixel: its motion while the shutter was open.

That is the optical flow to the neighbouring frames, the same as the network aligns them by, times the exposure as a
share of the frame time. Files do not store the exposure, so it is fitted: for a given flow, the blur of a frame
(`blurriness`) grows with it. `SHARE` was fitted on 306 clips of 153 photographs, shaken by exposures of 0.4 to 1.0
(benchmarks/explain_motion.py). In leave-one-out cross-validation over photographs, the correlation with true lengths is
0.81 and the median error 0.73 px at a median length of 5.2 px; with known exposures, 0.92 and 0.09 px. The median error
of directions is 0.8 degrees. On 40 other clips a linear read-out of the network's features reached 0.81 where this
reached 0.83, and it would need weights for every model.

Flow misses motion that reverses or is hidden within one exposure, and is unreliable in flat areas.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...recurrence import Motion

SHARE = (0.32, 0.48)
"""Slope and offset of the exposure's share as a function of blur length / flow length."""
LEAST_SHARE, MOST_SHARE = 0.2, 1.0
UNKNOWN_SHARE = 0.65
"""The share if too little moves to fit it."""
ENOUGH_FLOW = 0.5
"""Least median flow in px per frame of a frame used for the fit."""

Field = NDArray[np.float32]
"""(height, width, 2): x and y in px of the frame; one vector per 2 x 2 pixels."""


def velocity(motion: Motion[Tensor], has_past: bool, has_future: bool) -> Field:
    """Pixels per frame time at each half-scale sample: the central difference, or one-sided without a neighbour."""
    to_past, to_future = (x[0].permute(1, 2, 0).float().cpu().numpy() * 2 for x in motion)
    if has_past and has_future:
        return np.asarray((to_future - to_past) / 2, np.float32)
    return np.asarray(to_future if has_future else -to_past, np.float32)


def length(field: Field) -> NDArray[np.float32]:
    """Lengths of the vectors of a field, (height, width)."""
    return np.asarray(np.hypot(field[..., 0], field[..., 1]), np.float32)


def exposure_share(blur_px: Sequence[float], flow_px: Sequence[float]) -> float:
    """The exposure as a share of the frame time, 0.2..1, fitted to the blur and median flow of frames, in px."""
    ratios = [blur / flow for blur, flow in zip(blur_px, flow_px, strict=True) if blur > 0 and flow >= ENOUGH_FLOW]
    if not ratios:
        return UNKNOWN_SHARE
    slope, offset = SHARE
    return float(np.clip(slope * min(float(np.median(ratios)), 2.0) + offset, LEAST_SHARE, MOST_SHARE))
