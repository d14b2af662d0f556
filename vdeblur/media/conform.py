"""One output, one kind of frame: what changes in mid-stream is converted to what the output was opened with.

Spliced captures, playlists and broadcasts change size, pixel shape, sampling, bit depth or colour on the way. An
encoder would scale another size without a word, and would take samples of another matrix for its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np

from ..frames import Color, Frame, StreamInfo
from .colors import Coding, coded_color, coding_of, color_text
from .planes import Decoded, encodable, native_format, planes_of, storage_of, video_frame, write_planes
from .recolor import recolored

MAX_TOLD = 5
"""Changes that are told one by one; a damaged stream may make up many."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a frame is, but for its samples and time."""

    size: tuple[int, int]
    """(width, height)."""
    ratio: Fraction
    """Width to height of a pixel as it is shown."""
    pix_fmt: str
    color: Color


class Conformer:
    """Turns frames into those of one encoder, and tells once of every change of what they are."""

    def __init__(self, info: StreamInfo, pix_fmt: str, name: str, warnings: list[str]) -> None:
        """`info` describes the frames that the output is opened for, `pix_fmt` is what its encoder takes."""
        self.color = coded_color(info.color, pix_fmt, info.height)
        """The tags of all that is encoded."""
        size, ratio = (info.width, info.height), info.sample_aspect_ratio or Fraction(1)
        self._opened = _Kind(size, ratio, native_format(info.layout), info.color)
        self._pix_fmt, self._name, self._warnings = pix_fmt, name, warnings
        storage = storage_of(pix_fmt)
        across, down = storage.layout.chroma_shift if storage else (0, 0)
        self._step = 1 << across, 1 << down
        self._told = {self._opened}
        self._start: float | None = None

    def conformed(self, frame: Frame) -> av.VideoFrame:
        """The frame as the encoder takes it, with its pts and side data."""
        kind, opened = self._kind_of(frame), self._opened
        self._start = frame.seconds if self._start is None else self._start
        if kind not in self._told:
            self._tell(kind, frame.seconds - self._start)
        inner = _fitted(kind, opened, self._step)
        out = encodable(video_frame(frame), self._pix_fmt, inner)
        before, after = coding_of(kind.color, kind.size[1]), coding_of(opened.color, opened.size[1])
        if before != after:
            out = recolored(out, before, after)
        if inner != opened.size:
            out = _with_bars(out, opened.size, after)
        out.colorspace = self.color.matrix
        out.color_range = {None: 0, False: 1, True: 2}[self.color.full_range]
        return out

    def _kind_of(self, frame: Frame) -> _Kind:
        """What the frame is; tags that it leaves out are those of the first."""
        color, first = frame.color, self._opened.color
        color = replace(
            first,
            primaries=first.primaries if color.primaries == 2 else color.primaries,
            transfer=first.transfer if color.transfer == 2 else color.transfer,
            matrix=first.matrix if color.matrix == 2 else color.matrix,
            full_range=first.full_range if color.full_range is None else color.full_range,
        )
        ratio = frame.origin.riders.ratio if isinstance(frame.origin, Decoded) else None
        return _Kind(frame.size, ratio or self._opened.ratio, native_format(frame.layout), color)

    def _tell(self, kind: _Kind, seconds: float) -> None:
        self._told.add(kind)
        if len(self._told) > MAX_TOLD + 1:
            return
        first = self._opened
        told = (
            ("size", *("{}x{}".format(*k.size) for k in (first, kind))),
            ("pixel ratio", *(f"{k.ratio.numerator}:{k.ratio.denominator}" for k in (first, kind))),
            ("format", first.pix_fmt, kind.pix_fmt),
            ("colour", color_text(first.color), color_text(kind.color)),
        )
        changes = ", ".join(f"{what} from {before} to {after}" for what, before, after in told if before != after)
        light = [(k.color.primaries, k.color.transfer) for k in (first, kind)]
        but = ", but for primaries and transfer" if light[0] != light[1] else ""
        self._warnings.append(
            f"{self._name}: the input changes {changes} at {seconds:.3f} s; converted to what it began with{but}"
        )


def _fitted(kind: _Kind, opened: _Kind, step: tuple[int, int]) -> tuple[int, int]:
    """(width, height) that a frame takes within the opened size, so that it is shown in its own shape.

    Whole numbers of `step`, the samples of luma that share one of chroma; bars that are no wider are left out.
    """
    (width, height), (wide, high) = kind.size, opened.size
    shape, room = width * kind.ratio / height, wide * opened.ratio / high
    if shape < room:
        return _whole(wide * shape / room, wide, step[0]), high
    return wide, _whole(high * room / shape, high, step[1])


def _whole(length: Fraction, whole: int, step: int) -> int:
    inner = max(round(length / step), 1) * step
    return inner if inner + step < whole else whole


def _with_bars(frame: av.VideoFrame, size: tuple[int, int], coding: Coding) -> av.VideoFrame:
    """The frame in the middle of a black one of this size."""
    storage = storage_of(frame.format.name)
    assert storage is not None, frame.format.name
    layout = storage.layout
    inner, _ = planes_of(frame)
    out = frame.reformat(*size, frame.format.name)  # for its side data; every sample is written anew
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
