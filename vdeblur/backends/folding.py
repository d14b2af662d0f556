"""Native planes to the network's six channels and back: nothing that the network leaves alone changes by one bit.

Luma's 2x2 phases and the chroma planes of 4:2:0 are six channels at half size. Chroma of any other sub-sampling is
resampled to that grid for the network to see, and the residual that it predicts is resampled back and added to the
native samples. RGB passes through its luma and colour differences in float, and so does the residual.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import NonFiniteResult
from ..frames import Frame, Plane
from ..models import CELL

MULTIPLE = CELL
"""Pictures are padded to multiples of this many pixels, by repeating their edges."""


def fold(frame: Frame, device: torch.device, dtype: torch.dtype) -> Tensor:
    """A frame -> (1, 6, h/2, w/2) with h, w the size rounded up to MULTIPLE; luma in 0..1, chroma in -0.5..0.5."""
    luma, cb, cr = _to_ycbcr(frame, device)
    h, w = (-(-n // MULTIPLE) * MULTIPLE for n in luma.shape[-2:])
    phases = F.pixel_unshuffle(_pad(luma, h, w), 2)
    if cb is None or cr is None:
        chroma = phases.new_zeros(1, 2, h // 2, w // 2)
    else:
        sx, sy = frame.layout.chroma_shift
        chroma = _resample(_pad(torch.cat([cb, cr], dim=1), h >> sy, w >> sx), h // 2, w // 2)
    return torch.cat([phases, chroma], dim=1).to(dtype, memory_format=torch.channels_last)


def unfold(frame: Frame, residual: Tensor) -> Frame:
    """The frame with the network's residual (1, 6, h/2, w/2) added, rounded once, alpha untouched.

    Samples stay within their nominal range, or where the source already exceeded it. Raises NonFiniteResult.
    """
    residual = residual.float()
    if not torch.isfinite(residual.sum()):
        raise NonFiniteResult("the network's result is not a finite number")
    luma = F.pixel_shuffle(residual[:, :4], 2)
    low, luma_span, chroma_span = _levels(frame)
    planes = list(frame.planes)
    if frame.layout.model == "rgb":
        kr, kb = frame.color.luma_weights(frame.size[1])
        cb, cr = _resample(residual[:, 4:], *luma.shape[-2:]).split(1, dim=1)
        blue, red = (2 - 2 * kb) * cb, (2 - 2 * kr) * cr
        green = -(kb * blue + kr * red) / (1 - kr - kb)
        for i, change in enumerate((red, green, blue)):
            planes[i] = _add(planes[i], (luma + change) * luma_span, low, low + luma_span)
        return replace(frame, planes=tuple(planes))
    planes[0] = _add(planes[0], luma * luma_span, low, low + luma_span)
    if frame.layout.model == "yuv":
        sx, sy = frame.layout.chroma_shift
        h, w = luma.shape[-2:]
        chroma = _resample(residual[:, 4:], h >> sy, w >> sx) * chroma_span
        for i in (1, 2):
            planes[i] = _add(planes[i], chroma[:, i - 1 : i], low, low + chroma_span)
    return replace(frame, planes=tuple(planes))


def _levels(frame: Frame) -> tuple[float, float, float]:
    """Lowest code, span of luma's codes and span of chroma's codes (ITU-T H.273, equations 20 to 28)."""
    bits, full = frame.layout.bits, frame.color.full_range
    if full or (full is None and frame.layout.model != "yuv"):
        return 0.0, float((1 << bits) - 1), float((1 << bits) - 1)
    unit = 1 << (bits - 8)
    return 16.0 * unit, 219.0 * unit, 224.0 * unit


def _to_ycbcr(frame: Frame, device: torch.device) -> tuple[Tensor, Tensor | None, Tensor | None]:
    low, luma_span, chroma_span = _levels(frame)
    samples = [_tensor(plane, device) for plane in frame.planes[: 1 if frame.layout.model == "gray" else 3]]
    if frame.layout.model == "rgb":
        r, g, b = ((s - low) / luma_span for s in samples)
        kr, kb = frame.color.luma_weights(frame.size[1])
        luma = kr * r + (1 - kr - kb) * g + kb * b
        return luma, (b - luma) / (2 - 2 * kb), (r - luma) / (2 - 2 * kr)
    luma = (samples[0] - low) / luma_span
    if frame.layout.model == "gray":
        return luma, None, None
    middle = float(1 << (frame.layout.bits - 1))
    return luma, (samples[1] - middle) / chroma_span, (samples[2] - middle) / chroma_span


def _tensor(plane: Plane, device: torch.device) -> Tensor:
    """(1, 1, h, w) in float32 of uint8 or uint16 samples."""
    if not plane.flags.writeable:  # torch would warn; nothing here writes
        plane = plane.copy()
    signed = plane if plane.dtype == np.uint8 else plane.astype(np.int32)
    return torch.from_numpy(np.ascontiguousarray(signed)).to(device)[None, None].float()


def _pad(x: Tensor, height: int, width: int) -> Tensor:
    down, right = height - x.shape[-2], width - x.shape[-1]
    return F.pad(x, (0, right, 0, down), mode="replicate") if down or right else x


def _resample(x: Tensor, height: int, width: int) -> Tensor:
    """To a grid that is finer or coarser by powers of two per axis: means where coarser, linear where finer."""
    h, w = x.shape[-2:]
    if h > height or w > width:
        x = F.avg_pool2d(x, (max(1, h // height), max(1, w // width)))
    if x.shape[-2:] != (height, width):
        x = F.interpolate(x, (height, width), mode="bilinear", align_corners=False)
    return x


def _add(plane: Plane, change: Tensor, low: float, high: float) -> Plane:
    height, width = plane.shape
    delta = change[0, 0, :height, :width].round().to(torch.int32).cpu().numpy()
    native = plane.astype(np.int32)
    total = np.clip(native + delta, np.minimum(native, int(low)), np.maximum(native, int(high)))
    return total.astype(plane.dtype)
