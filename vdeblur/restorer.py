"""Restorer: the protocol of networks and classical filters; and Wrapper, the base of restorers around another one."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from .frames import Frame
from .windows import Window

State: TypeAlias = Any
"""Opaque to all except the restorer that made it; None at the start of a scene."""


class Restorer(Protocol):
    """Restores the centre frame of a window. Stores weights and settings, but nothing about a stream."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def device(self) -> str:
        """ "cpu", "cuda:0" and so on; may change when memory runs out."""
        ...

    @property
    def precision(self) -> str:
        """ "fp32", "bf16" or "fp16"; "native" for filters on the samples themselves."""
        ...

    @property
    def past(self) -> int:
        """Number of frames before the centre in its windows."""
        ...

    @property
    def future(self) -> int:
        """Number of frames after the centre in its windows."""
        ...

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Return the restored centre (same size, layout, pts and colour) and the state for the next window."""
        ...


class Wrapper:
    """A restorer around another one, with the current name, device, precision and window of the inner one.

    Subclasses override `restore`.
    """

    def __init__(self, inner: Restorer) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        """The inner restorer's."""
        return self.inner.name

    @property
    def device(self) -> str:
        """The inner restorer's."""
        return self.inner.device

    @property
    def precision(self) -> str:
        """The inner restorer's."""
        return self.inner.precision

    @property
    def past(self) -> int:
        """The inner restorer's."""
        return self.inner.past

    @property
    def future(self) -> int:
        """The inner restorer's."""
        return self.inner.future

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre as the inner restorer does."""
        return self.inner.restore(window, state)
