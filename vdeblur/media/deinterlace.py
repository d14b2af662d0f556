"""Fields to frames: FFmpeg's bwdif, one frame out for each in, and only where there are fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import av


def deinterlaced(
    frames: Iterable[av.VideoFrame], time_base: Fraction, every: bool, on_first: Callable[[], None]
) -> Iterator[av.VideoFrame]:
    """Pass frames on; from the first that is flagged as interlaced (or, with `every`, all of them), through bwdif.

    The field order is the one that each frame is flagged with. A network that sees two moments woven into one picture
    takes the comb for detail, so they are parted before it. Frames keep their count, pts (in `time_base`) and side
    data. `on_first` is called before the first filtered frame.
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
        """Push one frame; what is ready comes out, one frame late."""
        frame.time_base = self._time_base
        self._graph.push(frame)
        yield from self._ready()

    def drain(self) -> Iterator[av.VideoFrame]:
        """The last frame."""
        end: Any = None
        self._graph.push(end)
        yield from self._ready()

    def _ready(self) -> Iterator[av.VideoFrame]:
        while True:
            try:
                frame: Any = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            if frame.pts is not None and frame.time_base:  # bwdif counts in half ticks
                frame.pts = round(frame.pts * frame.time_base / self._time_base)
                frame.duration = round(frame.duration * frame.time_base / self._time_base)
            frame.time_base = self._time_base
            yield frame
