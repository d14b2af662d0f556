"""Without look-ahead: for live streams, where a frame that has not come yet cannot be waited for."""

from __future__ import annotations

from ..frames import Frame
from ..restorer import State, Wrapper
from ..windows import Window


class WithoutLookAhead(Wrapper):
    """A restorer that asks for no future frame; the inner one sees the centre in their place."""

    @property
    def future(self) -> int:
        """None are wanted."""
        return 0

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre from what has come."""
        frames = window.frames + (window.centre,) * self.inner.future
        return self.inner.restore(Window(frames, window.past, window.is_scene_start), state)
