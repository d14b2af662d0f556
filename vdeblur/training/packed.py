"""Clips packed for storage: planar 8-bit 4:2:0 as a decoder gives it, and on to what networks take and give back.

A packed clip is (..., frames, 3/2 size, size) of uint8, each frame its luma and below it Cb and Cr at half size. Folded
it is (..., frames, 6, size/2, size/2): the four phases of luma, then Cb and Cr.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..backends.symmetries import SYMMETRIES, turn
from ..frames import LUMA_WEIGHTS, MATRIX_BT709, MATRIX_SMPTE170M
from .blur import Clip

Bytes = NDArray[np.uint8]


def pack(rng: np.random.Generator, clip: Clip) -> Bytes:
    """A clip as (2, frames, 3/2 size, size): blurred and sharp in planar 8-bit 4:2:0, full range, BT.601 or BT.709."""
    kr, kb = LUMA_WEIGHTS[MATRIX_BT709 if rng.random() < 0.5 else MATRIX_SMPTE170M]
    rgb = torch.stack([clip.blur, clip.sharp])
    luma = kr * rgb[:, :, 0] + (1 - kr - kb) * rgb[:, :, 1] + kb * rgb[:, :, 2]
    cb = F.avg_pool2d((rgb[:, :, 2] - luma) / (2 - 2 * kb) + 0.5, 2)
    cr = F.avg_pool2d((rgb[:, :, 0] - luma) / (2 - 2 * kr) + 0.5, 2)
    n, t, h, w = luma.shape
    planes = torch.cat([luma, cb.reshape(n, t, h // 4, w), cr.reshape(n, t, h // 4, w)], dim=2)
    packed: Bytes = (planes * 255).round().clamp(0, 255).byte().cpu().numpy()
    return packed


def planes_of(packed: Bytes) -> list[Bytes]:
    """Luma (..., size, size), Cb and Cr (..., size/2, size/2) of packed clips."""
    *outer, _, size = packed.shape
    half, quarter = size // 2, size // 4
    chroma = [packed[..., size + i * quarter : size + (i + 1) * quarter, :] for i in (0, 1)]
    return [packed[..., :size, :], *(plane.reshape(*outer, half, half) for plane in chroma)]


def fold(planes: list[Bytes]) -> Bytes:
    """Luma, Cb and Cr as `planes_of` gives them -> (..., 6, size/2, size/2)."""
    luma, cb, cr = planes
    phases = [luma[..., y::2, x::2] for y in (0, 1) for x in (0, 1)]
    return np.stack([*phases, cb, cr], axis=-3)


def unfold(folded: Bytes) -> Bytes:
    """Folded clips packed again."""
    *outer, _, half, _ = folded.shape
    packed = np.empty((*outer, 3 * half, 2 * half), np.uint8)
    for phase in range(4):
        packed[..., phase // 2 : 2 * half : 2, phase % 2 :: 2] = folded[..., phase, :, :]
    packed[..., 2 * half :, :] = folded[..., 4:, :, :].reshape(*outer, half, 2 * half)
    return packed


def augment(rng: np.random.Generator, packed: Bytes, frames: int, patch: int) -> Bytes:
    """The same random sub-clip of `frames` and crop of `patch` px, turned, mirrored and reversed in time, of
    packed clips (k, t, 3/2 size, size) that belong together; folded, (k, frames, 6, patch/2, patch/2). Crops lie at
    even places, so that chroma goes with luma.
    """
    _, t, _, size = packed.shape
    start = int(rng.integers(0, t - frames + 1))
    y, x = (2 * int(v) for v in rng.integers(0, (size - patch) // 2 + 1, 2))
    direction, symmetry = (1, -1)[rng.integers(2)], rng.choice(SYMMETRIES)
    luma, cb, cr = planes_of(packed[:, start : start + frames][:, ::direction])
    planes = [luma[:, :, y : y + patch, x : x + patch]]
    planes += [c[:, :, y // 2 : (y + patch) // 2, x // 2 : (x + patch) // 2] for c in (cb, cr)]
    turned: Bytes = turn(torch.from_numpy(fold(planes)), symmetry).numpy()
    return turned


def to_network(folded: Tensor) -> Tensor:
    """Folded 8-bit planes (..., 6, h, w) -> float: luma phases in 0..1, chroma about 0."""
    scaled = folded.float().div_(255)
    scaled[..., 4:, :, :] -= 128 / 255
    return scaled


def from_network(planes: Tensor) -> Tensor:
    """Undo `to_network`, rounding."""
    scaled = planes.float() * 255
    scaled[..., 4:, :, :] += 128
    return scaled.round_().clamp_(0, 255).byte()


def psnr_of(packed: Bytes) -> float:
    """PSNR of a packed clip's blurred side, dB, over all samples."""
    error = np.square(packed[0].astype(np.float32) - packed[1]).mean()
    return float(10 * np.log10(255**2 / (error + 1e-3)))
