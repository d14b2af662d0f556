"""Falls back to the per-frame network when the recurrent one returns NaN or infinity."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property

from ..errors import NonFiniteResult, UsageError
from ..frames import Frame
from ..restorer import Restorer, State, Wrapper
from ..windows import Window

log = logging.getLogger(__name__)


class WithFallback(Wrapper):
    """A restorer that never returns a non-finite frame: another one, loaded when first needed, restores that frame.

    The state, which may be the cause, is reset. If the other restorer fails as well, the frame is left unchanged.
    `fallbacks` counts both cases; use one instance per stream.
    """

    def __init__(self, restorer: Restorer, load_per_frame: Callable[[], Restorer]) -> None:
        super().__init__(restorer)
        self._load_per_frame = load_per_frame
        self.fallbacks = 0

    @cached_property
    def _per_frame(self) -> Restorer:
        return self._load_per_frame()

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre, with the other restorer where the first one's result is not finite."""
        try:
            return self.inner.restore(window, state)
        except NonFiniteResult as error:
            self.fallbacks += 1
            log.warning("frame at %.3f s: %s; using the per-frame model", window.centre.seconds, error)
        return self._restore_alone(window.centre), None

    def _restore_alone(self, frame: Frame) -> Frame:
        try:
            around = (frame,) * (self._per_frame.past + 1 + self._per_frame.future)
            return self._per_frame.restore(Window(around, self._per_frame.past, is_scene_start=True), None)[0]
        except (NonFiniteResult, UsageError) as error:  # UsageError if torch is not installed
            log.warning("frame at %.3f s: %s; the frame is left unchanged", frame.seconds, error)
            return frame
