"""Restores blurred frames only; sharp frames stay unchanged, and the state is warm when a blurred one follows."""

from __future__ import annotations

from dataclasses import dataclass

from ..blurriness import auto_threshold, blur_length
from ..frames import Frame
from ..restorer import Restorer, State, Wrapper
from ..windows import Window


@dataclass(frozen=True, slots=True)
class Paused:
    """The state between two blurred frames: that of the network, and the windows that it has skipped."""

    inner: State
    waiting: tuple[Window, ...]


class OnlyBlurred(Wrapper):
    """A restorer that leaves frames unchanged whose blur is shorter than `threshold` pixels.

    The network skips them. The last skipped windows are kept, and run through it when a blurred frame follows: after a
    short sharp part the result is exact, after a long one the state is rebuilt by a warm-up.
    """

    def __init__(self, restorer: Restorer, threshold: float, warm_up: int) -> None:
        """`threshold` in pixels, as `blurriness.blur_length` measures; 0 depends on the frame size.

        `warm_up` is the number of frames that build up the state of the restorer (`loading.warm_up_of`).
        """
        super().__init__(restorer)
        self._threshold, self._warm_up = threshold, warm_up

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre if it is blurred, else return it unchanged."""
        paused = state if isinstance(state, Paused) else Paused(None, ())
        if blur_length(window.centre) < (self._threshold or auto_threshold(window.centre.size)):
            waiting = (*paused.waiting, window)
            if len(waiting) > self._warm_up:  # the state is too old: rebuild it from these
                return window.centre, Paused(None, waiting[-self._warm_up :])
            return window.centre, Paused(paused.inner, waiting)
        inner = paused.inner
        for missed in paused.waiting:
            _, inner = self.inner.restore(missed, inner)
        restored, inner = self.inner.restore(window, inner)
        return restored, Paused(inner, ())
