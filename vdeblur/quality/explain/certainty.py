"""How sure an answer is: what it looks like through the symmetries of a square, and how far those views differ.

A turned or mirrored frame shows the same scene, so a restorer that knows what is there gives the same answer turned.
A network errs differently on each view (see `backends.symmetries`): where the views differ, the answer is the network's
guess more than the frame's evidence. They can also agree on what is wrong, so a small spread is no proof; the
calibration says how spread and true error go together on pairs with a known truth.
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
"""8-bit levels of change in luma that can be told from none."""
BINS = 10


def spread(residuals: Sequence[Tensor]) -> Map:
    """Standard deviation over views (the unbiased one), 8-bit levels of luma, (height, width) of the padded frame."""
    views = torch.stack([luma(residual) for residual in residuals])
    return np.asarray(views.std(dim=0).cpu().numpy() if len(residuals) > 1 else np.zeros(views.shape[1:]), np.float32)


def luma(folded: Tensor) -> Tensor:
    """Luma of (1, 6, h, w) at its full size, (2h, 2w), in 8-bit levels."""
    return torch.nn.functional.pixel_shuffle(folded[:, :4].float(), 2)[0, 0] * 255


def beyond_evidence(change: Map, deviation: Map) -> NDArray[np.bool_]:
    """Where a visible change is less than twice its own spread over the views: another view might not have made it."""
    size = np.abs(change)
    return np.asarray((size >= VISIBLE) & (size < 2 * deviation), np.bool_)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Spread against true error, over pixels of pairs with a known truth, all in 8-bit levels of luma."""

    pixels: int
    rank_correlation: float
    """Spearman's, of spread and absolute error."""
    spread: tuple[float, ...]
    """Mean of each tenth of the pixels, ordered by spread."""
    error: tuple[float, ...]
    """Mean absolute error of the same tenths."""


def calibrated(deviation: Map, error: Map) -> Calibration:
    """The calibration of these pixels (arrays of one shape)."""
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
    """Spearman's rank correlation, ties at their mean rank; 0 where either is constant."""
    one, two = _ranks(a), _ranks(b)
    return float(np.corrcoef(one, two)[0, 1]) if one.std() and two.std() else 0.0


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], np.float64)
