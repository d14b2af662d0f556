"""Certainty: the spread of the results over symmetric views of a frame (see `backends.symmetries`).

A rotated or mirrored frame shows the same scene, so an ideal restorer would give the same result, transformed. A
network makes different errors in each view: where the views differ, the result is a guess rather than evidence. Views
can also share an error, so a small spread proves nothing; calibration measures how spread and true error correlate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .drawing import Map

VISIBLE = 2.0
"""Smallest visible change of luma, in 8-bit levels."""
BINS = 10


def spread(residuals: Sequence[Tensor]) -> Map:
    """Unbiased standard deviation over views, in 8-bit levels of luma, (height, width) of the padded frame."""
    views = torch.stack([luma(residual) for residual in residuals])
    return np.asarray(views.std(dim=0).cpu().numpy() if len(residuals) > 1 else np.zeros(views.shape[1:]), np.float32)


def luma(folded: Tensor) -> Tensor:
    """Luma of (1, 6, h, w) at full resolution, (2h, 2w), in 8-bit levels."""
    return torch.nn.functional.pixel_shuffle(folded[:, :4].float(), 2)[0, 0] * 255


def beyond_evidence(change: Map, deviation: Map) -> NDArray[np.bool_]:
    """Where a visible change is less than twice its spread: another view might not have made it."""
    size = np.abs(change)
    return np.asarray((size >= VISIBLE) & (size < 2 * deviation), np.bool_)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Spread and true error over pixels of pairs with a known truth, in 8-bit levels of luma."""

    pixels: int
    rank_correlation: float
    """Spearman's, between spread and absolute error."""
    spread: tuple[float, ...]
    """Mean over each decile of the pixels by spread."""
    error: tuple[float, ...]
    """Mean absolute error over the same deciles."""


def calibrated(deviation: Map, error: Map) -> Calibration:
    """The calibration of two arrays of the same shape."""
    deviation, error = deviation.ravel(), np.abs(error).ravel()
    order = np.argsort(deviation, kind="stable")
    tenths = [part for part in np.array_split(order, BINS) if part.size]
    return Calibration(
        pixels=deviation.size,
        rank_correlation=rank_correlation(deviation, error),
        spread=tuple(float(deviation[part].mean()) for part in tenths),
        error=tuple(float(error[part].mean()) for part in tenths),
    )


def rank_correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Spearman's rank correlation with mean ranks for ties; 0 if either is constant."""
    one, two = _ranks(a), _ranks(b)
    return float(np.corrcoef(one, two)[0, 1]) if one.std() and two.std() else 0.0


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], np.float64)
