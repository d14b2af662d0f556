"""Where an answer came from: the residual as a sum of one part for every source.

Each source beyond the frame itself is left out in every combination with the others; its part is the mean of what it
adds, over all orders in which the sources could have come (Shapley 1953; Lundberg and Lee 2017). The frame's own part
is the network's answer to that frame alone. So the parts add up to the residual exactly, but for rounding (`gap`).

How much of the answer only comes about by several sources together is told by `together`: what is left of the
residual when each source is credited with no more than what is lost without it. `integrated_gradients` is an
independent check that follows the network's derivatives in place of leaving anything out (Sundararajan et al. 2017).
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
"""Mean absolute residual of luma (0..1) below which a frame counts as unchanged, and there is nothing to share."""
STEPS = 12
"""Points at which integrated gradients look."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """The residual of one frame, (1, 6, h, w) at half size (see `models.ladder`), and what it is made of."""

    residual: Tensor
    parts: Mapping[str, Tensor]
    """For each of SOURCES, of the residual's shape; zero for a source that was not there."""
    rest: Tensor
    """The residual less the frame's own part and what is lost without each other source."""

    @property
    def gap(self) -> float:
        """Largest difference between the residual and the sum of its parts, luma 0..1: rounding alone."""
        return float((sum(self.parts.values()) - self.residual)[:, :4].abs().max())

    @property
    def shares(self) -> dict[str, float] | None:
        """Each source's share of all the change in luma that the parts make, 0..1, in sum 1; None without change."""
        if float(self.residual[:, :4].abs().mean()) < ANY_CHANGE:
            return None
        sizes = {source: float(part[:, :4].abs().sum(dtype=torch.float64)) for source, part in self.parts.items()}
        total = sum(sizes.values())
        return {source: size / total for source, size in sizes.items()}

    @property
    def together(self) -> float:
        """Mean size of `rest` over that of the residual, in luma; 0 where every source acts by itself."""
        whole = float(self.residual[:, :4].abs().mean())
        return float(self.rest[:, :4].abs().mean()) / whole if whole >= ANY_CHANGE else 0.0


def attribute(answer: Callable[[frozenset[str]], Tensor], others: tuple[str, ...], whole: Tensor) -> Attribution:
    """The parts of `whole`, the answer with all of `others` there; `answer(kept)` is the one with just those kept.

    2^n - 1 answers are asked for, for n sources beyond the frame itself.
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
    """Mean of what `source` adds, over all orders in which it and the others may come."""
    count = len(others) + 1
    added = torch.zeros_like(answers[others])
    for size in range(count):
        weight = factorial(size) * factorial(count - size - 1) / factorial(count)
        for before in combinations(others, size):
            added += weight * (answers[frozenset(before) | {source}] - answers[frozenset(before)])
    return added


@dataclass(frozen=True, slots=True)
class Check:
    """Two ways of sharing out the same answer; shares are of its energy, and may be negative or above 1."""

    ablation: dict[str, float]
    """<part, residual> / <residual, residual>, in luma."""
    gradients: dict[str, float]
    """The same of integrated gradients."""
    gap: float
    """What the integrated gradients miss of the whole, as a share of it: their path is walked in finite steps."""


def check(
    stream: NetworkStream,
    aligned: tuple[Tensor, ...],
    alone: tuple[Tensor, ...],
    others: tuple[str, ...],
    found: Attribution,
) -> Check | None:
    """Set ablation against integrated gradients for one frame; None without change, or nothing but the frame itself."""
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
    """For each source beyond the frame: the integral, from `alone` to `aligned`, of d<luma, towards> along it.

    The sum is what the answer changes by towards `towards` (luma's phases, (n, 4, h, w)) between the two ends, but
    for the finite number of steps. Costs about 3 `steps` answers.
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
