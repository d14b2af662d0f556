"""Camera: the protocol of whatever gives frames in real time, and what may be asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from ..protocols import Source

CLOCK = Fraction(1, 90000)
"""Time base of pictures that come from a device or a network."""


@dataclass(frozen=True, slots=True)
class CameraOptions:
    """What to ask of a camera; a camera that cannot gives what it has."""

    size: tuple[int, int] | None = None
    """(width, height) in pixels."""
    frame_rate: Fraction | None = None
    loop: bool = False
    """Play a file over and over, its times going on."""
    patience_seconds: float = 60.0
    """How long a lost stream is tried again before it counts as ended."""


DEFAULTS = CameraOptions()

DEVICE_SILENCE = 10.0
"""Seconds that a device may give nothing: one that is starved or half unplugged can block its reader for ever."""


class Camera(Source, Protocol):
    """A source in real time. `close` may be called from another thread, and ends the frames."""

    name: str
    is_lost: bool
    """A stream is gone and being called again."""
    reconnects: int
    """How often a lost stream came back."""
    longest_silence: float
    """Seconds without a picture after which it counts as gone; infinite for a file, whose pictures may lie far apart,
    and for a stream, which is called again."""

    def __enter__(self) -> Camera: ...
