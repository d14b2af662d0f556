"""The per-frame network: the same encoder and decoder, without neighbouring frames and without a state."""

from __future__ import annotations

from torch import Tensor

from ..recurrence import Encoded, Motion
from .ladder import Decoder, Encoder, LadderConfig, initialise
from .network import StreamNetwork


class CNN(StreamNetwork):
    """One frame -> its residual. For stills, dropped frames, and frames whose recurrent result is not finite."""

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
    def reach(self) -> tuple[int, int]:
        """Radius of the receptive field in cells."""
        return self.encoder.reach, self.decoder.reach

    def encode(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 6, h, w) -> the skip connection and the features."""
        skip, features = self.encoder(frame)
        return skip, features

    def align(
        self, centre: Encoded[Tensor], future: Encoded[Tensor] | None, motion: Motion[Tensor] | None, state: None
    ) -> tuple[Tensor, ...]:
        """The centre's features only."""
        return centre.features

    def compute(self, *aligned: Tensor) -> tuple[Tensor]:
        """The skip and the features -> residual (n, 6, h, w)."""
        skip, features = aligned
        return (self.decoder(features, skip),)

    def remember(self, centre: Encoded[Tensor], computed: tuple[Tensor, ...]) -> None:
        """None: there is no state."""

    def forward(
        self, clip: Tensor, motion: Tensor | None = None, state: None = None, look_ahead: Tensor | None = None
    ) -> tuple[Tensor, None]:
        """All frames of a clip as one batch."""
        residual, _ = self.restore(self.encoded(clip.flatten(0, 1)))
        return residual.unflatten(0, clip.shape[:2]), None
