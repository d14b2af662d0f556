"""Frames to windows: past, centre and future of every frame, none of which crosses a scene cut."""

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


def windows(
    frames: Iterable[Frame], past: int, future: int, is_cut: Callable[[Frame, Frame], bool] | None = None
) -> Iterator[Window]:
    """Yield one window per frame, in order, none of which reaches across a cut.

    `is_cut(previous, next)` is asked once for each pair of neighbours, in order. A picture of another size starts a
    scene without asking. The first window comes when `future` frames lie ahead of the first frame, or its scene ends;
    at most past + 1 + future frames are held, and the one that has just arrived.
    """
    held: deque[Frame] = deque(maxlen=past + 1 + future)  # of one scene: all that coming windows may still show
    waiting = 0  # frames at the right end of `held` that have not been a centre yet
    is_scene_start = True

    def window() -> Window:
        last = len(held) - 1
        centre = len(held) - waiting
        around = range(centre - past, centre + future + 1)
        return Window(tuple(held[min(max(i, 0), last)] for i in around), past, is_scene_start)

    for frame in frames:
        if held and (frame.size != held[-1].size or (is_cut is not None and is_cut(held[-1], frame))):
            while waiting:
                yield window()
                waiting -= 1
                is_scene_start = False
            held.clear()
            is_scene_start = True
        held.append(frame)
        waiting += 1
        if waiting > future:
            yield window()
            waiting -= 1
            is_scene_start = False
    while waiting:
        yield window()
        waiting -= 1
        is_scene_start = False
