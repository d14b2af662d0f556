"""StreamNetwork: the interface of every network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from ..recurrence import Encoded, Motion
from .ladder import Decoder, Encoder, LadderConfig


class StreamNetwork(nn.Module, ABC):
    """Frames are restored one after another; a state goes in and comes out, and nothing else is kept.

    Each frame is encoded once, by itself, whichever steps look at it. A step is `align`, which brings what the state
    and the neighbours hold to where the centre shows it and may look any distance far, and `compute`. `encode` and
    `compute` look no further than their reach: so tiles are cut for the two.
    """

    past: ClassVar[int]
    """Frames before the centre that a step looks at besides its state."""
    future: ClassVar[int]
    uses_motion: ClassVar[bool]
    """Whether `align` wants optical flow."""
    config: LadderConfig
    encoder: Encoder
    decoder: Decoder

    @property
    @abstractmethod
    def reach(self) -> tuple[int, int]:
        """How many cells beyond a sample's own `encode` and `compute` look into their inputs.

        Their inputs and outputs are tuples of tensors (n, c, h, w), each with a whole number of samples per cell: so a
        tile of them, with margins of this width, stands for the whole.
        """

    @abstractmethod
    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """A frame (n, 6, h, w) -> its features."""

    @abstractmethod
    def align(
        self, centre: Encoded[Tensor], future: Encoded[Tensor] | None, motion: Motion[Tensor] | None, state: Any
    ) -> tuple[Tensor, ...]:
        """The centre and the frame after it, flow and state -> what `compute` takes.

        `state` None is the start of a scene, `future` None its end or a live stream, `motion` None no motion.
        """

    @abstractmethod
    def compute(self, *aligned: Tensor) -> tuple[Tensor, ...]:
        """Residual of the centre (n, 6, h, w), then what `remember` makes the next state of."""

    @abstractmethod
    def remember(self, centre: Encoded[Tensor], computed: tuple[Tensor, ...]) -> Any:
        """The state for the next frame, from the centre and all that `compute` gave."""

    def restore(
        self,
        centre: Encoded[Tensor],
        future: Encoded[Tensor] | None = None,
        motion: Motion[Tensor] | None = None,
        state: Any = None,
    ) -> tuple[Tensor, Any]:
        """One frame -> its residual (n, 6, h, w), and the next state."""
        computed = self.compute(*self.align(centre, future, motion, state))
        return computed[0], self.remember(centre, computed)

    def encoded(self, frame: Tensor) -> Encoded[Tensor]:
        """A frame (n, 6, h, w) beside its features."""
        return Encoded(frame, self.encode(frame))

    @abstractmethod
    def forward(
        self, clip: Tensor, motion: Tensor | None = None, state: Any = None, look_ahead: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """A clip (n, t, 6, h, w) -> residuals of the same shape, and the state after it; for training.

        `motion` is (n, t, 4, h, w): x and y to the past, then to the future. `look_ahead` (n,) of bool says which clips
        may see future frames; the others see their centre in their place, as a live stream does.
        """
