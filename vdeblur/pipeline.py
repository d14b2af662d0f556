"""The whole product on one screen: decode -> window -> restore -> encode."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .frames import Frame
from .windows import windows

if TYPE_CHECKING:
    from .media.sinks import Sink
    from .restorer import Restorer, State


@dataclass(frozen=True, slots=True)
class Tally:
    """What went through the stream."""

    frames: int
    scenes: int


def restore_stream(
    source: Iterable[Frame],
    restorer: Restorer,
    sink: Sink,
    is_cut: Callable[[Frame, Frame], bool] | None = None,
) -> Tally:
    """Restore every frame of `source` into `sink`, in order; the state starts anew with every scene.

    Opens and closes nothing: source and sink are context managers, and threads, progress and blending are wrappers
    around the arguments. Whatever any of the three raises comes out unchanged.
    """
    frames = scenes = 0
    state: State = None
    for window in windows(source, restorer.past, restorer.future, is_cut):
        if window.is_scene_start:
            state = None
            scenes += 1
        restored, state = restorer.restore(window, state)
        sink.write(restored)
        frames += 1
    return Tally(frames, scenes)
