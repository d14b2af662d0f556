"""The colour tags of decoded frames and streams."""

from __future__ import annotations

import io
import re

import av
from av.video.stream import VideoStream

from ..frames import MATRIX_RGB, MATRIX_UNSPECIFIED, Color

_CHROMA_LOCATIONS = {(1, 2): 1, (2, 2): 2, (1, 1): 3, (2, 1): 4}  # left, centre, top left, top


def color_of(frame: av.VideoFrame, chroma_location: int = 0) -> Color:
    """The colour tags of a decoded frame."""
    full_range = {1: False, 2: True}.get(frame.color_range)
    if frame.format.name.startswith("yuvj"):
        full_range = True
    rgb = frame.format.is_rgb and frame.colorspace == MATRIX_UNSPECIFIED
    matrix = MATRIX_RGB if rgb else frame.colorspace
    return Color(frame.color_primaries, frame.color_trc, matrix, full_range, chroma_location)


def chroma_location(stream: VideoStream) -> int:
    """Where the stream's chroma samples sit (AVChromaLocation); 0 where it does not say.

    PyAV has no attribute for it. A Matroska header with a copy of the stream's parameters has: two elements,
    ChromaSitingHorz (0x55B7) and ChromaSitingVert (0x55B8), each 1 (on a luma sample) or 2 (half-way to the next).
    """
    header = io.BytesIO()
    try:
        with av.open(header, "w", format="matroska") as probe:
            probe.add_stream_from_template(stream, opaque=True)
            probe.start_encoding()
    except (av.FFmpegError, ValueError):  # a codec that Matroska does not know
        return 0
    sited = re.search(rb"\x55\xb7\x81([\x01\x02])\x55\xb8\x81([\x01\x02])", header.getvalue())
    return _CHROMA_LOCATIONS[sited[1][0], sited[2][0]] if sited else 0
