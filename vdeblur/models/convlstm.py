"""The recurrent restorer: a peephole ConvLSTM whose state travels along the stream and moves with the scene.

Each frame is seen beside the frame before it *as it was restored* and the frame after it, both warped along optical
flow to where the centre shows the same things (frame recurrence, Sajjadi et al. 2018). The features of both neighbours,
and the cell's h and c, are warped alike. So the state arrives where the scene has moved to, and detail that was once
restored need not be found again.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..recurrence import LUMA_RANGE, MOTION_SCALE, Encoded, Motion, RecurrentState
from .ladder import Decoder, Encoder, LadderConfig, activate, initialise, radius, space_to_depth, zero
from .network import StreamNetwork


@dataclass(frozen=True)
class ConvLSTMConfig(LadderConfig):
    """The ladder's shape, and the cell's."""

    hidden: int = 32
    """Channels of h and c, at 1/8 scale."""
    carry: float = 0.8
    """Share of h, of c and of a frame's change that goes on to the next frame, 0..1: under 1 all of them are bound to
    fade, so that a run begun anywhere comes to the same frames after a while."""
    neighbour: int = 24
    """Channels of the features, at 1/8 scale, that a frame shows its neighbours."""
    retention: float = 0.8
    """Largest share of the cell that a step may keep, 0..1: the forget gate's ceiling. Under 1 what a frame left in
    the state is bound to fade, so that a run begun anywhere comes to the same frames after a while."""


class Aligned(NamedTuple):
    """What a step computes from, every part where the centre shows it."""

    beside: Tensor
    """(n, 32, h/2, w/2): luma of the past frame as restored, and of the future frame, less the centre's; folded."""
    motion: Tensor
    """(n, 4, h/4, w/4): flow to past and future, scaled."""
    skip: Tensor
    """(n, quarter, h/2, w/2): the centre's features."""
    deep: Tensor
    """(n, eighth, h/4, w/4)."""
    past: Tensor
    """(n, neighbour, h/4, w/4): features of the past frame."""
    future: Tensor
    h: Tensor
    """(n, hidden, h/4, w/4)."""
    c: Tensor


class Features(NamedTuple):
    """What a frame is encoded to."""

    skip: Tensor
    """(n, quarter, h/2, w/2)."""
    deep: Tensor
    """(n, eighth, h/4, w/4)."""
    neighbour: Tensor
    """(n, neighbour, h/4, w/4): what the frames beside this one see of it."""


class Gates(NamedTuple):
    """What the cell decides in a step, each (n, hidden, h, w): see `PeepholeCell`."""

    i: Tensor
    f: Tensor
    o: Tensor
    g: Tensor


class PeepholeCell(nn.Module):
    """ConvLSTM cell with peepholes (Shi et al. 2015, with the output gate looking at c(t-1)).

    With W* the input's and U* the hidden state's convolutions, P* a weight per channel, s the logistic function:

        i = s(Wi x + Ui h(t-1) + Pi c(t-1))      f = s(Wf x + Uf h(t-1) + Pf c(t-1))
        o = s(Wo x + Uo h(t-1) + Po c(t-1))      g = tanh(Wg x + Ug h(t-1))
        c(t) = f c(t-1) + i g                    h(t) = o tanh c(t)

    With `retention` r < 1 the forget gate is r f in place of f. W is 1x1 (its input has just been through 3x3
    convolutions), U is 3x3. Biases stand in W; the forget gate's starts at 1 so that the state is kept until training
    finds reasons to forget.
    """

    def __init__(self, inputs: int, hidden: int, retention: float = 1.0) -> None:
        super().__init__()
        self.hidden, self.retention = hidden, retention
        self.from_input = nn.Conv2d(inputs, 4 * hidden, 1)
        self.from_hidden = nn.Conv2d(hidden, 4 * hidden, 3, padding=1, bias=False)
        self.peephole = nn.Parameter(torch.zeros(3, hidden, 1, 1))

    def gates(self, x: Tensor, h: Tensor, c: Tensor) -> Gates:
        """The gates of a step from x (n, inputs, h, w), h and c (n, hidden, h, w), in float32."""
        gates = self.from_input(x) + self.from_hidden(h.to(x.dtype))
        i, f, o, g = gates.float().chunk(4, dim=1)
        peep_i, peep_f, peep_o = self.peephole.float()
        i = torch.sigmoid(i + peep_i * c)
        f = self.retention * torch.sigmoid(f + peep_f * c)
        o = torch.sigmoid(o + peep_o * c)
        return Gates(i, f, o, torch.tanh(g))

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """One time step: x (n, inputs, h, w), h and c (n, hidden, h, w) -> the next h and c, in float32."""
        i, f, o, g = self.gates(x, h, c)
        c = f * c + i * g
        return o * torch.tanh(c), c


