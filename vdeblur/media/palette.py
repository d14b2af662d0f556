"""256 colours for GIF, chosen anew for each frame by FFmpeg's palettegen and paletteuse."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av

PIX_FMT = "bgra"
"""What frames have to be before they get their palette."""


class Palette:
    """Gives every frame a palette of its own; alpha becomes one of the colours, seen or not."""

    def __init__(self) -> None:
        self._graph: Any = None

    def of(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame, which is `PIX_FMT`, as pal8, with its pts. All frames are of one size."""
        graph = self._graph = self._graph or _graph(frame)
        graph.push(frame)
        paletted: av.VideoFrame = graph.pull()
        paletted.pts, paletted.time_base, paletted.duration = frame.pts, frame.time_base, frame.duration
        return paletted


def _graph(first: av.VideoFrame) -> Any:
    graph: Any = av.filter.Graph()
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
