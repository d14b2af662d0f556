"""Windows: past, centre and future frames of every frame, never across a scene cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .frames import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The frames around one centre. At the ends of a scene the outermost frame repeats."""

    frames: tuple[Frame, ...]
    """past + 1 + future frames, in time order."""
    past: int
    is_scene_start: bool

    @property
    def centre(self) -> Frame:
        """The frame to restore."""
        return self.frames[self.past]


IsCut = Callable[[Frame, Frame], bool]
"""f(earlier, later): whether a scene starts with the later one of two consecutive frames."""


class WindowBuffer:
    """Turns single frames into windows. Holds at most the frames of one window and the latest one."""

    def __init__(self, past: int, future: int, is_cut: IsCut | None = None) -> None:
        """`past` and `future` are numbers of frames around the centre; they may change between two frames."""
        self.past, self.future = past, future
        self._is_cut = is_cut
        self._held: deque[Frame] = deque()  # frames of one scene that later windows may contain
        self._waiting = 0  # number of last frames in `_held` that have not been a centre yet
        self._is_scene_start = True

    def feed(self, frame: Frame) -> list[Window]:
        """Add the next frame; return the windows that it completes, in order: none, one, or several at a cut."""
        complete: list[Window] = []
        if self._held and self._is_cut_before(frame):
            complete = self.flush()
        self._held.append(frame)
        self._waiting += 1
        complete += self._windows(leave=self.future)
        while len(self._held) > self.past + 1 + self.future:
            self._held.popleft()
        return complete

    def flush(self) -> list[Window]:
        """End the scene; return its last windows. The next frame starts a new scene."""
        complete = self._windows(leave=0)
        self._held.clear()
        self._is_scene_start = True
        return complete

    def _is_cut_before(self, frame: Frame) -> bool:
        last = self._held[-1]
        if (frame.size, frame.layout, frame.color) != (last.size, last.layout, last.color):
            return True
        return self._is_cut is not None and self._is_cut(last, frame)

    def _windows(self, leave: int) -> list[Window]:
        complete = []
        while self._waiting > leave:
            last = len(self._held) - 1
            centre = len(self._held) - self._waiting
            around = range(centre - self.past, centre + self.future + 1)
            frames = tuple(self._held[min(max(i, 0), last)] for i in around)
            complete.append(Window(frames, self.past, self._is_scene_start))
            self._waiting -= 1
            self._is_scene_start = False
        return complete


def windows(frames: Iterable[Frame], past: int, future: int, is_cut: IsCut | None = None) -> Iterator[Window]:
    """Yield one window per frame, in order, none of which crosses a cut.

    `is_cut(previous, next)` is called once for each pair of consecutive frames, in order. A frame of another size,
    layout or colour always starts a scene. The first window is yielded after `future` further frames, or at the end of
    its scene; at most past + 1 + future frames are held, and the latest one.
    """
    buffer = WindowBuffer(past, future, is_cut)
    for frame in frames:
        yield from buffer.feed(frame)
    yield from buffer.flush()
