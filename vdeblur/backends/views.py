"""Views: the mean of what a network makes of a frame turned and mirrored (self-ensemble, Lim et al. 2017).

A network errs differently on each view, so the mean errs less than any of them, at one network's cost a view.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..models import Motion, StreamNetwork
from .symmetries import SYMMETRIES, turn, turn_flow, undo
from .tiles import Tiled


class Views:
    """A network's `restore` over some symmetric views; the state is a tuple, one for each."""

    def __init__(self, network: StreamNetwork | Tiled, views: int) -> None:
        """`views` is 1 to 8."""
        self._network = network
        self._symmetries = SYMMETRIES[:views]

    def restore(
        self, centre: Tensor, future: Tensor | None, motion: Motion | None, state: tuple[Any, ...] | None
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """The mean residual (1, 6, h, w), and the views' next states."""
        residuals, after = [], []
        for symmetry, own in zip(self._symmetries, state or (None,) * len(self._symmetries), strict=True):
            seen = [None if frame is None else _turned(frame, symmetry) for frame in (centre, future)]
            flow = None if motion is None else Motion(*(turn_flow(part, symmetry) for part in motion))
            assert seen[0] is not None
            residual, own = self._network.restore(seen[0], seen[1], flow, own)
            residuals.append(undo(residual, symmetry))
            after.append(own)
        return torch.stack(residuals).mean(0), tuple(after)


def _turned(frame: Tensor, symmetry: int) -> Tensor:
    return turn(frame, symmetry).contiguous(memory_format=torch.channels_last)
