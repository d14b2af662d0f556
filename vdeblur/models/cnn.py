"""The per-frame restorer: the same ladder without neighbours and without a state."""

from __future__ import annotations

from torch import Tensor

from .ladder import Decoder, Encoder, LadderConfig, initialise, space_to_depth
from .network import Motion, StreamNetwork


class CNN(StreamNetwork):
    """One frame -> its residual. For stills, dropped frames, and when the recurrent result is not finite."""

    past = 0
    future = 0
    uses_motion = False

    def __init__(self, config: LadderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        initialise(self)

    @property
    def reach(self) -> int:
        """Cells."""
        return self.encoder.reach + self.decoder.reach

    def align(self, centre: Tensor, future: Tensor | None, motion: Motion | None, state: None) -> tuple[Tensor, ...]:
        """The centre alone, folded by two: (n, 24, h/2, w/2)."""
        return (space_to_depth(centre),)

    def compute(self, *aligned: Tensor) -> tuple[Tensor]:
        """The folded frame -> residual (n, 6, h, w)."""
        (frame,) = aligned
        skip, features = self.encoder(frame)
        return (self.decoder(features, skip),)

    def remember(self, centre: Tensor, computed: tuple[Tensor, ...]) -> None:
        """Nothing."""

    def forward(
        self, clip: Tensor, motion: Tensor | None = None, state: None = None, look_ahead: Tensor | None = None
    ) -> tuple[Tensor, None]:
        """A whole clip at once, frame by frame."""
        residual, _ = self.restore(clip.flatten(0, 1))
        return residual.unflatten(0, clip.shape[:2]), None
