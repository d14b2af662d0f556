"""Colour tags of decoded frames and streams, and the tags to encode."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import av
from av.video.stream import VideoStream

from ..frames import MATRIX_BT709, MATRIX_RGB, MATRIX_SMPTE170M, MATRIX_UNSPECIFIED, Color, Layout

_CHROMA_LOCATIONS = {(1, 2): 1, (2, 2): 2, (1, 1): 3, (2, 1): 4}  # left, centre, top left, top


def color_of(frame: av.VideoFrame, chroma_location: int = 0) -> Color:
    """The colour tags of a decoded frame. A palette holds RGB."""
    full_range = {1: False, 2: True}.get(frame.color_range)
    if frame.format.name.startswith("yuvj"):
        full_range = True
    rgb = (frame.format.is_rgb or frame.format.has_palette) and frame.colorspace == MATRIX_UNSPECIFIED
    matrix = MATRIX_RGB if rgb else frame.colorspace
    return Color(frame.color_primaries, frame.color_trc, matrix, full_range, chroma_location)


def chroma_location(stream: VideoStream) -> int:
    """The chroma sample location of a stream (AVChromaLocation); 0 if unspecified.

    PyAV has no attribute for it, but a Matroska header with a copy of the stream's parameters has two elements,
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


@dataclass(frozen=True, slots=True)
class Coding:
    """How samples encode colours, with missing tags filled in as players do."""

    matrix: int
    """H.273's MatrixCoefficients; 0 is RGB."""
    full_range: bool

    def black(self, layout: Layout) -> tuple[int, ...]:
        """A black sample of every plane; alpha is opaque."""
        top, middle = (1 << layout.bits) - 1, 1 << layout.bits - 1
        dark = 0 if self.full_range or layout.model == "rgb" else 16 << layout.bits - 8
        colour = {"yuv": (dark, middle, middle), "rgb": (0, 0, 0), "gray": (dark,)}[layout.model]
        return (*colour, top) if layout.alpha else colour


def coding_of(color: Color, height: int) -> Coding:
    """The coding of these tags: untagged video is limited range, and BT.709 from 720 lines up, else BT.601.

    RGB is treated as what it becomes in a YCbCr encoder (see `planes.convert`).
    """
    guess = MATRIX_BT709 if height >= 720 else MATRIX_SMPTE170M
    if color.matrix == MATRIX_RGB:
        return Coding(guess, False)
    return Coding(guess if color.matrix == MATRIX_UNSPECIFIED else color.matrix, bool(color.full_range))


def coded_color(color: Color, pix_fmt: str, height: int) -> Color:
    """The tags to encode: those of the source, except for conversions between RGB and YCbCr.

    RGB stays as it is tagged; what `planes.convert` makes of YCbCr is full range.
    """
    if av.VideoFormat(pix_fmt).is_rgb:
        full_range = color.full_range if color.matrix == MATRIX_RGB else True
        return Color(color.primaries, color.transfer, MATRIX_RGB, full_range, 0)
    if color.matrix == MATRIX_RGB:
        return Color(color.primaries, color.transfer, coding_of(color, height).matrix, False, color.chroma_location)
    return color
