"""The networks' `align` and `remember` in NumPy and OpenCV, for engines that run only `encode` and `compute`.

OpenCV warps fast and tensor engines slowly: `grid_sample` on a 1280x720 frame takes as long as the whole network,
`remap` a twentieth of that. Warping also needs float32 coordinates, which engines in bf16 or int8 would round. So it is
not part of the exported graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import cv2
import numpy as np

from ..recurrence import LUMA_RANGE, MOTION_SCALE, Encoded, Motion, RecurrentState
from .flow import FlowPlanes
from .folding import PHASES, Samples
from .parallel import both
from .tiles import Array

TOGETHER = 4
"""Planes to warp at once: the most for which OpenCV has a fast path. It reads each coordinate once for all of them."""
UNUSED: Any = None
"""The second map of `cv2.remap`, not needed when the first holds x and y; its type stubs do not allow None."""


class Aligner(Protocol):
    """`align` and `remember` of one kind of network."""

    reads: int
    """How many of a frame's features, the last ones, `align` and `remember` read; the others they only pass on."""
    settles: bool
    """See `StreamNetwork.settles`."""

    def align(
        self, centre: Encoded[Array], future: Encoded[Array] | None, motion: Motion[FlowPlanes | None], state: Any
    ) -> tuple[Array, ...]:
        """The centre, the frame after it, flow and state -> the inputs of `compute`.

        `state` is None at the start of a scene, `future` at its end or in a live stream.
        """
        ...

    def remember(self, centre: Encoded[Array], computed: Sequence[Samples]) -> Any:
        """The state for the next frame, from the centre and the outputs of `compute`."""
        ...


class Single:
    """The per-frame network: only the centre."""

    reads = 0
    settles = False

    def align(
        self, centre: Encoded[Array], future: Encoded[Array] | None, motion: Motion[FlowPlanes | None], state: None
    ) -> tuple[Array, ...]:
        """The centre's features."""
        return tuple(centre.features)

    def remember(self, centre: Encoded[Array], computed: Sequence[Samples]) -> None:
        """None: there is no state."""


class Recurrent:
    """The ConvLSTM: warps the restored past frame, the future frame, the features of both, h and c."""

    reads = 1
    settles = True

    def __init__(self, hidden: int, carry: float) -> None:
        """`hidden` channels each of h and c; `carry` is as in `ConvLSTMConfig`."""
        self._hidden, self._carry = hidden, np.float32(carry)

    def align(
        self,
        centre: Encoded[Array],
        future: Encoded[Array] | None,
        motion: Motion[FlowPlanes | None],
        state: RecurrentState[Samples] | None,
    ) -> tuple[Array, ...]:
        """The fields of `vdeblur.models.convlstm.Aligned`; both neighbours are warped at the same time."""
        skip, deep, own = centre.features
        _, _, height, width = centre.frame.shape
        beside = np.zeros((1, 32, height // 2, width // 2), np.float32)
        shown = np.zeros((1, 4, height // 4, width // 4), np.float32)
        luma = _unfolded(centre.frame[0])

        def from_past() -> list[Samples]:
            if state is None:
                nothing = np.zeros((1, self._hidden, height // 4, width // 4), np.float32)
                return [nothing, nothing, own]
            _stack_difference(state.restored[0], motion.to_past, luma, beside[0, :16])
            return _moved([state.h, state.c, state.neighbour], motion.to_past, shown[0, :2])

        def from_future() -> list[Samples]:
            if future is None:
                return [own]
            _stack_difference(future.frame[0], motion.to_future, luma, beside[0, 16:])
            return _moved([future.features[-1]], motion.to_future, shown[0, 2:])

        (h, c, past), (after,) = both(from_past, from_future)
        return beside, shown, skip, deep, past, after, h, c

    def remember(self, centre: Encoded[Array], computed: Sequence[Samples]) -> RecurrentState[Samples]:
        """The next state, with the restored frame."""
        residual, h, c = computed
        carry = self._carry
        restored = carry * residual[:, :4]
        restored += centre.frame[:, :4]
        np.clip(restored, *LUMA_RANGE, out=restored)
        return RecurrentState(carry * h, carry * c, centre.features[-1], restored)


ALIGNERS: dict[str, Callable[[Mapping[str, Any]], Aligner]] = {
    "convlstm": lambda config: Recurrent(config["hidden"], config["carry"]),
    "cnn": lambda config: Single(),
}
"""Kind of network -> its aligner, from its configuration. Kinds that are missing here run on torch only."""


def _unfolded(frame: Samples) -> Samples:
    """Luma of a folded frame (4 or more, h, w) at full resolution, (2h, 2w)."""
    _, h, w = frame.shape
    luma = np.empty((2 * h, 2 * w), np.float32)
    for channel, (y, x) in enumerate(PHASES):
        luma[y::2, x::2] = frame[channel]
    return luma


def _stack_difference(frame: Samples, flow: FlowPlanes | None, centre: Samples, into: Samples) -> None:
    """Luma of a neighbour (4 or more, h, w), warped to the centre, minus the centre's; folded to (16, h/2, w/2)."""
    luma = _unfolded(frame)
    if flow is not None:
        height, width = luma.shape
        fine = _array(cv2.resize(_pairs(flow), (width, height), interpolation=cv2.INTER_LINEAR))
        fine *= 2
        (luma,) = _warped(luma[None], fine)
    luma -= centre
    for phase, (y, x) in enumerate(PHASES):
        for channel, (dy, dx) in enumerate(PHASES):
            into[4 * phase + channel] = luma[2 * y + dy :: 4, 2 * x + dx :: 4]


def _warped(planes: Samples, flow: Samples) -> Samples:
    """Planes (n, h, w) sampled bilinearly at each position plus flow (h, w, 2), with repeated edges."""
    places = flow + _places(*flow.shape[:2])
    moved = np.empty(planes.shape, np.float32)
    for first in range(0, len(planes), TOGETHER):
        some = cv2.merge(list(planes[first : first + TOGETHER]))
        some = cv2.remap(some, places, UNUSED, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cv2.split(some, list(moved[first : first + TOGETHER]))
    return moved


def _moved(features: list[Samples], flow: FlowPlanes | None, shown: Samples) -> list[Samples]:
    """A neighbour's features at the centre's places; the flow as the network is shown it goes into `shown`."""
    if flow is None:
        return features
    step = _quarter(flow)
    shown[:] = step * np.float32(4 * MOTION_SCALE)
    return [_warped(x[0], _pairs(step))[None] for x in features]


def _quarter(flow: FlowPlanes) -> FlowPlanes:
    """Flow at half scale -> flow at 1/8 scale, in its samples."""
    _, height, width = flow.shape
    coarse = cv2.resize(_pairs(flow), (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    return np.moveaxis(coarse, -1, 0) * np.float32(1 / 4)


def _pairs(flow: FlowPlanes) -> Samples:
    """(2, h, w) -> (h, w, 2), the layout of OpenCV."""
    return np.ascontiguousarray(flow.transpose(1, 2, 0))


def _array(x: Any) -> Samples:
    return np.asarray(x, np.float32)


@lru_cache(maxsize=8)
def _places(height: int, width: int) -> Samples:
    """Coordinates x, y of every sample, (h, w, 2)."""
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    return np.stack(np.broadcast_arrays(columns, rows[:, None]), axis=-1)
