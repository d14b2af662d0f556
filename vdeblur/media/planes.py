"""Conversion between av.VideoFrame and planes, without changing a bit of any sample.

Frames in planar, little-endian formats with 8 or 16 bit storage are read without a copy. Other common formats (nv12,
p010, packed RGB, big-endian) are copied into planes, which reorders samples but does not change them. All others
(palettes, 5-6-5 bit, Bayer, floats) are converted once by swscale to the nearest layout that loses nothing, with the
same matrix and range on both sides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from threading import Lock
from typing import cast

import av
import numpy as np
from av.codec.codec import find_best_pix_fmt_of_list
from av.video.plane import VideoPlane
from av.video.reformatter import Interpolation

from ..frames import MATRIX_BT709, MATRIX_RGB, MATRIX_SMPTE170M, MATRIX_UNSPECIFIED, Color, Frame, Layout, Plane
from .sei import NO_RIDERS, Riders

CHROMA_SHIFTS = {"420": (1, 1), "422": (1, 0), "444": (0, 0), "440": (0, 1), "411": (2, 0)}
_SUBSAMPLINGS = {shift: name for name, shift in CHROMA_SHIFTS.items()}

_PLANAR_YUV = re.compile(r"yuv(?P<j>j)?(?P<a>a)?(?P<sub>420|422|444|440|411)p(?P<bits>9|1[0246])?(?P<end>le|be)?$")
_PLANAR_RGB = re.compile(r"gbr(?P<a>a)?p(?P<bits>9|1[0246])?(?P<end>le|be)?$")
_GRAY = re.compile(r"gray(?P<bits>9|1[0246])?(?P<end>le|be)?$")
_GRAY_ALPHA = re.compile(r"ya(?P<bits>8|16)(?P<end>le|be)?$")
_SEMI_PLANAR = re.compile(r"(?:nv(?P<nv>12|21|16|24|42)|p(?P<sub>[024])(?P<bits>10|12|16)(?P<end>le|be))$")
_PACKED_RGB = re.compile(r"(?P<order>[rgbax0]{3,4}?)(?P<bits>24|48|64)?(?P<end>le|be)?$")
_NV_SUBSAMPLING = {"12": "420", "21": "420", "16": "422", "24": "444", "42": "444"}

# Other formats are converted to the first of these that loses nothing.
_FALLBACKS = [
    *(f"yuv{sub}p{bits}" for sub in ("420", "422", "444") for bits in ("", "10le", "12le", "16le")),
    *("yuv411p", "yuv440p", "gray", "gray10le", "gray12le", "gray16le", "ya8", "ya16le"),
    *("gbrp", "gbrap", "gbrp10le", "gbrap10le", "gbrp12le", "gbrap12le", "gbrp16le", "gbrap16le"),
]


@dataclass(frozen=True, slots=True)
class _Storage:
    """How a pixel format stores samples: for each of our planes, (FFmpeg plane, first sample, step)."""

    layout: Layout
    places: tuple[tuple[int, int, int], ...]
    big_endian: bool = False
    shift: int = 0
    """Number of zero bits below each sample, in formats such as p010 that use the high bits."""


_take_lock = Lock()


@dataclass(slots=True)
class Decoded:
    """The origin of a frame: the decoder's frame, kept for its side data (captions, HDR10+) and to avoid copies."""

    frame: av.VideoFrame | None
    planes: tuple[Plane, ...]
    """The planes of `frame`. A frame with this same tuple is encoded without a copy."""
    name: str | None = None
    """File name, for a frame of an image sequence."""
    kinds: frozenset[str] = frozenset()
    """Kinds of side data of `frame`, see `vdeblur.media.side_data`."""
    riders: Riders = NO_RIDERS
    """Data from the packet of `frame`."""

    def take(self) -> av.VideoFrame | None:
        """Hand out `frame` for writing, only once, since several encoders may receive frames that share it."""
        with _take_lock:
            frame, self.frame = self.frame, None
            return frame


