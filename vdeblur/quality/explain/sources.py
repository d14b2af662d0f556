"""What one answer of a network is made from: its sources, each of which can be left out.

A source that is left out is replaced by what the network is shown where there is nothing: a neighbouring frame by the
centre itself, unmoved, and the carried state by the zeros that a scene begins with. So an answer without any of them
is what the network makes of the one frame alone, and an answer without one is as if that had never been.
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
"""The frame before is seen as it was restored, and by its features; the carried state is the cell's h and c. All are
warped along flow."""


class NetworkStream:
    """A network along one stream of frames. `look` and `answer` change nothing; `go_on` carries the state along."""

    def __init__(self, network: StreamNetwork) -> None:
        self.network = network
        self.state: Any = None
        """What the next step starts from."""

    def look(
        self, centre: Encoded[Tensor], future: Encoded[Tensor] | None, motion: Motion[Tensor], is_scene_start: bool
    ) -> tuple[Tensor, ...]:
        """All that the network computes the centre's residual from; see `StreamNetwork.align`."""
        return self.network.align(centre, future, motion, None if is_scene_start else self.state)

    def alone(self, centre: Encoded[Tensor]) -> tuple[Tensor, ...]:
        """The same where there is nothing but the centre."""
        return self.network.align(centre, None, None, None)

    def answer(self, aligned: tuple[Tensor, ...]) -> Tensor:
        """The residual (n, 6, h, w), float32."""
        return self.network.compute(*aligned)[0].float()

    def go_on(self, centre: Encoded[Tensor], aligned: tuple[Tensor, ...]) -> Tensor:
        """The residual, and its state carried to the next frame."""
        computed = self.network.compute(*aligned)
        self.state = self.network.remember(centre, computed)
        return computed[0].float()


def present(aligned: tuple[Tensor, ...], is_scene_start: bool, has_future: bool) -> tuple[str, ...]:
    """The sources beyond the frame itself that are there."""
    if not isinstance(aligned, Aligned):
        return ()
    return (*(() if is_scene_start else (BEFORE, STATE)), *((AFTER,) if has_future else ()))


def only(aligned: tuple[Tensor, ...], alone: tuple[Tensor, ...], kept: Collection[str]) -> tuple[Tensor, ...]:
    """The same with every source beyond the frame itself left out, save those that are `kept`.

    `alone` is what the network is shown of the same frame where there is nothing else.
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
