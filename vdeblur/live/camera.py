"""Camera: the protocol of real-time sources, and the options to open one."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from ..protocols import Source

CLOCK = Fraction(1, 90000)
"""Time base of frames from a device or a network."""


@dataclass(frozen=True, slots=True)
class CameraOptions:
    """What to request from a camera; it may deliver another size or rate."""

    size: tuple[int, int] | None = None
    """(width, height) in pixels."""
    frame_rate: Fraction | None = None
    loop: bool = False
    """Repeat a file, with continuous time stamps."""
    patience_seconds: float = 60.0
    """How long to try to reconnect a lost stream."""


DEFAULTS = CameraOptions()

DEVICE_SILENCE = 10.0
"""Seconds without frames after which a device counts as gone: a read from it may block for ever."""


class Camera(Source, Protocol):
    """A real-time source. `close` may be called from another thread, and ends the iteration."""

    name: str
    is_lost: bool
    """Whether a stream is lost and being reconnected."""
    reconnects: int
    """How often a lost stream was reconnected."""
    longest_silence: float
    """Seconds without a frame after which the camera counts as gone; infinite for a file, whose frames may lie far
    apart, and for a stream, which reconnects by itself."""

    def __enter__(self) -> Camera: ...
