"""Attribution of a residual to its sources, by ablation.

The sources other than the frame itself are removed in every combination. The part of a source is its Shapley value:
the mean of what it adds, over all orders of adding the sources (Shapley 1953; Lundberg and Lee 2017). The part of the
frame itself is the residual for that frame alone. The parts sum to the residual, up to rounding (`gap`).

`together` measures interaction: what remains of the residual if each source is only credited with what is lost without
it. `integrated_gradients` is an independent check by the network's derivatives (Sundararajan et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import torch
from torch import Tensor

from ...models.convlstm import Aligned
from .sources import AFTER, BEFORE, SOURCES, STATE, THIS, NetworkStream

ANY_CHANGE = 0.05 / 255
"""Mean absolute residual of luma (0..1) below which a frame counts as unchanged and has no shares."""
STEPS = 12
"""Number of points of the numerical integration."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """The residual of a frame, (1, 6, h, w) at half size (see `models.ladder`), and its parts."""

    residual: Tensor
    parts: Mapping[str, Tensor]
    """For each of SOURCES, in the shape of the residual; zero for an absent source."""
    rest: Tensor
    """The residual minus the part of the frame itself and minus what is lost without each other source."""

    @property
    def gap(self) -> float:
        """Largest difference between the residual and the sum of its parts, luma 0..1: rounding errors."""
        return float((sum(self.parts.values()) - self.residual)[:, :4].abs().max())

    @property
    def shares(self) -> dict[str, float] | None:
        """Share of each source in the absolute values of all parts, in luma, summing to 1; None without a change."""
        if float(self.residual[:, :4].abs().mean()) < ANY_CHANGE:
            return None
        sizes = {source: float(part[:, :4].abs().sum(dtype=torch.float64)) for source, part in self.parts.items()}
        total = sum(sizes.values())
        return {source: size / total for source, size in sizes.items()}

    @property
    def together(self) -> float:
        """Mean absolute `rest` over that of the residual, in luma; 0 if sources do not interact."""
        whole = float(self.residual[:, :4].abs().mean())
        return float(self.rest[:, :4].abs().mean()) / whole if whole >= ANY_CHANGE else 0.0


def attribute(answer: Callable[[frozenset[str]], Tensor], others: tuple[str, ...], whole: Tensor) -> Attribution:
    """The parts of `whole`, the residual with all of `others`; `answer(kept)` is the residual with only those kept.

    Calls `answer` 2^n - 1 times for n other sources.
    """
    everything = frozenset(others)
    answers = {everything: whole}
    for size in range(len(others)):
        for kept in combinations(others, size):
            answers[frozenset(kept)] = answer(frozenset(kept))
    alone = answers[frozenset()]
    parts = dict.fromkeys(SOURCES, torch.zeros_like(whole)) | {THIS: alone}
    rest = whole - alone
    for source in others:
        parts[source] = _shapley(answers, source, everything - {source})
        rest = rest - (whole - answers[everything - {source}])
    return Attribution(whole, parts, rest)


def _shapley(answers: Mapping[frozenset[str], Tensor], source: str, others: frozenset[str]) -> Tensor:
    """Mean of what `source` adds, over all orders of adding it and the others."""
    count = len(others) + 1
    added = torch.zeros_like(answers[others])
    for size in range(count):
        weight = factorial(size) * factorial(count - size - 1) / factorial(count)
        for before in combinations(others, size):
            added += weight * (answers[frozenset(before) | {source}] - answers[frozenset(before)])
    return added


@dataclass(frozen=True, slots=True)
class Check:
    """Two attributions of one residual, as shares of its energy, which may be negative or above 1."""

    ablation: dict[str, float]
    """<part, residual> / <residual, residual>, in luma."""
    gradients: dict[str, float]
    """The same for integrated gradients."""
    gap: float
    """Error of the numerical integration: 1 minus the sum of `gradients`."""


def check(
    stream: NetworkStream,
    aligned: tuple[Tensor, ...],
    alone: tuple[Tensor, ...],
    others: tuple[str, ...],
    found: Attribution,
) -> Check | None:
    """Compare ablation with integrated gradients for one frame; None without a change or other sources."""
    if not others or found.shares is None:
        return None
    towards = found.residual[:, :4]
    energy = float((towards * towards).sum(dtype=torch.float64))
    ablation = {s: float((part[:, :4] * towards).sum(dtype=torch.float64)) / energy for s, part in found.parts.items()}
    gradients = {s: g / energy for s, g in integrated_gradients(stream, aligned, alone, towards).items()}
    gradients = dict.fromkeys(SOURCES, 0.0) | {THIS: ablation[THIS]} | {s: gradients[s] for s in others}
    return Check(ablation, gradients, 1.0 - sum(gradients.values()))


def integrated_gradients(
    stream: NetworkStream, aligned: tuple[Tensor, ...], alone: tuple[Tensor, ...], towards: Tensor, steps: int = STEPS
) -> dict[str, float]:
    """For each source other than the frame: the integral of d<luma, towards> on the line from `alone` to `aligned`.

    `towards` is a direction in the luma phases (n, 4, h, w). The sum is the change along it between the ends, up to
    the error of the numerical integration. Costs about as much as 3 `steps` residuals.
    """
    ways = [there - left_out for there, left_out in zip(aligned, alone, strict=True)]
    slopes = [torch.zeros_like(way) for way in ways]
    for step in range(steps):
        path = [
            (left_out + way * ((step + 0.5) / steps)).detach().requires_grad_(True)
            for left_out, way in zip(alone, ways, strict=True)
        ]
        with torch.enable_grad():
            value = (stream.answer(tuple(path))[:, :4] * towards).sum()
        for total, slope in zip(slopes, torch.autograd.grad(value, path), strict=True):
            total += slope / steps
    found = Aligned(*(slope * way for slope, way in zip(slopes, ways, strict=True)))
    before, after = found.beside.chunk(2, dim=1)
    to_past, to_future = found.motion.chunk(2, dim=1)
    by_source = {
        BEFORE: (before, to_past, found.past),
        AFTER: (after, to_future, found.future),
        STATE: (found.h, found.c),
    }
    return {s: float(sum(x.sum(dtype=torch.float64) for x in terms)) for s, terms in by_source.items()}
