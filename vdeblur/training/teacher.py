"""Teachers: networks whose mean restoration is a less noisy target than the sharp ground truth.

Most of a small network's error against the truth cannot be learnt, and only shakes its gradient. The mean of larger
networks over symmetric views errs less than any of them, and is what a student can come near to (distillation,
Hinton et al. 2015; over transformed views, Radosavovic et al. 2018). Each batch is restored once, whole, and serves all
steps that the batch does: so the steps on single frames learn from a teacher that saw their neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..backends import checkpoints
from ..backends.pytorch import choose_precision
from ..backends.symmetries import SYMMETRIES, turn, turn_flow, undo
from .supply import Batch, to_network


class Teacher:
    """The mean over some symmetries of what some models make of clips; the models take turns."""

    def __init__(self, models: Sequence[str], views: int, device: torch.device) -> None:
        """Raises ModelError for a file that is not a model."""
        networks = [checkpoints.load(model).network().requires_grad_(False).to(device) for model in models]
        for network in networks:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._views = [(networks[k % len(networks)], SYMMETRIES[k]) for k in range(views)]
        self._autocast = choose_precision("auto", str(device)) == "bf16"

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Tensor:
        """The clips as they should be restored, (n, t, 6, h, w)."""
        blurred, motion = to_network(batch.blurred), batch.motion.float()
        residual = torch.zeros_like(blurred)
        with torch.autocast(blurred.device.type, torch.bfloat16, enabled=self._autocast):
            for network, symmetry in self._views:
                flow = turn_flow(motion.unflatten(2, (2, 2)), symmetry).flatten(2, 3)
                residual += undo(network(turn(blurred, symmetry), flow)[0], symmetry)
        return blurred + residual / len(self._views)
