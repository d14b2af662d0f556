"""256-colour palettes for GIF, one per frame, with FFmpeg's palettegen and paletteuse."""

from __future__ import annotations

from fractions import Fraction

import av
import av.filter

PIX_FMT = "bgra"
"""Pixel format of frames before they get a palette."""


class Palette:
    """Converts frames to pal8, each with its own palette; alpha becomes one transparent colour."""

    def __init__(self) -> None:
        self._graph: av.filter.Graph | None = None

    def apply(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Convert a frame from `PIX_FMT` to pal8, with its pts. All frames must have the same size."""
        graph = self._graph = self._graph or _graph(frame)
        graph.push(frame)
        paletted = graph.pull()
        assert isinstance(paletted, av.VideoFrame)
        paletted.pts, paletted.time_base, paletted.duration = frame.pts, frame.time_base, frame.duration
        return paletted


def _graph(first: av.VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=first.width, height=first.height, format=first.format, time_base=first.time_base or Fraction(1, 100)
    )
    both, chosen = graph.add("split"), graph.add("palettegen", "stats_mode=single")
    used, sink = graph.add("paletteuse", "new=1"), graph.add("buffersink")
    source.link_to(both)
    both.link_to(chosen, 0, 0)
    both.link_to(used, 1, 0)
    chosen.link_to(used, 0, 1)
    used.link_to(sink)
    graph.configure()
    return graph