def storage_of(pix_fmt: str) -> _Storage | None:
    """How `pix_fmt` stores samples; None for a format that must be converted."""
    places: tuple[tuple[int, int, int], ...]
    if m := _PLANAR_YUV.match(pix_fmt):
        layout = Layout("yuv", int(m["bits"] or 8), CHROMA_SHIFTS[m["sub"]], bool(m["a"]))
        return _Storage(layout, tuple((i, 0, 1) for i in range(4 if m["a"] else 3)), m["end"] == "be")
    if m := _PLANAR_RGB.match(pix_fmt):  # FFmpeg orders these planes G, B, R, A
        places = ((2, 0, 1), (0, 0, 1), (1, 0, 1), (3, 0, 1))
        layout = Layout("rgb", int(m["bits"] or 8), alpha=bool(m["a"]))
        return _Storage(layout, places[: 4 if m["a"] else 3], m["end"] == "be")
    if m := _GRAY.match(pix_fmt):
        return _Storage(Layout("gray", int(m["bits"] or 8)), ((0, 0, 1),), m["end"] == "be")
    if m := _GRAY_ALPHA.match(pix_fmt):
        return _Storage(Layout("gray", int(m["bits"]), alpha=True), ((0, 0, 2), (0, 1, 2)), m["end"] == "be")
    if m := _SEMI_PLANAR.match(pix_fmt):
        bits = int(m["bits"] or 8)
        sub = _NV_SUBSAMPLING[m["nv"]] if m["nv"] else {"0": "420", "2": "422", "4": "444"}[m["sub"]]
        first = 1 if m["nv"] in ("21", "42") else 0  # these put Cr before Cb
        places = ((0, 0, 1), (1, first, 2), (1, 1 - first, 2))
        return _Storage(Layout("yuv", bits, CHROMA_SHIFTS[sub]), places, m["end"] == "be", 16 - bits if bits > 8 else 0)
    if (m := _PACKED_RGB.match(pix_fmt)) and set("rgb") <= set(m["order"]):
        order, per_sample = m["order"], 16 if m["bits"] in ("48", "64") else 8
        places = tuple((0, order.index(c), len(order)) for c in "rgba" if c in order)
        return _Storage(Layout("rgb", per_sample, alpha="a" in order), places, m["end"] == "be")
    return None


def native_format(layout: Layout) -> str:
    """The planar pixel format that holds `layout` sample for sample."""
    suffix = "" if layout.bits == 8 else f"{layout.bits}le"
    if layout.model == "gray":
        return f"ya{layout.bits}{suffix and 'le'}" if layout.alpha else f"gray{suffix}"
    if layout.model == "rgb":
        return f"gbr{'a' if layout.alpha else ''}p{suffix}"
    return f"yuv{'a' if layout.alpha else ''}{_SUBSAMPLINGS[layout.chroma_shift]}p{suffix}"


def readable(frame: av.VideoFrame) -> av.VideoFrame:
    """`frame`, converted to the nearest supported format if its own is not, with its own tags.

    (swscale tags what it converts with the matrix and range that untagged frames count as.)
    """
    if storage_of(frame.format.name) is not None:
        return frame
    has_alpha = any(component.is_alpha for component in frame.format.components) or frame.format.has_palette
    best, _ = find_best_pix_fmt_of_list(_FALLBACKS, frame.format.name, has_alpha)
    to = best.name if best else "yuv444p"
    # (The way from 5 or 6 bits straight to planes leaves the low bits at zero, so that white would be 248.)
    converted = convert(convert(frame, "rgb24"), to) if to == "gbrp" else convert(frame, to)
    converted.colorspace, converted.color_range = frame.colorspace, frame.color_range
    return converted


def convert(frame: av.VideoFrame, pix_fmt: str, size: tuple[int, int] | None = None) -> av.VideoFrame:
    """Convert with swscale. YCbCr keeps its matrix and range; to and from RGB, the tagged matrix and range are used.

    `size` is (width, height). Untagged frames count as BT.709 from 720 lines up, else BT.601; untagged YCbCr counts
    as limited range.
    """
    width, height = size or (frame.width, frame.height)
    matrix = frame.colorspace
    if matrix in (MATRIX_RGB, MATRIX_UNSPECIFIED):
        matrix = MATRIX_BT709 if frame.height >= 720 else MATRIX_SMPTE170M
    from_rgb, to_rgb = frame.format.is_rgb, av.VideoFormat(pix_fmt).is_rgb
    source_range = 2 if from_rgb or frame.color_range == 2 or frame.format.name.startswith("yuvj") else 1
    target_range = 2 if to_rgb else 1 if from_rgb else source_range
    return frame.reformat(
        width,
        height,
        pix_fmt,
        src_colorspace=_SWS_MATRIX.get(matrix, 5),
        dst_colorspace=_SWS_MATRIX.get(matrix, 5),
        src_color_range=source_range,
        dst_color_range=target_range,
        interpolation=_FLAGS,
        threads=1,
    )


_FLAGS = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.FULL_CHR_H_INT
)

# swscale has its own numbers: H.273 code point -> SWS_CS_*.
_SWS_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}


def planes_of(frame: av.VideoFrame) -> tuple[tuple[Plane, ...], Layout]:
    """Read-only planes and layout of a frame returned by `readable`."""
    storage = storage_of(frame.format.name)
    if storage is None:
        raise ValueError(f"{frame.format.name} is not a supported format")
    layout = storage.layout
    shapes = layout.plane_shapes(frame.width, frame.height)
    planes: list[Plane] = []
    for (index, first, step), shape in zip(storage.places, shapes, strict=True):
        plane = frame.planes[index]
        if step == 1 and not storage.shift and not storage.big_endian and plane.line_size > 0:
            # Through DLPack the array holds a reference to the buffer, so it outlives the frame and stays unchanged.
            samples = cast(Plane, np.from_dlpack(plane)[: shape[0], : shape[1]])
        else:
            samples = _lines(plane, shape[0], layout, storage.big_endian)[:, first : first + step * shape[1] : step]
            samples = cast(Plane, np.ascontiguousarray(samples >> storage.shift, dtype=layout.dtype))
        samples.flags.writeable = False
        planes.append(samples)
    return tuple(planes), layout


