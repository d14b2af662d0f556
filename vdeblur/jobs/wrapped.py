"""What a job asks for around its restorer: fallback, only what is blurred, strength, comparison."""

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
    """`restorer` for one stream: the per-frame network stands behind it."""
    return WithFallback(restorer, lambda: load_per_frame(restorer, on_retreat=on_retreat))


def with_settings(job: Job, restorer: Restorer, info: StreamInfo) -> Restorer:
    """`restorer` with what the job asks for around it; `info` describes the frames that are written."""
    if job.only_blurred is not None:
        restorer = OnlyBlurred(restorer, job.only_blurred, warm_up_of(job.model))
    if job.strength != 1:
        restorer = Blended(restorer, job.strength)
    if job.compare is not None:
        restorer = Compared(restorer, job.compare, info.rotation)
    return restorer


class Watched(Wrapper):
    """A restorer that tells of every frame it has restored."""

    def __init__(self, restorer: Restorer, info: StreamInfo, on_frame: OnFrame) -> None:
        super().__init__(restorer)
        self._info, self._on_frame = info, on_frame

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore, then tell."""
        result = self.inner.restore(window, state)
        self._on_frame(self._info, result[0])
        return result
