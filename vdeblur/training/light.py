"""What a camera makes of light: tone curve, highlights over white, sensor noise, compression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Light:
    """Tone curve of a camera, and how much brighter than white its highlights were.

    Code value = linear ** (1 / gamma), or the sRGB curve (IEC 61966-2-1) for a gamma of 0.
    """

    gamma: float
    lift: float

    @staticmethod
    def draw(rng: np.random.Generator) -> Light:
        """Half sRGB; of the others some near 1, as test sets are that were averaged without a tone curve."""
        kind = rng.random()
        gamma = 0.0 if kind < 0.5 else float(rng.uniform(1.8, 2.6) if kind < 0.85 else rng.uniform(1.0, 1.8))
        return Light(gamma, float(rng.uniform(1, 8)) if rng.random() < 0.4 else 1.0)

    def decode(self, codes: Tensor) -> Tensor:
        """uint8 codes (..., 3, h, w) -> linear light, highlights over 0.9 lifted."""
        code = codes.float() / 255
        linear = code**self.gamma if self.gamma else _srgb_to_linear(code)
        if self.lift > 1:
            bright = ((code.amin(-3, keepdim=True) - 0.9) / 0.1).clamp(0, 1)
            linear = linear * (1 + (self.lift - 1) * bright * bright)
        return linear

    def encode(self, linear: Tensor) -> Tensor:
        """Linear light -> code values in 0..1."""
        linear = linear.clamp(0, 1)
        if self.gamma:
            return linear ** (1 / self.gamma)
        return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-6) ** (1 / 2.4) - 0.055)


def _srgb_to_linear(code: Tensor) -> Tensor:
    return torch.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def soften(frames: Tensor, sigma: float) -> Tensor:
    """Frames (t, 3, h, w) through a lens that makes of a point a Gaussian of `sigma` px, 0.2 or more."""
    reach = max(1, round(3 * sigma))
    x = torch.arange(-reach, reach + 1, device=frames.device) / sigma
    kernel = torch.softmax(-(x**2) / 2, 0)
    planes = F.pad(frames.flatten(0, 1)[:, None], [reach] * 4, mode="replicate")
    planes = F.conv2d(F.conv2d(planes, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return planes.view(frames.shape)


def crispen(codes: Tensor, amount: float) -> Tensor:
    """Codes (t, 3, h, w) of 0..1 as a camera sharpens them itself: an unsharp mask of 1 px."""
    return (codes + amount * (codes - soften(codes, 1.0))).clamp(0, 1)


def sensor_noise(rng: np.random.Generator, linear: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Poisson-Gaussian sensor noise (Foi et al. 2008) with the grain that demosaicing leaves; (t, 3, h, w)."""
    shot, read = float(np.exp(rng.uniform(*np.log([1e-5, 6e-4])))), float(np.exp(rng.uniform(*np.log([2e-4, 3e-3]))))
    grain = torch.randn(linear.shape, device=linear.device, generator=generator)
    if rng.random() < 0.7:  # neighbouring samples share their noise after demosaicing
        grain = 1.6 * F.avg_pool2d(grain, 3, stride=1, padding=1) + 0.3 * grain
    if rng.random() < 0.5:
        grain = 0.7 * grain.mean(1, keepdim=True) + 0.6 * grain
    return linear + grain * torch.sqrt(shot * linear.clamp(min=0) + read * read)


def compress(planes: Tensor, step: float) -> Tensor:
    """Planes (..., h, w) in 0..1 through an 8x8 DCT whose coefficients are rounded to `step` (of 255) and coarser.

    What intra-coded blocks lose (ITU-T T.81), without a codec: `step` 2 to 12 is about H.264's CRF 18 to 30.
    """
    k = torch.arange(8, device=planes.device, dtype=torch.float32)
    basis = torch.cos(torch.pi / 8 * (k[None] + 0.5) * k[:, None]) * 0.5
    basis[0] *= 0.5**0.5
    quantum = step / 255 * (1 + 0.4 * (k[:, None] + k[None]))
    *outer, h, w = planes.shape
    blocks = planes.reshape(*outer, h // 8, 8, w // 8, 8).transpose(-3, -2)
    coefficients = basis @ blocks @ basis.T
    coefficients = torch.round(coefficients / quantum) * quantum
    return (basis.T @ coefficients @ basis).transpose(-3, -2).reshape(*outer, h, w)
