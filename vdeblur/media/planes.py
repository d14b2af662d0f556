"""av.VideoFrame <-> planes: samples leave FFmpeg and go back to it without a bit changed.

A picture whose pixel format is planar, little-endian and of 8 or 16 bit storage is read without a copy. The other
common orders (nv12, p010, packed RGB, big-endian) are copied into planes, which changes where samples lie but not what
they are. What remains (palettes, 5-6-5 bit, Bayer, floats) goes through swscale once, to the nearest layout that holds
all of it, with the same matrix and range on both sides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from threading import Lock
from typing import Any

import av
import numpy as np
from av.codec.codec import find_best_pix_fmt_of_list
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

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

# Beyond these, a picture is converted once to the first format here that loses nothing of it.
_FALLBACKS = [
    *(f"yuv{sub}p{bits}" for sub in ("420", "422", "444") for bits in ("", "10le", "12le", "16le")),
    *("yuv411p", "yuv440p", "gray", "gray10le", "gray12le", "gray16le", "ya8", "ya16le"),
    *("gbrp", "gbrap", "gbrp10le", "gbrap10le", "gbrp12le", "gbrap12le", "gbrp16le", "gbrap16le"),
]


@dataclass(frozen=True, slots=True)
class _Storage:
    """Where the samples of a pixel format lie: for each of our planes, (FFmpeg plane, first sample, step)."""

    layout: Layout
    places: tuple[tuple[int, int, int], ...]
    big_endian: bool = False
    shift: int = 0
    """p010 and its kin keep their samples in the high bits: this many zeros lie below."""


_taking = Lock()


@dataclass(slots=True)
class Decoded:
    """A frame's origin: the decoder's own frame, kept for its side data (captions, HDR10+) and as an exact way back."""

    frame: av.VideoFrame | None
    planes: tuple[Plane, ...]
    """What `frame` holds. A frame whose planes are this very tuple goes back to the encoder without a copy."""
    name: str | None = None
    """File name, of a picture that came from an image sequence."""
    kinds: frozenset[str] = frozenset()
    """What `frame` carries beside its samples, see `vdeblur.media.side_data`."""
    riders: Riders = NO_RIDERS
    """What came with `frame` from its packet."""

    def take(self) -> av.VideoFrame | None:
        """`frame`, to be written into: for the first who asks, since several encoders may get frames that share it."""
        with _taking:
            frame, self.frame = self.frame, None
            return frame


def storage_of(pix_fmt: str) -> _Storage | None:
    """Where `pix_fmt` keeps its samples; None for a format that has to be converted."""
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
    """`frame`, or where its format is not one of ours, its conversion to the nearest one that is."""
    if storage_of(frame.format.name) is not None:
        return frame
    has_alpha = any(component.is_alpha for component in frame.format.components) or frame.format.has_palette
    best, _ = find_best_pix_fmt_of_list(_FALLBACKS, frame.format.name, has_alpha)
    return convert(frame, best.name if best else "yuv444p")


def convert(frame: av.VideoFrame, pix_fmt: str, size: tuple[int, int] | None = None) -> av.VideoFrame:
    """Convert with swscale; YCbCr keeps its matrix and range, and RGB meets YCbCr through those its tags name.

    `size` is (width, height). Untagged pictures count as BT.709 from 720 lines up, else BT.601; untagged YCbCr counts
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

# swscale numbers its matrices on its own: H.273 code point -> SWS_CS_*.
_SWS_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}


def planes_of(frame: av.VideoFrame) -> tuple[tuple[Plane, ...], Layout]:
    """Read-only planes of a frame that `readable` has passed, and how they lie."""
    storage = storage_of(frame.format.name)
    if storage is None:
        raise ValueError(f"{frame.format.name} has no planes of ours")
    layout = storage.layout
    shapes = layout.plane_shapes(frame.width, frame.height)
    planes: list[Plane] = []
    for (index, first, step), shape in zip(storage.places, shapes, strict=True):
        plane = frame.planes[index]
        if step == 1 and not storage.shift and not storage.big_endian and plane.line_size > 0:
            # Through DLPack the array owns a reference of the buffer, so it outlives the frame and stays what it was.
            samples: NDArray[Any] = np.from_dlpack(plane)[: shape[0], : shape[1]]
        else:
            samples = _lines(plane, shape[0], layout, storage.big_endian)[:, first : first + step * shape[1] : step]
            samples = np.ascontiguousarray(samples >> storage.shift, dtype=layout.dtype)
        samples.flags.writeable = False
        planes.append(samples)
    return tuple(planes), layout


