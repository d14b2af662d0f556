"""StreamNetwork: what every network promises, and the tensors that go in and out of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from .ladder import Decoder, Encoder, LadderConfig


class Motion(NamedTuple):
    """Optical flow from the centre to its neighbours, in samples of the half-scale planes.

    A sample at (x, y) of the centre is seen at (x, y) + flow in the neighbour. Zero where there is no neighbour.
    """

    to_past: Tensor
    """(n, 2, h, w): x, then y."""
    to_future: Tensor
    """(n, 2, h, w)."""


class StreamNetwork(nn.Module, ABC):
    """Frames are restored one after another; a state goes in and comes out, and nothing else is kept.

    A step is `align`, which brings what the state and the neighbours hold to where the centre shows it and may look any
    distance far, and `compute`, which looks no further than `reach`: so tiles are cut between the two.
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
    def reach(self) -> int:
        """How many cells beyond a sample's own `compute` looks into its inputs.

        Its inputs and outputs are tuples of tensors (n, c, h, w), each with a whole number of samples per cell: so a
        tile of them, with margins of this width, stands for the whole.
        """

    @abstractmethod
    def align(self, centre: Tensor, future: Tensor | None, motion: Motion | None, state: Any) -> tuple[Tensor, ...]:
        """The centre and the frame after it (n, 6, h, w), flow and state -> what `compute` takes.

        `state` None is the start of a scene, `future` None its end or a live stream, `motion` None no motion.
        """

    @abstractmethod
    def compute(self, *aligned: Tensor) -> tuple[Tensor, ...]:
        """Residual of the centre (n, 6, h, w), then what `remember` makes the next state of."""

    @abstractmethod
    def remember(self, centre: Tensor, computed: tuple[Tensor, ...]) -> Any:
        """The state for the next frame, from the centre and all that `compute` gave."""

    def restore(
        self, centre: Tensor, future: Tensor | None = None, motion: Motion | None = None, state: Any = None
    ) -> tuple[Tensor, Any]:
        """One frame -> its residual (n, 6, h, w), and the next state."""
        computed = self.compute(*self.align(centre, future, motion, state))
        return computed[0], self.remember(centre, computed)

    @abstractmethod
    def forward(
        self, clip: Tensor, motion: Tensor | None = None, state: Any = None, look_ahead: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """A clip (n, t, 6, h, w) -> residuals of the same shape, and the state after it; for training.

        `motion` is (n, t, 4, h, w): x and y to the past, then to the future. `look_ahead` (n,) of bool says which clips
        may see future frames; the others see their centre in their place, as a live stream does.
        """
