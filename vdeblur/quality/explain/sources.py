"""The sources of a residual, each of which can be removed.

A removed source is replaced by what the network gets at the start of a scene: a neighbouring frame by the centre
itself, without motion, and the carried state by zeros. Without any other source, the residual is that for the frame
alone. What the first frame of a scene finds as a state is its own (`StreamNetwork.begin`), and counts as the frame.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from ...models import StreamNetwork
from ...models.convlstm import Aligned
from ...recurrence import Encoded, Motion

THIS, BEFORE, AFTER, STATE = SOURCES = ("this frame", "frame before", "frame after", "carried state")
"""The frame before consists of its restored luma and its features, the carried state of h and c. All are warped."""


class NetworkStream:
    """A network on one stream of frames. `align` begins a scene, `advance` changes the state."""

    def __init__(self, network: StreamNetwork) -> None:
        self.network = network
        self.state: Any = None
        """The state before the next step."""

    def align(
        self, centre: Encoded[Tensor], future: Encoded[Tensor] | None, motion: Motion[Tensor], is_scene_start: bool
    ) -> tuple[Tensor, ...]:
        """The inputs of the network for the centre; see `StreamNetwork.align`."""
        if is_scene_start or self.state is None:
            self.state = self.network.begin([centre])
        return self.network.align(centre, future, motion, self.state)

    def alone(self, centre: Encoded[Tensor], is_scene_start: bool) -> tuple[Tensor, ...]:
        """The inputs with only the centre."""
        return self.network.align(centre, None, None, self.network.begin([centre]) if is_scene_start else None)

    def answer(self, aligned: tuple[Tensor, ...]) -> Tensor:
        """The residual (n, 6, h, w), float32."""
        return self.network.compute(*aligned)[0].float()

    def advance(self, centre: Encoded[Tensor], aligned: tuple[Tensor, ...]) -> Tensor:
        """The residual; updates the state."""
        computed = self.network.compute(*aligned)
        self.state = self.network.remember(centre, computed)
        return computed[0].float()


def present(aligned: tuple[Tensor, ...], is_scene_start: bool, has_future: bool) -> tuple[str, ...]:
    """The sources present besides the frame itself."""
    if not isinstance(aligned, Aligned):
        return ()
    return (*(() if is_scene_start else (BEFORE, STATE)), *((AFTER,) if has_future else ()))


def only(aligned: tuple[Tensor, ...], alone: tuple[Tensor, ...], kept: Collection[str]) -> tuple[Tensor, ...]:
    """The inputs with all sources removed except the frame itself and those `kept`.

    `alone` are the inputs with only the centre.
    """
    if not isinstance(aligned, Aligned) or not isinstance(alone, Aligned):
        return aligned
    before, after, state = ((aligned if source in kept else alone) for source in (BEFORE, AFTER, STATE))
    beside = [before.beside.chunk(2, dim=1)[0], after.beside.chunk(2, dim=1)[1]]
    moved = aligned if {BEFORE, STATE} & set(kept) else alone
    motion = [moved.motion.chunk(2, dim=1)[0], after.motion.chunk(2, dim=1)[1]]
    return aligned._replace(
        beside=torch.cat(beside, dim=1),
        motion=torch.cat(motion, dim=1),
        past=before.past,
        future=after.future,
        h=state.h,
        c=state.c,
    )
