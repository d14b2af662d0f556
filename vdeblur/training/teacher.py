"""Teachers: networks whose mean restoration is a target with less chance in it than the sharp truth.

Most of what a blurred clip has lost cannot be told from it, so most of the error against the truth teaches nothing, yet
all of it shakes the gradient. A mean over several networks, each shown the clip turned or mirrored in another way, is
closer to what can be told than any of them alone, and a student comes close to it in far fewer steps (distillation,
Hinton et al. 2015; over transformed views, Radosavovic et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..backends import checkpoints
from ..backends.symmetries import SYMMETRIES, turn, undo
from .packed import Bytes, fold, from_network, planes_of, psnr_of, to_network, unfold
from .supply import motion_of


@dataclass(frozen=True)
class Teaching:
    """Who teaches what."""

    models: tuple[str, ...]
    """Model files; one may be named more than once."""
    views: int
    """Symmetries that the mean is over, 1..8; view k is shown to model k, in turn."""
    worse_than: float
    """dB: clips blurred less than this are taught by the truth, which says best what must be left alone."""


class Teacher:
    """The mean over some symmetries of what some models make of a clip."""

    def __init__(self, teaching: Teaching, device: torch.device | str = "cpu") -> None:
        """Raises ModelError for a file that is not a model."""
        self._worse_than, self._device = teaching.worse_than, torch.device(device)
        networks = [checkpoints.load(model).network().requires_grad_(False) for model in teaching.models]
        for network in networks:
            network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._views = [(networks[k % len(networks)], SYMMETRIES[k]) for k in range(teaching.views)]

    def __call__(self, clip: Bytes) -> Bytes:
        """A packed clip (2, frames, 3/2 size, size), blurred and sharp, as it should be restored; without the 2."""
        return self._restore(clip[0]) if psnr_of(clip) < self._worse_than else clip[1]

    @torch.no_grad()
    def _restore(self, packed: Bytes) -> Bytes:
        blurred = to_network(torch.from_numpy(fold(planes_of(packed))).to(self._device))[None]
        residual = torch.zeros_like(blurred)
        for network, symmetry in self._views:
            turned = turn(blurred, symmetry)
            residual += undo(network.forward(turned, motion_of(turned))[0], symmetry)
        return unfold(from_network(blurred + residual / len(self._views))[0].cpu().numpy())
