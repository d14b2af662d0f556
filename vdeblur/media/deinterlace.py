"""Deinterlacing with FFmpeg's bwdif: one frame out for each in, and only from the first interlaced frame on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import av


def deinterlaced(
    frames: Iterable[av.VideoFrame], time_base: Fraction, every: bool, on_first: Callable[[], None]
) -> Iterator[av.VideoFrame]:
    """Yield frames, filtered by bwdif from the first one that is flagged as interlaced (or, with `every`, all of them).

    The field order is that of each frame's flags. A network would take the combing of interlaced frames for detail.
    Frames keep their number, pts (in `time_base`) and side data. `on_first` is called before the first filtered frame.
    """
    graph: _Graph | None = None
    for frame in frames:
        if graph is None and not every and not frame.interlaced_frame:
            yield frame
            continue
        if graph is None:
            on_first()
        elif not graph.fits(frame):
            yield from graph.drain()
            graph = None
        graph = graph or _Graph(frame, time_base, every)
        yield from graph.feed(frame)
    if graph is not None:
        yield from graph.drain()


class _Graph:
    """buffer -> bwdif -> buffersink for frames of one size and format."""

    def __init__(self, first: av.VideoFrame, time_base: Fraction, every: bool) -> None:
        self._shape = (first.width, first.height, first.format.name)
        self._time_base = time_base
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=first.width, height=first.height, format=first.format, time_base=time_base
        )
        filtered = self._graph.add("bwdif", f"mode=send_frame:deint={'all' if every else 'interlaced'}")
        sink = self._graph.add("buffersink")
        source.link_to(filtered)
        filtered.link_to(sink)
        self._graph.configure()

    def fits(self, frame: av.VideoFrame) -> bool:
        """Whether `frame` can go through this graph."""
        return (frame.width, frame.height, frame.format.name) == self._shape

    def feed(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Push one frame; yield the finished ones, one frame late."""
        frame.time_base = self._time_base
        self._graph.push(frame)
        yield from self._ready()

    def drain(self) -> Iterator[av.VideoFrame]:
        """Yield the last frame."""
        end = None
        self._graph.push(end)
        yield from self._ready()

    def _ready(self) -> Iterator[av.VideoFrame]:
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(frame, av.VideoFrame)
            if frame.pts is not None and frame.time_base:  # bwdif halves the time base
                frame.pts = round(frame.pts * frame.time_base / self._time_base)
                frame.duration = round(frame.duration * frame.time_base / self._time_base)
            frame.time_base = self._time_base
            yield frame
