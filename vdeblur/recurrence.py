"""What a step of a network takes and passes on, in arrays of any library: torch, NumPy or an engine's own."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

A = TypeVar("A")
"""An array, (n, c, h, w)."""

CELL = 16
"""Pixels of a frame per sample of the coarsest possible features; frames are padded to multiples, and tiles are."""
MOTION_SCALE = 1 / 16
"""Scales optical flow, in half-scale samples, to the order of one for the recurrent network."""
REHEARSED = 2
"""Frames after the first of a scene that a recurrent network runs through, backwards, before it restores that one."""
LUMA_RANGE = (0.0, 1.0)
"""Bounds of the restored luma that is fed back, so that it cannot diverge."""


class Motion(NamedTuple, Generic[A]):
    """Optical flow from the centre to its neighbours, in samples of the half-scale planes.

    A sample at (x, y) of the centre is seen at (x, y) + flow in the neighbour. Networks take (n, 2, h, w), x then y,
    zero without a neighbour; engines take `backends.flow.FlowPlanes`, None without a neighbour.
    """

    to_past: A
    to_future: A


class Encoded(NamedTuple, Generic[A]):
    """A frame and the features that `StreamNetwork.encode` computed from it."""

    frame: A
    """(n, 6, h, w)."""
    features: tuple[A, ...]


class RecurrentState(NamedTuple, Generic[A]):
    """The state that `ConvLSTM` passes from one frame to the next."""

    h: A
    """Hidden state, (n, hidden, h/4, w/4), float32."""
    c: A
    """Cell state, same shape, float32."""
    neighbour: A
    """Features of the frame that its neighbours use, (n, neighbour, h/4, w/4)."""
    restored: A
    """Luma of the restored frame as its four phases, (n, 4, h, w)."""
