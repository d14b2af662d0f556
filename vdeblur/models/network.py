"""StreamNetwork: the interface of every network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..recurrence import Encoded, Motion
from .ladder import Decoder, Encoder, LadderConfig


class StreamNetwork(nn.Module, ABC):
    """Restores one frame after another. The state is an argument and a result; a network keeps no other memory.

    Each frame is encoded once, on its own. A step is `align`, which warps the state and the neighbours to the centre,
    and `compute`. `align` may read any distance; `encode` and `compute` read no further than `reach`, and so they can
    run in tiles.
    """

    past: ClassVar[int]
    """Frames before the centre that a step reads, besides the state."""
    future: ClassVar[int]
    uses_motion: ClassVar[bool]
    """Whether `align` needs optical flow."""
    settles: ClassVar[bool] = False
    """Whether a scene begins with a state of its own; see `begin`."""
    in_float32: ClassVar[int] = 0
    """How many inputs of `compute`, the last ones, stay in float32 at every precision."""
    config: LadderConfig
    encoder: Encoder
    decoder: Decoder

    @property
    @abstractmethod
    def reach(self) -> tuple[int, int]:
        """Radius, in cells, of the receptive fields of `encode` and of `compute`: the overlap that tiles need.

        Inputs and outputs of both are tensors (n, c, h, w) with a whole number of samples per cell.
        """

    @abstractmethod
    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """A frame (n, 6, h, w) -> features."""

    @abstractmethod
    def align(
        self, centre: Encoded[Tensor], future: Encoded[Tensor] | None, motion: Motion[Tensor] | None, state: Any
    ) -> tuple[Tensor, ...]:
        """The centre, the frame after it, flow and state -> the inputs of `compute`.

        `state` is None at the start of a scene, `future` at its end or in a live stream, `motion` without motion.
        """

    @abstractmethod
    def compute(self, *aligned: Tensor) -> tuple[Tensor, ...]:
        """The residual of the centre (n, 6, h, w), followed by tensors for `remember`."""

    @abstractmethod
    def remember(self, centre: Encoded[Tensor], computed: tuple[Tensor, ...]) -> Any:
        """The state for the next frame, from the centre and the outputs of `compute`.

        None, a tensor, or a named tuple of tensors.
        """

    def restore(
        self,
        centre: Encoded[Tensor],
        future: Encoded[Tensor] | None = None,
        motion: Motion[Tensor] | None = None,
        state: Any = None,
    ) -> tuple[Tensor, Any]:
        """One frame -> its residual (n, 6, h, w) and the next state; without a state it begins a scene by itself."""
        state = self.begin([centre]) if state is None else state
        computed = self.compute(*self.align(centre, future, motion, state))
        return computed[0], self.remember(centre, computed)

    def begin(self, frames: Sequence[Encoded[Tensor]], to_next: Sequence[Tensor] = ()) -> Any:
        """The state before the first of a scene's `frames`; no gradient flows through it.

        It is what the frames after the first leave, run through backwards, and what the first one leaves if there are
        none. `to_next` has the flow (n, 2, h, w) of each frame but the last to the one after it. From nothing a network
        restores the first frame more boldly than the next ones: it does harm more often, and where the picture stands
        still it is seen to jump.
        """
        if not self.settles:
            return None
        with torch.no_grad():
            state = None
            for k in reversed(range(min(1, len(frames) - 1), len(frames))):
                motion = Motion(to_next[k], torch.zeros_like(to_next[k])) if state is not None else None
                state = self.remember(frames[k], self.compute(*self.align(frames[k], None, motion, state)))
        return state

    def encoded(self, frame: Tensor) -> Encoded[Tensor]:
        """A frame (n, 6, h, w) with its features."""
        return Encoded(frame, self.encode(frame))

    @abstractmethod
    def forward(
        self, clip: Tensor, motion: Tensor | None = None, state: Any = None, look_ahead: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """For training: a clip (n, t, 6, h, w) -> residuals of the same shape, and the state after it.

        `motion` is (n, t, 4, h, w): x, y to the past, x, y to the future. `look_ahead`, bool (n,), selects the clips
        that may use future frames; the others use the centre instead, as live streams do.
        """