def _lines(plane: VideoPlane, height: int, layout: Layout, big_endian: bool = False) -> Plane:
    """All samples of an FFmpeg plane, padding included, as (height, samples per line), top line first."""
    dtype = np.dtype(layout.dtype).newbyteorder(">" if big_endian else "<")
    samples = np.frombuffer(cast(memoryview, plane), dtype).reshape(-1, abs(plane.line_size) // dtype.itemsize)
    lines = cast(Plane, samples[:height])
    return lines if plane.line_size > 0 else lines[::-1]


def frame_of(
    decoded: av.VideoFrame,
    pts: int,
    time_base: Fraction,
    color: Color,
    duration: int = 0,
    kinds: frozenset[str] = frozenset(),
) -> Frame:
    """The Frame of a decoded frame, with the riders that the reader stored in `opaque`."""
    decoded = readable(decoded)
    planes, layout = planes_of(decoded)
    riders = decoded.opaque if isinstance(decoded.opaque, Riders) else NO_RIDERS
    origin = Decoded(decoded, planes, kinds=kinds, riders=riders)
    return Frame(planes, layout, color, pts, time_base, duration, origin)


def video_frame(frame: Frame) -> av.VideoFrame:
    """The av.VideoFrame of `frame`, in its native format, with the side data of its origin; pts and tags set.

    An unchanged frame returns the decoder's own buffer.
    """
    origin = frame.origin if isinstance(frame.origin, Decoded) else None
    kept = origin.frame if origin else None
    width, height = frame.size
    if origin and kept is not None and frame.planes is origin.planes:
        out = kept
    else:
        pix_fmt = native_format(frame.layout)
        if origin and kept is not None and _same_shape(kept, pix_fmt, width, height) and (taken := origin.take()):
            # Copy-on-write: planes held elsewhere keep the old buffer, this frame gets a new one.
            out = taken
            out.make_writable()
        elif origin and kept is not None and origin.kinds:
            out = kept.reformat(width, height, pix_fmt)  # a frame of another format with the same side data
        else:
            out = av.VideoFrame(width, height, pix_fmt)
        write_planes(out, frame.planes)
    out.pts, out.time_base, out.duration = frame.pts, frame.time_base, frame.duration
    out.pict_type = 0  # the new encoder decides which frames are I, P and B
    out.colorspace, out.color_primaries = frame.color.matrix, frame.color.primaries
    out.color_trc = frame.color.transfer
    out.color_range = {None: 0, False: 1, True: 2}[frame.color.full_range]
    return out


def _same_shape(frame: av.VideoFrame, pix_fmt: str, width: int, height: int) -> bool:
    # yuvj420p is an old name for full-range yuv420p with the same storage.
    return (frame.format.name.replace("yuvj", "yuv"), frame.width, frame.height) == (pix_fmt, width, height)


def write_planes(out: av.VideoFrame, planes: tuple[Plane, ...]) -> None:
    """Fill a frame, whose buffer must not be shared, with samples of its layout."""
    storage = storage_of(out.format.name)
    assert storage is not None, out.format.name
    for (index, first, step), samples in zip(storage.places, planes, strict=True):
        height, width = samples.shape
        lines = _lines(out.planes[index], height, storage.layout, storage.big_endian)
        lines[:, first : first + step * width : step] = samples << storage.shift if storage.shift else samples


def encodable(frame: av.VideoFrame, pix_fmt: str, size: tuple[int, int]) -> av.VideoFrame:
    """`frame` converted to `pix_fmt` and `size` (width, height) of an encoder, or `frame` itself if it fits."""
    if frame.format.name == pix_fmt and (frame.width, frame.height) == size:
        return frame
    source, target = storage_of(frame.format.name), storage_of(pix_fmt)
    if (
        source
        and target
        and (frame.width, frame.height) == size
        and source.layout.model == "gray"
        and not source.layout.alpha
        and target.layout.model == "yuv"
        and target.layout.bits == source.layout.bits
    ):
        return _gray_as_yuv(frame, source.layout, pix_fmt)
    return convert(frame, pix_fmt, size if (frame.width, frame.height) != size else None)


def _gray_as_yuv(frame: av.VideoFrame, layout: Layout, pix_fmt: str) -> av.VideoFrame:
    """Gray as YCbCr with the same luma and neutral chroma; swscale would rescale the range."""
    out = av.VideoFrame(frame.width, frame.height, pix_fmt)
    storage = storage_of(pix_fmt)
    assert storage is not None
    (luma,), _ = planes_of(frame)
    neutral = 1 << (layout.bits - 1)
    values: list[Plane | int] = [luma, neutral, neutral, (1 << layout.bits) - 1]
    shapes = storage.layout.plane_shapes(frame.width, frame.height)
    for (index, first, step), (height, width), value in zip(storage.places, shapes, values, strict=False):
        _lines(out.planes[index], height, storage.layout)[:, first : first + step * width : step] = value
    out.pts, out.time_base, out.duration = frame.pts, frame.time_base, frame.duration
    out.color_range = frame.color_range
    return out
