"""Timed: how long a restorer takes, without decoding, encoding and all else around it."""

from __future__ import annotations

import time

from ..frames import Frame
from ..restorer import Restorer, State, Wrapper
from ..windows import Window


class Timed(Wrapper):
    """A restorer that notes how long each frame takes."""

    def __init__(self, restorer: Restorer) -> None:
        super().__init__(restorer)
        self.seconds: list[float] = []
        """Of each frame, in order."""

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre, and note how long it took."""
        start = time.perf_counter()
        result = self.inner.restore(window, state)
        self.seconds.append(time.perf_counter() - start)
        return result
