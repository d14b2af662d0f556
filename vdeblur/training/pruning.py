"""Structured pruning: removes the least important channels, which leaves a smaller network.

Which dimension of which weight goes with which width of the configuration is found by building the network with that
width changed: a dimension that grows by r times as much holds the width's channels r times over (as the four phases of
a fold, or the four gates of the cell). Where channels of two widths are joined, they lie in the order of WIDTHS.
Channels inside a residual block stand by themselves. The importance of a channel is the sum of squares of all weights
that make it or take it (Li et al. 2017, over whole groups as in Fang et al. 2023). A short run of training with the
unpruned model as teacher has to follow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..backends.checkpoints import Checkpoint
from ..errors import UsageError
from ..models import build

MULTIPLE = 8
"""Channels are kept in multiples of this, which suits vector units."""
WIDTHS = ("quarter", "eighth", "sixteenth", "hidden", "neighbour")
"""Fields of a network's configuration that are numbers of channels, in the order in which they are joined."""


class Place(NamedTuple):
    """Where a weight holds the channels of a group."""

    weight: str
    dimension: int
    first: int
    """Index of the first of them."""
    repeats: int


def prune(checkpoint: Checkpoint, share: float) -> Checkpoint:
    """The model without about `share` (0..1) of the channels of every width. Raises UsageError for another share."""
    if not 0 < share < 1:
        raise UsageError(f"a share of channels to prune is between 0 and 1, not {share:g}")
    config, weights = dict(checkpoint.config), checkpoint.tensors
    left: dict[tuple[str, int], Tensor] = {}
    for (width, _), places in groups(checkpoint.kind, checkpoint.config).items():
        before = checkpoint.config[width]
        config[width] = min(max(round(before * (1 - share) / MULTIPLE), 1) * MULTIPLE, before)
        weakest = _strength(weights, places, before).argsort()[: before - config[width]]
        for place in places:
            size = weights[place.weight].shape[place.dimension]
            kept = left.setdefault((place.weight, place.dimension), torch.ones(size, dtype=torch.bool))
            kept[place.first : place.first + place.repeats * before].view(place.repeats, before)[:, weakest] = False
    pruned = dict(weights)
    for (name, dimension), kept in left.items():
        pruned[name] = pruned[name].index_select(dimension, kept.nonzero().flatten())
    made = Checkpoint(checkpoint.kind, config, pruned, checkpoint.provenance | {"pruned": share})
    made.network()  # which raises where a weight does not fit
    return made


def groups(kind: str, config: dict[str, Any]) -> dict[tuple[str, str], list[Place]]:
    """The places of each group of channels, by width and block: "" is the group that all share, others are blocks'."""
    widths = [width for width in WIDTHS if config.get(width)]
    small = build(kind, config).state_dict()
    large = {width: build(kind, config | {width: config[width] + MULTIPLE}).state_dict() for width in widths}
    found: dict[tuple[str, str], list[Place]] = {}
    for name, weight in small.items():
        for dimension, size in enumerate(weight.shape):
            first = 0
            for width in widths:
                repeats = (large[width][name].shape[dimension] - size) // MULTIPLE
                if repeats:
                    place = Place(name, dimension, first, repeats)
                    found.setdefault((width, _block(name, dimension)), []).append(place)
                    first += repeats * config[width]
    return found


def _block(name: str, dimension: int) -> str:
    """The residual block inside which a dimension's channels lie: out of its first convolution, into its second."""
    block, _, rest = name.rpartition(".first.")
    if rest and dimension == 0:
        return block
    block, _, rest = name.rpartition(".second.")
    return block if rest == "weight" and dimension == 1 else ""


def _strength(weights: dict[str, Tensor], places: list[Place], channels: int) -> Tensor:
    """Sum of squares of all weights that make or take each of the group's channels."""
    strength = torch.zeros(channels)
    for place in places:
        weight = weights[place.weight].float()
        if place.weight.endswith("weight"):
            others = [d for d in range(weight.dim()) if d != place.dimension]
            squares = weight.square().sum(dim=others)[place.first : place.first + place.repeats * channels]
            strength += squares.view(place.repeats, channels).sum(0)
    return strength
