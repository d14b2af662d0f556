"""Timed: measures the time of a restorer itself."""

from __future__ import annotations

import time

from ..frames import Frame
from ..restorer import Restorer, State, Wrapper
from ..windows import Window


class Timed(Wrapper):
    """A restorer that records the time of each frame."""

    def __init__(self, restorer: Restorer) -> None:
        super().__init__(restorer)
        self.seconds: list[float] = []
        """Time of each frame, in order."""

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre, and record the time."""
        start = time.perf_counter()
        result = self.inner.restore(window, state)
        self.seconds.append(time.perf_counter() - start)
        return result