class ConvLSTM(StreamNetwork):
    """One past, the centre and one future frame -> residual of the centre, with a state that goes in and out."""

    past = 1
    future = 1
    uses_motion = True

    def __init__(self, config: ConvLSTMConfig) -> None:
        super().__init__()
        self.config: ConvLSTMConfig = config
        self.encoder = Encoder(config)
        self.to_neighbour = nn.Conv2d(config.eighth, config.neighbour, 1)
        self.fuse = nn.Conv2d(config.eighth + 2 * config.neighbour, config.eighth, 3, padding=1)
        self.motion = zero(nn.Conv2d(4, config.eighth, 1, bias=False))
        self.cell = PeepholeCell(config.eighth, config.hidden, config.retention)
        self.recall = nn.Conv2d(config.hidden, config.eighth, 1)
        # Luma arrives where the centre shows the same things, so that a convolution of single 4x4 pixels is enough.
        self.beside = zero(nn.Conv2d(2 * 16, config.quarter, 1, bias=False))
        self.decoder = Decoder(config)
        initialise(self)
        with torch.no_grad():
            bias = self.cell.from_input.bias
            assert bias is not None
            bias[config.hidden : 2 * config.hidden] = 1.0

    @property
    def reach(self) -> tuple[int, int]:
        """Cells."""
        coarse = radius(self.fuse) + radius(self.cell.from_hidden)
        return self.encoder.reach, ceil(coarse / 2) + self.decoder.reach

    def encode(self, frame: Tensor) -> Features:
        """(n, 6, h, w) -> its features."""
        skip, deep = self.encoder(frame)
        return Features(skip, deep, activate(self.to_neighbour(deep)))

    def align(
        self,
        centre: Encoded[Tensor],
        future: Encoded[Tensor] | None,
        motion: Motion[Tensor] | None,
        state: RecurrentState[Tensor] | None,
    ) -> Aligned:
        """Warp all that the state and the future frame hold to the centre; see `StreamNetwork.align`."""
        frame = centre.frame
        n, _, height, width = frame.shape
        skip, deep, own = centre.features
        luma = frame[:, :4]
        if motion is None:
            still = frame.new_zeros(n, 2, height, width, dtype=torch.float32)
            motion = Motion(still, still)
        to_past, to_future = (F.avg_pool2d(flow, 4) / 4 for flow in motion)
        if state is None:
            past, past_features = luma, own
            h = c = frame.new_zeros(n, self.config.hidden, height // 4, width // 4, dtype=torch.float32)
        else:
            past = warp_luma(state.restored, motion.to_past)
            sizes = [x.shape[1] for x in state[:3]]
            carried = torch.cat([x.float() for x in state[:3]], dim=1)
            h, c, past_features = warp(carried, to_past).split(sizes, dim=1)
        after, after_features = luma, own
        if future is not None:
            after = warp_luma(future.frame[:, :4], motion.to_future)
            after_features = warp(future.features[-1], to_future)
        beside = torch.cat([space_to_depth(x.to(luma.dtype) - luma) for x in (past, after)], dim=1)
        coarse = torch.cat([to_past, to_future], dim=1) * (4 * MOTION_SCALE)
        past_features, after_features = past_features.to(own.dtype), after_features.to(own.dtype)
        return Aligned(beside, coarse.to(frame.dtype), skip, deep, past_features, after_features, h, c)

    def compute(self, *aligned: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The parts of `Aligned` -> residual (n, 6, h, w), and the next h and c."""
        beside, motion, skip, deep, past, future, h, c = aligned
        features = activate(self.fuse(torch.cat([deep, past, future], dim=1)) + self.motion(motion))
        h, c = self.cell.step(features, h, c)
        return self.decoder(features + self.recall(h.to(features.dtype)), skip + self.beside(beside)), h, c

    def remember(self, centre: Encoded[Tensor], computed: tuple[Tensor, ...]) -> RecurrentState[Tensor]:
        """The next state, with the frame as it is now restored."""
        residual, h, c = computed
        carry = self.config.carry
        restored = (centre.frame + carry * residual.to(centre.frame.dtype))[:, :4].clamp(*LUMA_RANGE)
        return RecurrentState(carry * h, carry * c, centre.features[-1], restored.detach())

    def forward(
        self,
        clip: Tensor,
        motion: Tensor | None = None,
        state: RecurrentState[Tensor] | None = None,
        look_ahead: Tensor | None = None,
    ) -> tuple[Tensor, RecurrentState[Tensor]]:
        """A whole clip, frame by frame; gradients flow through h and c, not through the restored frames."""
        n, t = clip.shape[:2]
        if motion is None:
            motion = clip.new_zeros(n, t, 4, *clip.shape[3:], dtype=torch.float32)
        encoded = self.encode(clip.flatten(0, 1))
        sees = None if look_ahead is None else look_ahead.view(n, 1, 1, 1)
        features = [Features(*part) for part in zip(*(x.unflatten(0, (n, t)).unbind(1) for x in encoded), strict=True)]
        frames = [Encoded(*pair) for pair in zip(clip.unbind(1), features, strict=True)]
        residuals = []
        for centre, future, flow in zip(frames, [*frames[1:], frames[-1]], motion.unbind(1), strict=True):
            to_future = flow[:, 2:]
            if sees is not None:
                seen = torch.where(sees, future.features[-1], centre.features[-1])
                future = Encoded(torch.where(sees, future.frame, centre.frame), (*future.features[:-1], seen))
                to_future = to_future * sees
            residual, state = self.restore(centre, future, Motion(flow[:, :2], to_future), state)
            residuals.append(residual)
        assert state is not None
        return torch.stack(residuals, dim=1), state


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """x (n, c, h, w) sampled at each place plus flow (n, 2, h, w), bilinearly, edges repeated; float32."""
    height, width = flow.shape[2:]
    columns = torch.arange(width, device=flow.device, dtype=torch.float32)
    rows = torch.arange(height, device=flow.device, dtype=torch.float32)[:, None]
    flow = flow.float()
    grid = torch.stack(
        [(flow[:, 0] + columns + 0.5) * (2 / width) - 1, (flow[:, 1] + rows + 0.5) * (2 / height) - 1], dim=-1
    )
    return F.grid_sample(x.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


def warp_luma(phases: Tensor, flow: Tensor) -> Tensor:
    """Luma's four phases (n, 4, h, w) along flow in their samples, at luma's full size."""
    fine = 2 * F.interpolate(flow.float(), scale_factor=2.0, mode="bilinear", align_corners=False)
    return F.pixel_unshuffle(warp(F.pixel_shuffle(phases, 2), fine), 2).to(phases.dtype)
