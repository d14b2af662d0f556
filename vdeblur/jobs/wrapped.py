"""Wraps the restorer of a job according to its settings: fallback, only blurred frames, strength, comparison."""

from __future__ import annotations

from ..frames import Frame, StreamInfo
from ..loading import OnRetreat, load_per_frame, warm_up_of
from ..restorer import Restorer, State, Wrapper
from ..restorers.blend import Blended, Compared
from ..restorers.fallback import WithFallback
from ..restorers.only_blurred import OnlyBlurred
from ..windows import Window
from .job import Job, OnFrame


def with_fallback(restorer: Restorer, on_retreat: OnRetreat = lambda _: None) -> WithFallback:
    """`restorer` for one stream, with the per-frame network as its fallback."""
    return WithFallback(restorer, lambda: load_per_frame(restorer, on_retreat=on_retreat))


def with_settings(job: Job, restorer: Restorer, info: StreamInfo) -> Restorer:
    """`restorer` wrapped according to the settings of a job; `info` describes the written frames."""
    if job.only_blurred is not None:
        restorer = OnlyBlurred(restorer, job.only_blurred, warm_up_of(job.model))
    if job.strength != 1:
        restorer = Blended(restorer, job.strength)
    if job.compare is not None:
        restorer = Compared(restorer, job.compare, info.rotation)
    return restorer


class Observed(Wrapper):
    """A restorer that calls `on_frame` after each frame."""

    def __init__(self, restorer: Restorer, info: StreamInfo, on_frame: OnFrame) -> None:
        super().__init__(restorer)
        self._info, self._on_frame = info, on_frame

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre, then call `on_frame`."""
        result = self.inner.restore(window, state)
        self._on_frame(self._info, result[0])
        return result