def _lines(plane: Any, height: int, layout: Layout, big_endian: bool = False) -> NDArray[Any]:
    """All samples of an FFmpeg plane, padding included, as (height, samples per line), top line first."""
    dtype = np.dtype(layout.dtype).newbyteorder(">" if big_endian else "<")
    lines = np.frombuffer(plane, dtype).reshape(-1, abs(plane.line_size) // dtype.itemsize)[:height]
    return lines if plane.line_size > 0 else lines[::-1]


def frame_of(
    decoded: av.VideoFrame,
    pts: int,
    time_base: Fraction,
    color: Color,
    duration: int = 0,
    kinds: frozenset[str] = frozenset(),
) -> Frame:
    """A Frame around what the decoder made; what the reader left in `opaque` goes with it."""
    decoded = readable(decoded)
    planes, layout = planes_of(decoded)
    riders = decoded.opaque if isinstance(decoded.opaque, Riders) else NO_RIDERS
    origin = Decoded(decoded, planes, kinds=kinds, riders=riders)
    return Frame(planes, layout, color, pts, time_base, duration, origin)


def video_frame(frame: Frame) -> av.VideoFrame:
    """The av.VideoFrame of `frame`, in its native format, with the side data of its origin; pts and tags set.

    A frame that nobody changed hands back the decoder's own buffer.
    """
    origin = frame.origin if isinstance(frame.origin, Decoded) else None
    kept = origin.frame if origin else None
    width, height = frame.size
    if origin and kept is not None and frame.planes is origin.planes:
        out = kept
    else:
        pix_fmt = native_format(frame.layout)
        if origin and kept is not None and _same_shape(kept, pix_fmt, width, height) and (taken := origin.take()):
            # Copy-on-write: the planes that others hold keep the old buffer, this frame gets one of its own.
            out = taken
            out.make_writable()
        elif origin and kept is not None and origin.kinds:
            out = kept.reformat(width, height, pix_fmt)  # a frame of another kind with the same side data
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
    # yuvj420p is an old name of full-range yuv420p: the samples lie alike.
    return (frame.format.name.replace("yuvj", "yuv"), frame.width, frame.height) == (pix_fmt, width, height)


def write_planes(out: av.VideoFrame, planes: tuple[Plane, ...]) -> None:
    """Fill a frame, whose buffer no one else has, with samples of its own layout."""
    storage = storage_of(out.format.name)
    assert storage is not None, out.format.name
    for (index, first, step), samples in zip(storage.places, planes, strict=True):
        height, width = samples.shape
        lines = _lines(out.planes[index], height, storage.layout, storage.big_endian)
        lines[:, first : first + step * width : step] = samples << storage.shift if storage.shift else samples


def encodable(frame: av.VideoFrame, pix_fmt: str, size: tuple[int, int]) -> av.VideoFrame:
    """`frame` as an encoder opened with `pix_fmt` and `size` (width, height) takes it; itself where it fits already."""
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
    """Luma as it is and neutral chroma: swscale would rescale the range on the way."""
    out = av.VideoFrame(frame.width, frame.height, pix_fmt)
    storage = storage_of(pix_fmt)
    assert storage is not None
    (luma,), _ = planes_of(frame)
    neutral = 1 << (layout.bits - 1)
    values: list[Any] = [luma, neutral, neutral, (1 << layout.bits) - 1]
    shapes = storage.layout.plane_shapes(frame.width, frame.height)
    for (index, first, step), (height, width), value in zip(storage.places, shapes, values, strict=False):
        _lines(out.planes[index], height, storage.layout)[:, first : first + step * width : step] = value
    out.pts, out.time_base, out.duration = frame.pts, frame.time_base, frame.duration
    out.color_range = frame.color_range
    return out
