"""What the networks' `align` and `remember` do, in NumPy and OpenCV: for engines that know only the graph between.

Warping is what OpenCV is quick at and tensor engines are slow at: `grid_sample` on a 1280x720 frame takes as long as
the whole network, `remap` a twentieth of it. A warp's coordinates need float32, which bf16 and int8 engines would not
keep. So graphs hold `compute` alone, and frames, h and c come to them already where the centre shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from .flow import Flow
from .folding import PHASES, Samples

MOTION_SCALE = 1 / 16
"""Flow times this is what the recurrent network is shown of it."""


LEGAL = (-0.5, 1.0)
"""What a folded frame can hold; a restored one that goes into the state is kept within it."""


class Motion(NamedTuple):
    """Optical flow from the centre to its neighbours; None where there is no neighbour."""

    to_past: Flow | None = None
    to_future: Flow | None = None


class Aligner(Protocol):
    """The way of one kind of network from frames, flow and state to its graph, and from there to the next state."""

    def align(self, centre: Samples, future: Samples | None, motion: Motion, state: Any) -> tuple[Samples, ...]:
        """The centre and the frame after it (1, 6, h, w), flow and state -> the graph's inputs.

        `state` None is the start of a scene, `future` None its end or a live stream.
        """
        ...

    def remember(self, centre: Samples, computed: Sequence[Samples]) -> Any:
        """The state for the next frame, from the centre and the graph's outputs, of which the residual is the first."""
        ...


class Single:
    """The per-frame network: the centre alone."""

    def align(self, centre: Samples, future: Samples | None, motion: Motion, state: None) -> tuple[Samples]:
        """The centre folded by two, (1, 24, h/2, w/2)."""
        _, _, h, w = centre.shape
        stacked = np.empty((1, 24, h // 2, w // 2), np.float32)
        _stack(centre[0], stacked[0])
        return (stacked,)

    def remember(self, centre: Samples, computed: Sequence[Samples]) -> None:
        """Nothing."""


class RecurrentState(NamedTuple):
    """What goes from one frame to the next."""

    h: Samples
    """(1, hidden, h/4, w/4)."""
    c: Samples
    restored: Samples
    """The frame as it was restored, (1, 6, h, w)."""


class Recurrent:
    """The ConvLSTM: the previous frame as restored, the future frame, h and c, all warped to the centre."""

    def __init__(self, hidden: int, carry: float) -> None:
        """`hidden` channels each of h and c; `carry` is as in `ConvLSTMConfig`."""
        self._hidden, self._carry = hidden, np.float32(carry)

    def align(
        self, centre: Samples, future: Samples | None, motion: Motion, state: RecurrentState | None
    ) -> tuple[Samples, ...]:
        """Frames (1, 72, h/2, w/2), motion (1, 4, h/4, w/4), h and c (1, hidden, h/4, w/4)."""
        _, _, height, width = centre.shape
        stacked = np.empty((1, 72, height // 2, width // 2), np.float32)
        _stack(centre[0], stacked[0, :24])
        shown = np.zeros((1, 4, height // 4, width // 4), np.float32)
        for place, flow in enumerate(motion):
            if flow is not None:
                coarse = cv2.resize(_pairs(flow), (width // 4, height // 4), interpolation=cv2.INTER_AREA)
                shown[0, 2 * place : 2 * place + 2] = np.moveaxis(coarse, -1, 0) * np.float32(MOTION_SCALE)
        _stack_warped(state.restored if state else None, motion.to_past, centre, stacked[0, 24:48])
        _stack_warped(future, motion.to_future, centre, stacked[0, 48:])
        if state is None:
            h = c = np.zeros((1, self._hidden, height // 4, width // 4), np.float32)
        elif motion.to_past is None:
            h, c = state.h, state.c
        else:
            step = shown[0, :2] * np.float32(1 / (4 * MOTION_SCALE))
            h, c = (_warped(x[0], step)[None] for x in (state.h, state.c))
        return stacked, shown, h, c

    def remember(self, centre: Samples, computed: Sequence[Samples]) -> RecurrentState:
        """The next state, with the frame as it is now restored."""
        residual, h, c = computed
        return RecurrentState(self._carry * h, self._carry * c, np.clip(centre + self._carry * residual, *LEGAL))


def aligner_of(uses_motion: bool, config: Mapping[str, Any]) -> Aligner:
    """The aligner of a network with this configuration: those that want motion are recurrent."""
    return Recurrent(config["hidden"], config["carry"]) if uses_motion else Single()


def _stack(frame: Samples, into: Samples) -> None:
    """A folded frame (6, h, w) folded by two once more, into (24, h/2, w/2)."""
    for phase, (y, x) in enumerate(PHASES):
        into[6 * phase : 6 * phase + 6] = frame[:, y::2, x::2]


def _stack_warped(frame: Samples | None, flow: Flow | None, centre: Samples, into: Samples) -> None:
    """A neighbour (1, 6, h, w) at the centre's places, folded by two once more; the centre where there is none.

    Luma is warped at its full size, chroma at half.
    """
    if frame is None or flow is None:
        return _stack((centre if frame is None else frame)[0], into)
    _, _, h, w = frame.shape
    luma = np.empty((2 * h, 2 * w), np.float32)
    for channel, (y, x) in enumerate(PHASES):
        luma[y::2, x::2] = frame[0, channel]
    fine = cv2.resize(_pairs(flow), (2 * w, 2 * h), interpolation=cv2.INTER_LINEAR)
    (luma,) = _warped(luma[None], 2 * _array(np.moveaxis(fine, -1, 0)))
    chroma = _warped(frame[0, 4:], flow)
    for phase, (y, x) in enumerate(PHASES):
        for channel, (dy, dx) in enumerate(PHASES):
            into[6 * phase + channel] = luma[2 * y + dy :: 4, 2 * x + dx :: 4]
        into[6 * phase + 4 : 6 * phase + 6] = chroma[:, y::2, x::2]


def _warped(planes: Samples, flow: Flow) -> Samples:
    """Planes (n, h, w) sampled at each place plus flow, bilinearly, edges repeated."""
    x, y = flow + _places(*flow.shape[1:])
    moved = [cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for plane in planes]
    return _array(np.stack(moved))


def _pairs(flow: Flow) -> Samples:
    """(2, h, w) -> (h, w, 2), as OpenCV has it."""
    return np.ascontiguousarray(flow.transpose(1, 2, 0))


def _array(x: Any) -> Samples:
    return np.asarray(x, np.float32)


@lru_cache(maxsize=8)
def _places(height: int, width: int) -> Flow:
    """The x and y of every sample."""
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    return np.stack(np.broadcast_arrays(columns, rows[:, None]))
