"""Converts frames whose format changes in mid-stream to the format with which the output was opened.

Spliced captures, playlists and broadcasts change size, pixel shape, sampling, bit depth or colour. An encoder would
silently scale another size, and misinterpret samples of another matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np

from ..frames import Color, Frame, StreamInfo
from .color_names import color_text
from .colors import Coding, coded_color, coding_of
from .planes import Decoded, encodable, native_format, planes_of, storage_of, video_frame, write_planes
from .recolor import recolored

MAX_WARNINGS = 5
"""Changes that get a warning; a damaged stream may contain many false ones."""


@dataclass(frozen=True, slots=True)
class _Format:
    """Everything about a frame except its samples and time."""

    size: tuple[int, int]
    """(width, height)."""
    ratio: Fraction
    """Pixel aspect ratio, width to height."""
    pix_fmt: str
    color: Color


class Conformer:
    """Converts frames for one encoder, and warns once about each change of format."""

    def __init__(self, info: StreamInfo, pix_fmt: str, name: str, warnings: list[str]) -> None:
        """`info` describes the frames for which the output is opened, `pix_fmt` is that of its encoder."""
        self.color = coded_color(info.color, pix_fmt, info.height)
        """The tags of all encoded frames."""
        size, ratio = (info.width, info.height), info.sample_aspect_ratio or Fraction(1)
        self._opened = _Format(size, ratio, native_format(info.layout), info.color)
        self._pix_fmt, self._name, self._warnings = pix_fmt, name, warnings
        storage = storage_of(pix_fmt)
        across, down = storage.layout.chroma_shift if storage else (0, 0)
        self._step = 1 << across, 1 << down
        self._seen = {self._opened}
        self._start: float | None = None

    def convert(self, frame: Frame) -> av.VideoFrame:
        """The frame in the format of the encoder, with its pts and side data."""
        current, opened = self._format_of(frame), self._opened
        self._start = frame.seconds if self._start is None else self._start
        if current not in self._seen:
            self._warn(current, frame.seconds - self._start)
        inner = _fit(current, opened, self._step)
        out = encodable(video_frame(frame), self._pix_fmt, inner)
        before, after = coding_of(current.color, current.size[1]), coding_of(opened.color, opened.size[1])
        if before != after:
            out = recolored(out, before, after)
        if inner != opened.size:
            out = _with_bars(out, opened.size, after)
        out.colorspace = self.color.matrix
        out.color_range = {None: 0, False: 1, True: 2}[self.color.full_range]
        return out

    def _format_of(self, frame: Frame) -> _Format:
        """The format of a frame; unspecified tags are those of the first frame."""
        color, first = frame.color, self._opened.color
        color = replace(
            first,
            primaries=first.primaries if color.primaries == 2 else color.primaries,
            transfer=first.transfer if color.transfer == 2 else color.transfer,
            matrix=first.matrix if color.matrix == 2 else color.matrix,
            full_range=first.full_range if color.full_range is None else color.full_range,
        )
        ratio = frame.origin.riders.ratio if isinstance(frame.origin, Decoded) else None
        return _Format(frame.size, ratio or self._opened.ratio, native_format(frame.layout), color)

    def _warn(self, current: _Format, seconds: float) -> None:
        self._seen.add(current)
        if len(self._seen) > MAX_WARNINGS + 1:
            return
        first = self._opened
        properties = (
            ("size", *("{}x{}".format(*k.size) for k in (first, current))),
            ("pixel ratio", *(f"{k.ratio.numerator}:{k.ratio.denominator}" for k in (first, current))),
            ("format", first.pix_fmt, current.pix_fmt),
            ("colour", color_text(first.color), color_text(current.color)),
        )
        changes = ", ".join(f"{what} from {before} to {after}" for what, before, after in properties if before != after)
        tags = [(k.color.primaries, k.color.transfer) for k in (first, current)]
        exception = ", except primaries and transfer" if tags[0] != tags[1] else ""
        self._warnings.append(
            f"{self._name}: the input changes {changes} at {seconds:.3f} s; converted to the initial format{exception}"
        )


def _fit(current: _Format, opened: _Format, step: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of a frame inside the output size that keep its display aspect ratio.

    Multiples of `step`, the number of luma samples per chroma sample; bars no wider than that are omitted.
    """
    (width, height), (wide, high) = current.size, opened.size
    shape, room = width * current.ratio / height, wide * opened.ratio / high
    if shape < room:
        return _round_length(wide * shape / room, wide, step[0]), high
    return wide, _round_length(high * room / shape, high, step[1])


def _round_length(length: Fraction, whole: int, step: int) -> int:
    inner = max(round(length / step), 1) * step
    return inner if inner + step < whole else whole


def _with_bars(frame: av.VideoFrame, size: tuple[int, int], coding: Coding) -> av.VideoFrame:
    """The frame centred in a black one of this size."""
    storage = storage_of(frame.format.name)
    assert storage is not None, frame.format.name
    layout = storage.layout
    inner, _ = planes_of(frame)
    out = frame.reformat(*size, frame.format.name)  # keeps the side data; all samples are overwritten
    planes = []
    (sx, sy), shapes = layout.chroma_shift, layout.plane_shapes(*size)
    left, top = (size[0] - frame.width) // 2 >> sx, (size[1] - frame.height) // 2 >> sy  # in samples of chroma
    for plane, shape, value in zip(inner, shapes, coding.black(layout), strict=True):
        black = np.full(shape, value, plane.dtype)
        x, y = (left << sx, top << sy) if shape == shapes[0] else (left, top)
        black[y : y + plane.shape[0], x : x + plane.shape[1]] = plane
        planes.append(black)
    write_planes(out, tuple(planes))
    out.pts, out.time_base, out.duration = frame.pts, frame.time_base, frame.duration
    return out
