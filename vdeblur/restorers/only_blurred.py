"""Only what is blurred: sharp frames pass bit for bit, and the state is warm when a blurred one comes."""

from __future__ import annotations

from dataclasses import dataclass

from ..blurriness import auto_threshold, blur_length
from ..frames import Frame
from ..restorer import Restorer, State, Wrapper
from ..windows import Window


@dataclass(frozen=True, slots=True)
class Paused:
    """The state between two blurred frames: what the network had, and the windows that it has not seen yet."""

    inner: State
    waiting: tuple[Window, ...]


class OnlyBlurred(Wrapper):
    """A restorer that leaves frames alone whose blur is shorter than `threshold` pixels.

    The network does not run for them. The last windows that it missed are kept, and run through it when a blurred frame
    follows: a short sharp stretch costs nothing in exactness, a long one restarts the state with a warm-up.
    """

    def __init__(self, restorer: Restorer, threshold: float, warm_up: int) -> None:
        """`threshold` in pixels, as `blurriness.blur_length` measures; 0 follows the frame's size.

        `warm_up` is how many frames bring the restorer's state from nothing to what it would be (`loading.warm_up_of`).
        """
        super().__init__(restorer)
        self._threshold, self._warm_up = threshold, warm_up

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre where it is blurred, else give it back."""
        paused = state if isinstance(state, Paused) else Paused(None, ())
        if blur_length(window.centre) < (self._threshold or auto_threshold(window.centre.size)):
            waiting = (*paused.waiting, window)
            if len(waiting) > self._warm_up:  # the state is too old to go on from: start anew with these
                return window.centre, Paused(None, waiting[-self._warm_up :])
            return window.centre, Paused(paused.inner, waiting)
        inner = paused.inner
        for missed in paused.waiting:
            _, inner = self.inner.restore(missed, inner)
        restored, inner = self.inner.restore(window, inner)
        return restored, Paused(inner, ())
