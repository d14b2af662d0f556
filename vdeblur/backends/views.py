"""Views: the mean of what a network makes of a picture turned and mirrored (self-ensemble, Lim et al. 2017).

A network errs differently on each view, so the mean errs less than any of them, at one network's cost a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..models import StreamNetwork
from .symmetries import SYMMETRIES, turn, undo
from .tiles import Tiled


class Views:
    """A network's `encode` and `restore` over some symmetric views; features and state are tuples, one for each."""

    def __init__(self, network: StreamNetwork | Tiled, views: int) -> None:
        """`views` is 1 to 8."""
        self._network = network
        self._symmetries = SYMMETRIES[:views]

    def encode(self, picture: Tensor) -> tuple[Any, ...]:
        """Of a picture (1, 6, h, w)."""
        turned = (turn(picture, symmetry) for symmetry in self._symmetries)
        return tuple(self._network.encode(view.contiguous(memory_format=torch.channels_last)) for view in turned)

    def restore(self, window: Sequence[tuple[Any, ...]], state: tuple[Any, ...] | None) -> tuple[Tensor, Any]:
        """The mean residual (1, 6, h, w), and the views' next states."""
        states = state or (None,) * len(self._symmetries)
        seen = zip(*window, strict=True)
        residuals, after = zip(*map(self._network.restore, seen, states), strict=True)
        views = [undo(residual, symmetry) for residual, symmetry in zip(residuals, self._symmetries, strict=True)]
        return torch.stack(views).mean(0), after
