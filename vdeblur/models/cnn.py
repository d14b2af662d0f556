"""The per-frame restorer: the same ladder without neighbours and without a state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from .ladder import Decoder, Encoder, LadderConfig, StreamNetwork, activate, initialise, radius, residual_blocks


class Features(NamedTuple):
    """One frame's encoding."""

    skip: Tensor
    """(n, quarter, h/2, w/2)."""
    deep: Tensor
    """(n, eighth, h/4, w/4)."""


class CNN(StreamNetwork):
    """One frame -> its residual. For stills, dropped frames, and when the recurrent result is not finite."""

    past = 0
    future = 0

    def __init__(self, config: LadderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.trunk = residual_blocks(config.eighth, config.trunk_blocks)
        self.decoder = Decoder(config)
        initialise(self)

    @property
    def reach(self) -> tuple[int, int]:
        """Cells."""
        return self.encoder.reach, radius(self.trunk) + self.decoder.reach

    def encode(self, picture: Tensor) -> Features:
        """Features of a frame, (n, 6, h, w)."""
        return Features(*self.encoder(picture))

    def restore(self, window: Sequence[Features], state: None) -> tuple[Tensor, None]:
        """A window of one frame -> its residual (n, 6, h, w); there is no state."""
        (features,) = window
        return self._finish(features), None

    def forward(self, clip: Tensor, state: None = None, look_ahead: Tensor | None = None) -> tuple[Tensor, None]:
        """A whole clip (n, t, 6, h, w) at once, frame by frame."""
        return self._finish(self.encode(clip.flatten(0, 1))).unflatten(0, clip.shape[:2]), None

    def _finish(self, features: Features) -> Tensor:
        residual: Tensor = self.decoder(activate(self.trunk(features.deep)), features.skip)
        return residual
