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

from ...models import Motion, StreamNetwork
from ...models.convlstm import Aligned

THIS, BEFORE, AFTER, STATE = SOURCES = ("this frame", "frame before", "frame after", "carried state")
"""The frame before is seen as it was restored; the carried state is the cell's h and c. Both are warped along flow."""


class Stream:
    """A network along one stream of frames. `look` and `answer` change nothing; `go_on` carries the state along."""

    def __init__(self, network: StreamNetwork) -> None:
        self.network = network
        self.state: Any = None
        """What the next step starts from."""

    def look(self, centre: Tensor, future: Tensor | None, motion: Motion, is_scene_start: bool) -> tuple[Tensor, ...]:
        """All that the network computes the centre's residual from; see `StreamNetwork.align`."""
        return self.network.align(centre, future, motion, None if is_scene_start else self.state)

    def answer(self, aligned: tuple[Tensor, ...]) -> Tensor:
        """The residual (n, 6, h, w), float32."""
        return self.network.compute(*aligned)[0].float()

    def go_on(self, centre: Tensor, aligned: tuple[Tensor, ...]) -> Tensor:
        """The residual, and its state carried to the next frame."""
        computed = self.network.compute(*aligned)
        self.state = self.network.remember(centre, computed)
        return computed[0].float()


def present(aligned: tuple[Tensor, ...], is_scene_start: bool, has_future: bool) -> tuple[str, ...]:
    """The sources beyond the frame itself that are there."""
    if not isinstance(aligned, Aligned):
        return ()
    return (*(() if is_scene_start else (BEFORE, STATE)), *((AFTER,) if has_future else ()))


def only(aligned: tuple[Tensor, ...], kept: Collection[str]) -> tuple[Tensor, ...]:
    """The same with every source beyond the frame itself left out, save those that are `kept`."""
    if not isinstance(aligned, Aligned):
        return aligned
    centre, before, after = aligned.frames.chunk(3, dim=1)
    to_past, to_future = aligned.motion.chunk(2, dim=1)
    frames = [centre, before if BEFORE in kept else centre, after if AFTER in kept else centre]
    motion = [to_past if {BEFORE, STATE} & set(kept) else 0 * to_past, to_future if AFTER in kept else 0 * to_future]
    h, c = (x if STATE in kept else torch.zeros_like(x) for x in (aligned.h, aligned.c))
    return Aligned(torch.cat(frames, dim=1), torch.cat(motion, dim=1), h, c)
