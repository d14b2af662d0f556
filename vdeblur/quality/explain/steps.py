"""Steps of a network along a stream, with everything known about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...backends.flow import FlowPlanes, flow_back, flow_between, half_luma
from ...backends.folding import fold, unfold
from ...backends.symmetries import SYMMETRIES, turn, turn_flow, undo
from ...errors import NonFiniteResult
from ...flow import Luma
from ...frames import Frame
from ...models import StreamNetwork
from ...recurrence import Encoded, Motion
from ...restorer import Restorer, State
from ...windows import Window
from . import certainty
from .attribution import Attribution, Check, attribute, check
from .cell import CellAtWork, at_work, watched
from .drawing import Map
from .motion import Field, velocity
from .reach import History, Moment, Reach
from .sources import NetworkStream, only, present


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A restored frame and what is known about it; None if not requested or not available for a filter."""

    window: Window
    restored: Frame
    is_fallback: bool = False
    """Whether the network's result was not finite, so that the frame is unchanged."""
    change: Map | None = None
    """Luma of the residual, 8-bit levels, (height, width)."""
    velocity: Field | None = None
    """Pixels per frame time, at half scale."""
    attribution: Attribution | None = None
    cell: CellAtWork | None = None
    deviation: Map | None = None
    """Spread over the views, 8-bit levels of luma, (height, width)."""


class FrameViews(NamedTuple):
    """A frame prepared for optical flow and, in each symmetric view, for the network."""

    frame: Frame
    luma: Luma
    views: list[Encoded[Tensor]]
    """One per symmetry."""


class NetworkSteps:
    """A network on several symmetric views of a stream, each with its own state."""

    past = future = 1

    def __init__(self, network: StreamNetwork, device: torch.device, views: int) -> None:
        """Compares `views` views, 1 to 8; 1 measures no certainty. The first, the frame itself, is the result."""
        self._network = network.to(device).eval().requires_grad_(False)
        self._device = device
        self._symmetries = SYMMETRIES[:views]
        self._streams = [NetworkStream(self._network) for _ in self._symmetries]
        self._history = History()
        self._seen: list[FrameViews] = []
        self._ahead: FlowPlanes | None = None
        """Flow from the last centre to the frame after it."""
        self._last: tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[str, ...], Attribution] | None = None

    @torch.no_grad()
    def step(self, window: Window, is_explained: bool, with_sources: bool = True) -> Step:
        """Restore the centre of a window of three frames, and explain it if requested, optionally with its sources."""
        past, now, future = (self._see(frame) for frame in window.frames)
        motion, centre = self._motion(past, now, future), now.views[0]
        stream = self._streams[0]
        is_start = window.is_scene_start or stream.state is None
        after = future if future is not now and self._network.future else None
        ahead = after.views[0] if after else None
        moment = Moment(centre.frame, ahead.frame if ahead else None, motion, None if is_start else stream.state)
        self._history.add(moment)
        aligned = stream.align(centre, ahead, motion, is_start)
        with watched(self._network) as inputs:
            residual = stream.advance(centre, aligned)
        residuals = [residual, *(self._view(k, now, after, motion, window) for k in range(1, len(self._streams)))]
        try:
            restored = unfold(window.centre, residual.cpu().numpy())
        except NonFiniteResult:
            self._streams = [NetworkStream(self._network) for _ in self._symmetries]
            return Step(window, window.centre, is_fallback=True)
        if not is_explained:
            return Step(window, restored)
        others = present(aligned, is_start, after is not None)
        found = None
        if with_sources:
            alone = stream.alone(centre, is_start)
            found = attribute(lambda kept: stream.answer(only(aligned, alone, kept)), others, residual)
            self._last = aligned, alone, others, found
        width, height = window.centre.size
        deviation = certainty.spread(residuals)[:height, :width] if len(residuals) > 1 else None
        change = certainty.luma(residual).cpu().numpy()[:height, :width]
        field = velocity(motion, past is not now, future is not now)
        cell = at_work(self._network, aligned, inputs[0], is_start) if inputs else None
        return Step(window, restored, False, change, field, found, cell, deviation)

    def check(self) -> Check | None:
        """Compare integrated gradients with the ablation for the last frame explained."""
        if self._last is None:
            return None
        return check(self._streams[0], *self._last)

    def reach(self, point: tuple[int, int]) -> Reach:
        """The influence on `point` of the last frame."""
        return self._history.reach(self._network, point)

    def _view(
        self, k: int, now: FrameViews, after: FrameViews | None, motion: Motion[Tensor], window: Window
    ) -> Tensor:
        symmetry, stream = self._symmetries[k], self._streams[k]
        flow = Motion(*(turn_flow(x, symmetry) for x in motion))
        aligned = stream.align(now.views[k], after.views[k] if after else None, flow, window.is_scene_start)
        return undo(stream.advance(now.views[k], aligned), symmetry)

    def _motion(self, past: FrameViews, now: FrameViews, future: FrameViews) -> Motion[Tensor]:
        """Flow from the centre to its neighbours, (1, 2, h, w) each; zero for a missing neighbour."""
        still = np.zeros((2, *now.luma.shape), np.float32)
        to_past = still if past is now or self._ahead is None else flow_back(self._ahead)
        self._ahead = None if future is now else flow_between(now.luma, future.luma)
        to_future = still if self._ahead is None else self._ahead
        return Motion(*(torch.from_numpy(flow)[None].to(self._device) for flow in (to_past, to_future)))

    def _see(self, frame: Frame) -> FrameViews:
        known = next((seen for seen in self._seen if seen.frame is frame), None)
        if known is None:
            planes = fold(frame)
            there = torch.from_numpy(planes).to(self._device)
            views = [self._network.encoded(_packed(turn(there, symmetry))) for symmetry in self._symmetries]
            known = FrameViews(frame, half_luma(planes), views)
            self._seen = [*self._seen[-2:], known]
        return known


class FilterSteps:
    """A classical filter, of which only the change is known."""

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer
        self.past, self.future = restorer.past, restorer.future
        self._state: State = None

    def step(self, window: Window, is_explained: bool) -> Step:
        """Restore the centre and compute the change."""
        state = None if window.is_scene_start else self._state
        restored, self._state = self._restorer.restore(window, state)
        if not is_explained:
            return Step(window, restored)
        before, after = (fold(frame)[:, :4] for frame in (window.centre, restored))
        width, height = window.centre.size
        change = certainty.luma(torch.from_numpy(after - before)).numpy()[:height, :width]
        return Step(window, restored, change=change)


def _packed(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
