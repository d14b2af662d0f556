"""What the networks' `align` and `remember` do, in NumPy and OpenCV: for engines that know only the graph between.

Warping is what OpenCV is quick at and tensor engines are slow at: `grid_sample` on a 1280x720 frame takes as long as
the whole network, `remap` a twentieth of it. A warp's coordinates need float32, which bf16 and int8 engines would not
keep. So graphs hold `encode` and `compute` alone, and all that is of other frames is already where the centre shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import cv2
import numpy as np

from ..recurrence import LUMA_RANGE, MOTION_SCALE, Encoded, Motion, RecurrentState
from .flow import FlowPlanes
from .folding import PHASES, Samples
from .tiles import Array

TOGETHER = 4
"""Planes that are warped at once: as many as OpenCV has one way for, and it reads each place once."""
UNUSED: Any = None
"""OpenCV's second map where the first holds x and y; its types do not know that it may be None."""


class Aligner(Protocol):
    """The way of one kind of network from features, flow and state to `compute`, and from there to the next state."""

    def align(
        self, centre: Encoded[Array], future: Encoded[Array] | None, motion: Motion[FlowPlanes | None], state: Any
    ) -> tuple[Array, ...]:
        """The centre and the frame after it, flow and state -> what `compute` takes.

        `state` None is the start of a scene, `future` None its end or a live stream.
        """
        ...

    def remember(self, centre: Encoded[Array], computed: Sequence[Samples]) -> Any:
        """The state for the next frame, from the centre and what `compute` gave, of which the residual is the first."""
        ...


class Single:
    """The per-frame network: the centre alone."""

    def align(
        self, centre: Encoded[Array], future: Encoded[Array] | None, motion: Motion[FlowPlanes | None], state: None
    ) -> tuple[Array, ...]:
        """The centre's features."""
        return tuple(centre.features)

    def remember(self, centre: Encoded[Array], computed: Sequence[Samples]) -> None:
        """Nothing."""


class Recurrent:
    """The ConvLSTM: the previous frame as restored, the future frame, features of both, h and c, all warped."""

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
        """The parts of `vdeblur.models.convlstm.Aligned`."""
        skip, deep, own = centre.features
        _, _, height, width = centre.frame.shape
        beside = np.zeros((1, 32, height // 2, width // 2), np.float32)
        luma = _unfolded(centre.frame[0])
        if state is not None:
            _stack_difference(state.restored[0], motion.to_past, luma, beside[0, :16])
        if future is not None:
            _stack_difference(future.frame[0], motion.to_future, luma, beside[0, 16:])
        steps = [None if flow is None else _quarter(flow) for flow in motion]
        shown = np.zeros((1, 4, height // 4, width // 4), np.float32)
        for place, step in enumerate(steps):
            if step is not None:
                shown[0, 2 * place : 2 * place + 2] = step * np.float32(4 * MOTION_SCALE)
        if state is None:
            past = own
            h = c = np.zeros((1, self._hidden, height // 4, width // 4), np.float32)
        else:
            h, c, past = (_moved(x, steps[0]) for x in (state.h, state.c, state.neighbour))
        after = _moved(future.features[-1], steps[1]) if future else own
        return beside, shown, skip, deep, past, after, h, c

    def remember(self, centre: Encoded[Array], computed: Sequence[Samples]) -> RecurrentState[Samples]:
        """The next state, with the frame as it is now restored."""
        residual, h, c = computed
        carry = self._carry
        restored = carry * residual[:, :4]
        restored += centre.frame[:, :4]
        np.clip(restored, *LUMA_RANGE, out=restored)
        return RecurrentState(carry * h, carry * c, centre.features[-1], restored)


def aligner_of(uses_motion: bool, config: Mapping[str, Any]) -> Aligner:
    """The aligner of a network with this configuration: those that want motion are recurrent."""
    return Recurrent(config["hidden"], config["carry"]) if uses_motion else Single()


def _unfolded(frame: Samples) -> Samples:
    """Luma of a folded frame (4 or more, h, w) at its full size, (2 h, 2 w)."""
    _, h, w = frame.shape
    luma = np.empty((2 * h, 2 * w), np.float32)
    for channel, (y, x) in enumerate(PHASES):
        luma[y::2, x::2] = frame[channel]
    return luma


def _stack_difference(frame: Samples, flow: FlowPlanes | None, centre: Samples, into: Samples) -> None:
    """Luma of a neighbour (4 or more, h, w), at the centre's places, less the centre's; folded to (16, h/2, w/2)."""
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
    """Planes (n, h, w) sampled at each place plus flow (h, w, 2), bilinearly, edges repeated."""
    places = flow + _places(*flow.shape[:2])
    moved = np.empty(planes.shape, np.float32)
    for first in range(0, len(planes), TOGETHER):
        some = cv2.merge(list(planes[first : first + TOGETHER]))
        some = cv2.remap(some, places, UNUSED, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cv2.split(some, list(moved[first : first + TOGETHER]))
    return moved


def _moved(x: Samples, step: FlowPlanes | None) -> Samples:
    return x if step is None else _warped(x[0], _pairs(step))[None]


def _quarter(flow: FlowPlanes) -> FlowPlanes:
    """Flow of a frame at half scale, in samples of 1/8 scale."""
    _, height, width = flow.shape
    coarse = cv2.resize(_pairs(flow), (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    return np.moveaxis(coarse, -1, 0) * np.float32(1 / 4)


def _pairs(flow: FlowPlanes) -> Samples:
    """(2, h, w) -> (h, w, 2), as OpenCV has it."""
    return np.ascontiguousarray(flow.transpose(1, 2, 0))


def _array(x: Any) -> Samples:
    return np.asarray(x, np.float32)


@lru_cache(maxsize=8)
def _places(height: int, width: int) -> Samples:
    """The x and y of every sample, (h, w, 2)."""
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    return np.stack(np.broadcast_arrays(columns, rows[:, None]), axis=-1)
