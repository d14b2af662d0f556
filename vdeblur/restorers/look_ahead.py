"""Removes look-ahead, for live streams that cannot wait for future frames."""

from __future__ import annotations

from ..frames import Frame
from ..restorer import State, Wrapper
from ..windows import Window


class WithoutLookAhead(Wrapper):
    """A restorer without future frames; the inner one gets the centre in their place."""

    @property
    def future(self) -> int:
        """No future frames."""
        return 0

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre without future frames."""
        frames = window.frames + (window.centre,) * self.inner.future
        return self.inner.restore(Window(frames, window.past, window.is_scene_start), state)
