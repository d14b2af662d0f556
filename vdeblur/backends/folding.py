"""Folding: native planes to the network's six channels and back. Samples with a zero residual stay bit-exact.

The 2x2 phases of luma and the chroma planes of 4:2:0 are six channels at half size. Chroma of any other subsampling is
resampled to that grid, and its predicted residual is resampled back and added to the native samples. RGB is converted
to luma and colour differences in float, and the residual back.

This runs in NumPy on the CPU for every engine; each frame is sent to a GPU once, and its residual fetched once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from ..errors import NonFiniteResult
from ..frames import Frame, Plane
from ..recurrence import CELL
from ..stages import stage
from .phases import Samples, merge_phases, split_phases


@stage("fold")
def fold(frame: Frame) -> Samples:
    """A frame, its edges repeated up to multiples of CELL -> (1, 6, h/2, w/2); luma in 0..1, chroma in -0.5..0.5."""
    luma, cb, cr = _to_ycbcr(frame)
    h, w = (-(-n // CELL) * CELL for n in luma.shape)
    luma = _pad(luma, h, w)
    folded = np.empty((1, 6, h // 2, w // 2), np.float32)
    split_phases(luma, folded[0, :4])
    sx, sy = frame.layout.chroma_shift
    for channel, chroma in ((4, cb), (5, cr)):
        folded[0, channel] = 0 if chroma is None else _resample(_pad(chroma, h >> sy, w >> sx), h // 2, w // 2)
    return folded


@stage("unfold")
def unfold(frame: Frame, residual: Samples) -> Frame:
    """The frame plus the network's residual (1, 6, h/2, w/2), rounded once. Alpha is unchanged.

    Samples are clipped to their nominal range, or to the source sample if that exceeds it. Raises NonFiniteResult.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        if not np.isfinite(residual.sum()):
            raise NonFiniteResult("the network's result is not finite")
    _, _, h, w = residual.shape
    luma = merge_phases(residual[0, :4])
    low, luma_span, chroma_span = _levels(frame)
    planes = list(frame.planes)
    if frame.layout.model == "rgb":
        kr, kb = frame.color.luma_weights(frame.size[1])
        cb, cr = (_resample(chroma, 2 * h, 2 * w) for chroma in residual[0, 4:])
        blue, red = (2 - 2 * kb) * cb, (2 - 2 * kr) * cr
        green = -(kb * blue + kr * red) / (1 - kr - kb)
        for i, change in enumerate((red, green, blue)):
            planes[i] = _add(planes[i], luma + change, low, luma_span)
        return replace(frame, planes=tuple(planes))
    planes[0] = _add(planes[0], luma, low, luma_span)
    if frame.layout.model == "yuv":
        sx, sy = frame.layout.chroma_shift
        for i in (1, 2):
            chroma = _resample(residual[0, 3 + i], 2 * h >> sy, 2 * w >> sx)
            planes[i] = _add(planes[i], chroma, low, chroma_span)
    return replace(frame, planes=tuple(planes))


def _levels(frame: Frame) -> tuple[float, float, float]:
    """Lowest code, span of luma codes, span of chroma codes (ITU-T H.273, equations 20 to 28)."""
    bits, full = frame.layout.bits, frame.color.full_range
    if full or (full is None and frame.layout.model != "yuv"):
        return 0.0, float((1 << bits) - 1), float((1 << bits) - 1)
    unit = 1 << (bits - 8)
    return 16.0 * unit, 219.0 * unit, 224.0 * unit


def _to_ycbcr(frame: Frame) -> tuple[Samples, Samples | None, Samples | None]:
    low, luma_span, chroma_span = _levels(frame)
    if frame.layout.model == "rgb":
        r, g, b = (_scaled(plane, low, luma_span) for plane in frame.planes[:3])
        kr, kb = frame.color.luma_weights(frame.size[1])
        luma = kr * r + (1 - kr - kb) * g + kb * b
        return luma, (b - luma) / (2 - 2 * kb), (r - luma) / (2 - 2 * kr)
    luma = _scaled(frame.planes[0], low, luma_span)
    if frame.layout.model == "gray":
        return luma, None, None
    middle = float(1 << (frame.layout.bits - 1))
    return luma, _scaled(frame.planes[1], middle, chroma_span), _scaled(frame.planes[2], middle, chroma_span)


def _scaled(plane: Plane, zero: float, span: float) -> Samples:
    """(code - zero) / span."""
    samples: Samples = plane.astype(np.float32)
    samples -= np.float32(zero)
    samples *= np.float32(1 / span)
    return samples


def _pad(x: Samples, height: int, width: int) -> Samples:
    down, right = height - x.shape[0], width - x.shape[1]
    return np.pad(x, ((0, down), (0, right)), "edge") if down or right else x


def _resample(x: Samples, height: int, width: int) -> Samples:
    """Resize by powers of two per axis: means to shrink, linear interpolation to enlarge."""
    coarser = min(x.shape[0], height), min(x.shape[1], width)
    for (h, w), how in ((coarser, cv2.INTER_AREA), ((height, width), cv2.INTER_LINEAR)):
        if x.shape != (h, w):
            x = cv2.resize(x, (w, h), interpolation=how).astype(np.float32, copy=False)
    return x


def _add(plane: Plane, change: Samples, low: float, span: float) -> Plane:
    """A plane plus a change in units of `span`; the range starts at the code `low`."""
    height, width = plane.shape
    top = low + span
    lowest, highest = plane.dtype.type(low), plane.dtype.type(top)
    steps = change[:height, :width] * np.float32(span)
    np.clip(steps, -2 * top, 2 * top, out=steps)  # beyond 2**31 OpenCV's sums would wrap round
    kind = cv2.CV_8U if plane.dtype == np.uint8 else cv2.CV_16U
    total: Any = cv2.add(plane, steps, dtype=kind)  # rounded, and held to the codes that there are
    np.maximum(total, np.minimum(plane, lowest), out=total)
    np.minimum(total, np.maximum(plane, highest), out=total)
    return total
