"""The pipeline: decode -> window -> restore -> encode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .frames import Frame
from .windows import IsCut, Window, WindowBuffer

if TYPE_CHECKING:
    from .protocols import Sink
    from .restorer import Restorer, State


@dataclass(frozen=True, slots=True)
class Restored:
    """One frame of a stream, before and after."""

    before: Frame
    after: Frame
    """Of the same pts as `before`."""
    is_scene_start: bool


class Stream:
    """Restores one stream frame by frame.

        stream = Stream(load_restorer("fast"), SceneCuts())
        for frame in camera:
            for result in stream.feed(frame):
                show(result.after)
        for result in stream.flush():
            show(result.after)

    The state of the restorer is stored only here, so streams may share a restorer. Not thread-safe. Exceptions of the
    restorer pass through; the frames of that call are lost, and the next scene starts afresh.
    """

    def __init__(self, restorer: Restorer, is_cut: IsCut | None = None) -> None:
        """`is_cut`, such as a new `SceneCuts`, detects scene starts in addition to changes of the frame size."""
        self._restorer = restorer
        self._windows = WindowBuffer(restorer.past, restorer.future, is_cut)
        self._state: State = None

    def feed(self, frame: Frame) -> list[Restored]:
        """Add the next frame; return the results that it completes, in order.

        Usually one result, `restorer.future` frames behind; none at the start of a scene; several at a cut.
        """
        return [self._restore(window) for window in self._windows.feed(frame)]

    def flush(self) -> list[Restored]:
        """End the stream; return the results of the last frames. A frame fed later starts a new scene."""
        return [self._restore(window) for window in self._windows.flush()]

    def use(self, restorer: Restorer) -> None:
        """Switch to another restorer with the next frame: resets the state, keeps the past frames."""
        self._restorer, self._state = restorer, None
        self._windows.past, self._windows.future = restorer.past, restorer.future

    def _restore(self, window: Window) -> Restored:
        if window.is_scene_start:
            self._state = None
        after, self._state = self._restorer.restore(window, self._state)
        return Restored(window.centre, after, window.is_scene_start)


def restored(frames: Iterable[Frame], restorer: Restorer, is_cut: IsCut | None = None) -> Iterator[Restored]:
    """Restore frames lazily: yields one result per frame, in order; the state is reset at every scene start."""
    stream = Stream(restorer, is_cut)
    for frame in frames:
        yield from stream.feed(frame)
    yield from stream.flush()


@dataclass(frozen=True, slots=True)
class Tally:
    """Number of restored frames and scenes."""

    frames: int
    scenes: int


def restore_stream(source: Iterable[Frame], restorer: Restorer, sink: Sink, is_cut: IsCut | None = None) -> Tally:
    """Restore every frame of `source` into `sink`, in order.

    Opens and closes nothing: source and sink are context managers, and threads, progress and blending are wrappers
    of the arguments. Exceptions pass through.
    """
    frames = scenes = 0
    for result in restored(source, restorer, is_cut):
        sink.write(result.after)
        frames += 1
        scenes += result.is_scene_start
    return Tally(frames, scenes)
