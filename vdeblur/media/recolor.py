"""Converts planes from one YCbCr matrix and range to another.

Both matrices map gray to gray, so the new chroma depends on the old chroma only and needs no resampling; luma gets a
small share of the interpolated chroma. Nothing is clipped to RGB in between.
"""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray

from ..frames import LUMA_WEIGHTS, Plane
from .colors import Coding
from .planes import planes_of, write_planes

_Samples = NDArray[np.float32]


def recolored(frame: av.VideoFrame, before: Coding, after: Coding) -> av.VideoFrame:
    """Convert a frame from the coding `before` to `after`; RGB and matrices without weights stay unchanged."""
    planes, layout = planes_of(frame)
    if layout.model == "rgb":
        return frame
    bits = layout.bits
    luma = _normal(planes[0], bits, before.full_range, is_luma=True)
    changed = [luma]
    if layout.model == "yuv":
        cb, cr = (_normal(plane, bits, before.full_range, is_luma=False) for plane in planes[1:3])
        if before.matrix != after.matrix and {before.matrix, after.matrix} <= LUMA_WEIGHTS.keys():
            to = _to_ycbcr(after.matrix) @ np.linalg.inv(_to_ycbcr(before.matrix))
            luma += _enlarged(to[0, 1] * cb + to[0, 2] * cr, luma.shape)
            cb, cr = to[1, 1] * cb + to[1, 2] * cr, to[2, 1] * cb + to[2, 2] * cr
        changed += [cb, cr]
    coded = [_coded(plane, bits, after.full_range, is_luma=index == 0) for index, plane in enumerate(changed)]
    # Makes a new frame with the same side data; its samples are overwritten.
    out = frame.reformat(src_color_range=1, dst_color_range=2, threads=1)
    write_planes(out, (*coded, *planes[len(coded) :]))
    out.pts, out.time_base, out.duration = frame.pts, frame.time_base, frame.duration
    return out


def _to_ycbcr(matrix: int) -> NDArray[np.float64]:
    """R'G'B' in 0..1 to Y' in 0..1 and Cb, Cr in -0.5..0.5 (ITU-T H.273, 8.3)."""
    kr, kb = LUMA_WEIGHTS[matrix]
    luma = np.array([kr, 1 - kr - kb, kb])
    return np.stack([luma, (np.array([0, 0, 1]) - luma) / (2 - 2 * kb), (np.array([1, 0, 0]) - luma) / (2 - 2 * kr)])


def _scale(bits: int, full_range: bool, is_luma: bool) -> tuple[float, float]:
    """(offset, scale) from normalised to coded samples (H.273, equations 20 to 31)."""
    step = 1 << bits - 8
    offset = (0 if full_range else 16 * step) if is_luma else 1 << bits - 1
    span = (1 << bits) - 1 if full_range else (219 if is_luma else 224) * step
    return float(offset), float(span)


def _normal(plane: Plane, bits: int, full_range: bool, is_luma: bool) -> _Samples:
    offset, span = _scale(bits, full_range, is_luma)
    return (plane.astype(np.float32) - np.float32(offset)) / np.float32(span)


def _coded(samples: _Samples, bits: int, full_range: bool, is_luma: bool) -> Plane:
    offset, span = _scale(bits, full_range, is_luma)
    rounded: _Samples = np.rint(samples * np.float32(span) + np.float32(offset)).clip(0, (1 << bits) - 1)
    return rounded.astype(np.uint8) if bits == 8 else rounded.astype(np.uint16)


def _enlarged(samples: _Samples, shape: tuple[int, ...]) -> _Samples:
    """Chroma interpolated linearly at every luma sample, with centred siting."""
    for axis in (0, 1):
        if samples.shape[axis] != shape[axis]:
            ratio = samples.shape[axis] / shape[axis]
            at = ((np.arange(shape[axis]) + 0.5) * ratio - 0.5).clip(0, samples.shape[axis] - 1)
            first = at.astype(np.intp)
            second = np.minimum(first + 1, samples.shape[axis] - 1)
            weight = (at - first).astype(np.float32)
            weight = weight[:, None] if axis == 0 else weight[None]
            samples = samples.take(first, axis) * (1 - weight) + samples.take(second, axis) * weight
    return samples
