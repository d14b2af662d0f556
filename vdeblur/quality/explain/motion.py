"""Where and how a frame was blurred: its motion while the shutter was open, for every pixel.

The motion is optical flow to the neighbouring frames, the very flow along which the network aligns them, times the
exposure's share of the frame time. A file does not say how long its shutter was open, so the share is fitted: a frame's
blur (`blurriness`) grows with it at a given flow. `SHARE` was fitted on 306 clips of 153 photographs, shaken
by exposures of 0.4 to 1.0 of the frame time (benchmarks/explain_motion.py). There, with each photograph left out of the
fit in its turn, lengths correlate at 0.81 with the true ones and are wrong by 0.73 px in the median, at a median length
of 5.2 px; with the share known, at 0.92 and by 0.09 px; directions by 0.8 degrees. On 40 other clips a linear read-out
of the network's features came to 0.81 where this came to 0.83; it would need weights of its own for every model.

Flow knows nothing of what turns round, trembles or is hidden within one exposure, and little of flat areas.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...recurrence import Motion

SHARE = (0.32, 0.48)
"""Slope and offset of the exposure's share over (length of the blur / length of the flow)."""
LEAST_SHARE, MOST_SHARE = 0.2, 1.0
UNKNOWN_SHARE = 0.65
"""Where nothing moves enough to tell."""
ENOUGH_FLOW = 0.5
"""Median px per frame from which on a frame says something about the exposure."""

Field = NDArray[np.float32]
"""(height, width, 2): x and y, in px of the frame; one vector for every 2 x 2 pixels."""


def velocity(motion: Motion[Tensor], has_past: bool, has_future: bool) -> Field:
    """Pixels per frame time at each half-scale sample: central difference, or the one side that there is."""
    to_past, to_future = (x[0].permute(1, 2, 0).float().cpu().numpy() * 2 for x in motion)
    if has_past and has_future:
        return np.asarray((to_future - to_past) / 2, np.float32)
    return np.asarray(to_future if has_future else -to_past, np.float32)


def length(field: Field) -> NDArray[np.float32]:
    """(height, width) of a field's vectors."""
    return np.asarray(np.hypot(field[..., 0], field[..., 1]), np.float32)


def exposure_share(blur_px: Sequence[float], flow_px: Sequence[float]) -> float:
    """The exposure's share of the frame time, 0.2..1, from each frame's blur and its median flow, both in px."""
    ratios = [blur / flow for blur, flow in zip(blur_px, flow_px, strict=True) if blur > 0 and flow >= ENOUGH_FLOW]
    if not ratios:
        return UNKNOWN_SHARE
    slope, offset = SHARE
    return float(np.clip(slope * min(float(np.median(ratios)), 2.0) + offset, LEAST_SHARE, MOST_SHARE))
