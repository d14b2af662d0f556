"""The effective receptive field of a point (Luo et al. 2016), over space and time.

That is the gradient of the residual at the point with respect to the luma of every pixel of this and earlier frames,
through the recurrence. Optical flow is treated as a constant: it depends on pixels too, but has no gradient.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...models import StreamNetwork
from ...models.convlstm import ConvLSTM
from ...recurrence import CELL, LUMA_RANGE, Motion

FRAMES = 10
"""Number of past frames to include."""
RADIUS = 10 * CELL
"""Pixels around the point to include in each direction, within the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """The inputs of one step of a stream, to repeat it."""

    centre: Tensor
    """(1, 6, h, w)."""
    future: Tensor | None
    motion: Motion[Tensor]
    state: Any
    """The state before the step; None at the start of a scene."""


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """The influence of pixels on the residual at `point`."""

    point: tuple[int, int]
    """x, y in pixels of the frame."""
    corner: tuple[int, int]
    """x, y of the top left pixel of the maps."""
    frames: dict[int, NDArray[np.uint8]]
    """Grey images beneath the maps, (height, width, 3)."""
    maps: dict[int, NDArray[np.float32]]
    """By lag in frames (-1: the next frame, 0: the frame itself, 1: the previous frame, ...): absolute gradient of the
    residual's luma at the point with respect to the luma of each pixel, (height, width)."""

    @property
    def influence(self) -> dict[int, float]:
        """Share of each frame in the sum of all maps, 0..1, by lag; all 0 without any influence."""
        sums = {lag: float(values.sum(dtype=np.float64)) for lag, values in self.maps.items()}
        total = sum(sums.values())
        return {lag: value / total if total else 0.0 for lag, value in sums.items()}

    @property
    def half_life(self) -> float | None:
        """Half-life of the influence of past frames, in frames, by a log-linear fit; None without a past."""
        past = [(lag, value) for lag, value in self.influence.items() if lag >= 1 and value > 0]
        if len(past) < 2:
            return None
        lags, values = np.array([lag for lag, _ in past], float), np.log2([value for _, value in past])
        slope = float(np.polyfit(lags, values, 1)[0])
        return -1 / slope if slope < 0 else None

    @property
    def radius(self) -> float:
        """Radius in pixels around the point that contains half of the influence of the frame itself."""
        own = self.maps[0]
        rows, columns = np.indices(own.shape)
        distance = np.hypot(columns + self.corner[0] - self.point[0], rows + self.corner[1] - self.point[1]).ravel()
        order = np.argsort(distance)
        held = np.cumsum(own.ravel()[order], dtype=np.float64)
        return float(distance[order][np.searchsorted(held, held[-1] / 2)]) if held[-1] else 0.0


class History:
    """The last steps of a stream."""

    def __init__(self) -> None:
        self._moments: deque[Moment] = deque(maxlen=FRAMES + 1)

    def add(self, moment: Moment) -> None:
        """Add a step; one that starts a scene discards those before it."""
        if moment.state is None:
            self._moments.clear()
        self._moments.append(moment)

    def reach(self, network: StreamNetwork, point: tuple[int, int]) -> Reach:
        """The influence on the last frame's residual at `point` (x, y), inside the frame."""
        x, y = point
        height, width = (2 * side for side in self._moments[-1].centre.shape[-2:])
        (left, right), (top, bottom) = _around(x, width), _around(y, height)
        box = (slice(top // 2, bottom // 2), slice(left // 2, right // 2))
        moments = [_cut(m, box) for m in self._moments]
        maps = _gradients(network, moments, ((y - top) // 2, (x - left) // 2))
        seen = {len(moments) - 1 - i: _grey(m.centre) for i, m in enumerate(moments)}
        if (after := moments[-1].future) is not None:
            seen[-1] = _grey(after)
        return Reach(point, (left, top), seen, maps)


def _grey(folded: Tensor) -> NDArray[np.uint8]:
    luma = F.pixel_shuffle(folded[:, :4], 2)[0, 0].clamp(0, 1).mul(255).round().byte().cpu().numpy()
    return np.repeat(luma[..., None], 3, axis=2)


def _around(place: int, side: int) -> tuple[int, int]:
    """First and last pixel (exclusive) around a position, in whole cells."""
    first = max(place - RADIUS, 0) // CELL * CELL
    return first, min(-(-(place + RADIUS) // CELL) * CELL, side)


def _cut(moment: Moment, box: tuple[slice, slice]) -> Moment:
    height = moment.centre.shape[-2]

    def part(x: Tensor) -> Tensor:
        scale = height // x.shape[-2]
        rows, columns = (slice(s.start // scale, s.stop // scale) for s in box)
        return x[..., rows, columns].clone()

    motion = Motion(*(part(flow) for flow in moment.motion))
    future = None if moment.future is None else part(moment.future)
    state = None if moment.state is None else type(moment.state)(*map(part, moment.state))
    return Moment(part(moment.centre), future, motion, state)


def _gradients(network: StreamNetwork, moments: Sequence[Moment], place: tuple[int, int]) -> dict[int, Any]:
    frames = [moment.centre.detach().requires_grad_(True) for moment in moments]
    last = moments[-1].future
    after = None if last is None else last.detach().requires_grad_(True)
    state = moments[0].state
    if state is None:
        with torch.no_grad():
            state = network.begin([network.encoded(frames[0])])
    with torch.enable_grad():
        for moment, centre, future in zip(moments, frames, [*frames[1:], after], strict=True):
            seen = future if moment.future is not None else None
            now, ahead = network.encoded(centre), None if seen is None else network.encoded(seen)
            computed = network.compute(*network.align(now, ahead, moment.motion, state))
            state = network.remember(now, computed)
            if isinstance(network, ConvLSTM):  # remember() detaches the restored frame
                state = state._replace(restored=(centre + network.config.carry * computed[0])[:, :4].clamp(*LUMA_RANGE))
        row, column = place
        value = computed[0][0, :4, row, column].mean()
        leaves = [*frames, *([after] if after is not None else [])]
        slopes = torch.autograd.grad(value, leaves, allow_unused=True)
    maps = {}
    for index, slope in enumerate(slopes):
        if slope is not None:
            seen_by = F.pixel_shuffle(slope[:, :4].abs().float(), 2)[0, 0].cpu().numpy()
            maps[len(frames) - 1 - index] = np.asarray(seen_by, np.float32)
    return maps
