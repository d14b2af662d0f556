"""Tiny networks of every kind, with weights in all places where training starts from zero."""

from __future__ import annotations

import torch

from vdeblur.models import StreamNetwork, build

TINY = {"quarter": 8, "eighth": 8}
CONFIGS = {"convlstm": TINY | {"hidden": 8, "neighbour": 4}, "cnn": TINY}
"""By kind; a kind that is missing here is built with TINY."""


def tiny(kind: str, seed: int = 0, residual: float = 1.0) -> StreamNetwork:
    """A network whose residual is about 0.1 times `residual`; 0 leaves the head at zero, as training finds it."""
    torch.manual_seed(seed)
    network = build(kind, CONFIGS.get(kind, TINY))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("decoder.head"):
                parameter.normal_(std=0.02 * residual)
            elif "peephole" in name:
                parameter.normal_(std=0.5)
    return network.eval()
