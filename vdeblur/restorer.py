"""Restorer: the protocol that the ConvLSTM, the per-frame CNN, a classical filter and a test's identity share.

`Wrapper` is the base of restorers that work around another one.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from .frames import Frame
from .windows import Window

State: TypeAlias = Any
"""Opaque to all but the restorer that made it; None is the start of a scene."""


class Restorer(Protocol):
    """Restores the centre of a window. Holds weights and settings, never anything of a stream."""

    @property
    def name(self) -> str:
        """What `-m` calls it."""
        ...

    @property
    def device(self) -> str:
        """ "cpu", "cuda:0" and so on; another one after memory ran out on the first."""
        ...

    @property
    def precision(self) -> str:
        """ "fp32", "bf16" or "fp16"; "native" for filters on the samples themselves."""
        ...

    @property
    def past(self) -> int:
        """Frames before the centre that a window shows it."""
        ...

    @property
    def future(self) -> int:
        """Frames after the centre that a window shows it."""
        ...

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Return the restored centre (same size, layout, pts and colour) and the state for the next window."""
        ...


class Wrapper:
    """A restorer around another one, whose name, device, precision and window are the inner one's, as they are now.

    As it stands it changes nothing; a subclass overrides `restore`.
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
