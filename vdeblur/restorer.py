"""Restorer: the protocol that the ConvLSTM, the per-frame CNN, a classical filter and a test's identity share."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from .frames import Frame
from .windows import Window

State: TypeAlias = Any
"""Opaque to all but the restorer that made it; None is the start of a scene."""


class Restorer(Protocol):
    """Restores the centre of a window. Holds weights and settings, never anything of a stream."""

    name: str
    """What `-m` calls it."""
    device: str
    """"cpu", "cuda:0" and so on."""
    precision: str
    """"fp32", "bf16" or "fp16"; "native" for filters on the samples themselves."""
    past: int
    future: int

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Return the restored centre (same size, layout, pts and colour) and the state for the next window."""
        ...
