"""Small real parts for tests of the stream: pictures, an identity restorer, and a source and a sink in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from vdeblur import pipeline
from vdeblur.frames import Color, Frame, Layout, StreamInfo
from vdeblur.restorer import Restorer, State
from vdeblur.windows import IsCut, Window, windows

YUV420 = Layout("yuv", 8, (1, 1))
MILLISECONDS = Fraction(1, 1000)


def picture(index: int, size: tuple[int, int] = (16, 12), layout: Layout = YUV420) -> Frame:
    """A frame of noise that only `index` determines."""
    rng = np.random.default_rng(index)
    shapes = layout.plane_shapes(*size)
    planes: Any = tuple(rng.integers(0, 1 << layout.bits, shape).astype(layout.dtype) for shape in shapes)
    return Frame(planes, layout, Color(), pts=40 * index, time_base=MILLISECONDS)


def pictures(count: int, size: tuple[int, int] = (16, 12)) -> list[Frame]:
    return [picture(index, size) for index in range(count)]


def distance(one: Frame, other: Frame) -> int:
    """The largest difference of two frames' samples."""
    return max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(one.planes, other.planes, strict=True))


def restored_by(restorer: Restorer, frames: Iterable[Frame], is_cut: IsCut | None = None) -> list[Frame]:
    return [result.after for result in pipeline.restored(frames, restorer, is_cut)]


def assert_streams_are_independent(restorer: Restorer) -> None:
    """Two streams restored by turns give the very frames that each gives alone."""
    clips = [[picture(100 * stream + i, (40, 24)) for i in range(5)] for stream in range(2)]
    alone = [restored_by(restorer, clip) for clip in clips]
    states: list[Any] = [None, None]
    for moment in zip(*(windows(clip, restorer.past, restorer.future) for clip in clips), strict=True):
        for stream, window in enumerate(moment):
            frame, states[stream] = restorer.restore(window, states[stream])
            expected = next(f for f in alone[stream] if f.pts == frame.pts)
            assert distance(frame, expected) == 0


@dataclass
class Identity:
    """Gives every frame back; its state counts the frames since the scene's start."""

    name: str = "identity"
    device: str = "cpu"
    precision: str = "native"
    past: int = 1
    future: int = 1
    states: list[int] = field(default_factory=list)

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        count = 0 if state is None else state
        self.states.append(count)
        return window.centre, count + 1


@dataclass
class MemorySource:
    """Frames from memory; `failure` is raised after the last."""

    frames: Iterable[Frame]
    failure: BaseException | None = None
    concealed: int = 0
    damaged: bool = False
    warnings: list[str] = field(default_factory=list)
    closed: int = 0
    info: StreamInfo = field(default_factory=lambda: StreamInfo(16, 12, YUV420, Color(), MILLISECONDS))

    def __iter__(self) -> Iterator[Frame]:
        yield from self.frames
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        self.closed += 1

    def __enter__(self) -> MemorySource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class FileSink:
    """Appends raw planes to a temporary file and renames it when whole, as sinks do; `before` may fail or wait."""

    path: Path
    before: Callable[[Frame], None] = lambda _: None
    warnings: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._part = self.path.with_name(self.path.name + ".part")
        self._file = self._part.open("wb")

    def write(self, frame: Frame) -> None:
        self.before(frame)
        for plane in frame.planes:
            self._file.write(plane.tobytes())

    def close(self) -> None:
        self._file.close()
        self._part.rename(self.path)
        self.ended.append("closed")

    def abort(self) -> None:
        self._file.close()
        self._part.unlink()
        self.ended.append("aborted")

    def __enter__(self) -> FileSink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
