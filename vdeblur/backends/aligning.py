"""The networks' `align` and `remember` in NumPy and OpenCV, for engines that run only `encode` and `compute`.

OpenCV warps fast and tensor engines slowly: `grid_sample` on a 1280x720 frame takes as long as the whole network,
`remap` a twentieth of that. Warping also needs float32 coordinates, which engines in bf16 or int8 would round. So it is
not part of the exported graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import cv2
import numpy as np

from ..recurrence import LUMA_RANGE, MOTION_SCALE, Encoded, Motion, RecurrentState
from .flow import FlowPlanes
from .parallel import both
from .phases import Samples, merge_phases, split_twice
from .tiles import Array

TOGETHER = 4
"""Planes to warp at once: the most for which OpenCV has a fast path. It reads each coordinate once for all of them."""


class Aligner(Protocol):
    """`align` and `remember` of one kind of network."""

    passed_on: tuple[str, ...]
    """The inputs of `compute` that are the first of a frame's features, as they are; only the others are read."""
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

    passed_on: tuple[str, ...] = "feature_0", "feature_1"
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

    passed_on: tuple[str, ...] = "skip", "deep"
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
        luma = merge_phases(centre.frame[0, :4])

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


def _stack_difference(frame: Samples, flow: FlowPlanes | None, centre: Samples, into: Samples) -> None:
    """Luma of a neighbour (4 or more, h, w), warped to the centre, minus the centre's; folded to (16, h/2, w/2)."""
    luma = merge_phases(frame[:4])
    if flow is not None:
        luma = _warped(luma, [_doubled(2 * plane) for plane in flow])
    luma -= centre
    split_twice(luma, into)


def _doubled(plane: Samples) -> Samples:
    """(h, w) at twice the size, interpolated."""
    height, width = plane.shape
    return _array(cv2.resize(plane, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR))


def _warped(image: Samples, flow: Sequence[Samples]) -> Samples:
    """An image (h, w) or (h, w, channels) sampled bilinearly at each position plus x and y, with repeated edges."""
    x, y = flow
    how = cv2.INTER_LINEAR | cv2.WARP_RELATIVE_MAP
    return _array(cv2.remap(image, x, y, how, borderMode=cv2.BORDER_REPLICATE))


def _moved(features: list[Samples], flow: FlowPlanes | None, shown: Samples) -> list[Samples]:
    """A neighbour's features at the centre's places; the flow as the network is shown it goes into `shown`."""
    if flow is None:
        return features
    step = _quarter(flow)
    np.multiply(step, np.float32(4 * MOTION_SCALE), out=shown)
    moved = []
    for (planes,) in features:
        there = np.empty(planes.shape, np.float32)
        for first in range(0, len(planes), TOGETHER):
            some = cv2.merge(list(planes[first : first + TOGETHER]))
            cv2.split(_warped(some, list(step)), list(there[first : first + TOGETHER]))
        moved.append(there[None])
    return moved


def _quarter(flow: FlowPlanes) -> FlowPlanes:
    """Flow at half scale -> flow at 1/8 scale, in its samples."""
    _, height, width = flow.shape
    coarse = [cv2.resize(plane, (width // 4, height // 4), interpolation=cv2.INTER_AREA) for plane in flow]
    return np.stack(coarse) * np.float32(1 / 4)


def _array(x: Any) -> Samples:
    return np.asarray(x, np.float32)
