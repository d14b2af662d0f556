"""The recurrent network: a peephole ConvLSTM whose state is aligned to each frame by optical flow.

Its inputs are the frame, the previous frame *as restored*, and the next frame, both neighbours warped to the centre
along optical flow (frame recurrence, Sajjadi et al. 2018). The features of both neighbours and the hidden and cell
state are warped likewise, so that the state follows the scene, and detail that was restored once is reused.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..recurrence import LUMA_RANGE, MOTION_SCALE, REHEARSED, Encoded, Motion, RecurrentState
from .ladder import Decoder, Encoder, LadderConfig, activate, initialise, radius, space_to_depth, zero
from .network import StreamNetwork


@dataclass(frozen=True)
class ConvLSTMConfig(LadderConfig):
    """Widths and depths of the ladder and of the recurrent cell."""

    hidden: int = 32
    """Channels of h and c, at 1/8 scale."""
    carry: float = 0.8
    """Decay per frame of h, of c and of the fed-back residual, 0..1. Below 1 the past fades, so that a run started
    anywhere converges to the same frames."""
    neighbour: int = 24
    """Channels of the features, at 1/8 scale, that neighbouring frames use."""
    retention: float = 0.8
    """Upper bound of the forget gate, 0..1: the largest share of c that a step may keep; see `carry`."""


class Aligned(NamedTuple):
    """The inputs of `ConvLSTM.compute`, all aligned to the centre."""

    beside: Tensor
    """(n, 32, h/2, w/2): folded luma of the restored past frame and of the future frame, each minus the centre's."""
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
    """The features of a frame."""

    skip: Tensor
    """(n, quarter, h/2, w/2)."""
    deep: Tensor
    """(n, eighth, h/4, w/4)."""
    neighbour: Tensor
    """(n, neighbour, h/4, w/4): used by the frames before and after this one."""


class Gates(NamedTuple):
    """Gates of one step, each (n, hidden, h, w); see `PeepholeCell`."""

    i: Tensor
    f: Tensor
    o: Tensor
    g: Tensor


class PeepholeCell(nn.Module):
    """ConvLSTM cell with peepholes (Shi et al. 2015, but the output gate reads c(t-1)).

    With W* the input's and U* the hidden state's convolutions, P* a weight per channel, s the logistic function:

        i = s(Wi x + Ui h(t-1) + Pi c(t-1))      f = s(Wf x + Uf h(t-1) + Pf c(t-1))
        o = s(Wo x + Uo h(t-1) + Po c(t-1))      g = tanh(Wg x + Ug h(t-1))
        c(t) = f c(t-1) + i g                    h(t) = o tanh c(t)

    With `retention` r < 1 the forget gate is r f instead of f. W is 1x1, since its input comes from 3x3 convolutions;
    U is 3x3. W holds the biases; that of the forget gate is initialised to 1, so that untrained cells keep their state.
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
    """The past frame, the centre and the future frame -> residual of the centre."""

    past = 1
    future = 1
    uses_motion = True
    settles = True
    in_float32 = 2  # h and c

    def __init__(self, config: ConvLSTMConfig) -> None:
        super().__init__()
        self.config: ConvLSTMConfig = config
        self.encoder = Encoder(config)
        self.to_neighbour = nn.Conv2d(config.eighth, config.neighbour, 1)
        self.fuse = nn.Conv2d(config.eighth + 2 * config.neighbour, config.eighth, 3, padding=1)
        self.motion = zero(nn.Conv2d(4, config.eighth, 1, bias=False))
        self.cell = PeepholeCell(config.eighth, config.hidden, config.retention)
        self.recall = nn.Conv2d(config.hidden, config.eighth, 1)
        # Luma is aligned to the centre, so a 1x1 convolution, over 4x4 pixels each, is enough.
        self.beside = zero(nn.Conv2d(2 * 16, config.quarter, 1, bias=False))
        self.decoder = Decoder(config)
        initialise(self)
        with torch.no_grad():
            bias = self.cell.from_input.bias
            assert bias is not None
            bias[config.hidden : 2 * config.hidden] = 1.0

    @property
    def reach(self) -> tuple[int, int]:
        """Radius of the receptive field in cells."""
        coarse = radius(self.fuse) + radius(self.cell.from_hidden)
        return self.encoder.reach, ceil(coarse / 2) + self.decoder.reach

    def encode(self, frame: Tensor) -> Features:
        """(n, 6, h, w) -> features."""
        skip, deep = self.encoder(frame)
        return Features(skip, deep, activate(self.to_neighbour(deep)))

    def align(
        self,
        centre: Encoded[Tensor],
        future: Encoded[Tensor] | None,
        motion: Motion[Tensor] | None,
        state: RecurrentState[Tensor] | None,
    ) -> Aligned:
        """Warp the state and the future frame to the centre; see `StreamNetwork.align`."""
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
        """The fields of `Aligned` -> residual (n, 6, h, w), next h, next c."""
        beside, motion, skip, deep, past, future, h, c = aligned
        features = activate(self.fuse(torch.cat([deep, past, future], dim=1)) + self.motion(motion))
        h, c = self.cell.step(features, h, c)
        return self.decoder(features + self.recall(h.to(features.dtype)), skip + self.beside(beside)), h, c

    def remember(self, centre: Encoded[Tensor], computed: tuple[Tensor, ...]) -> RecurrentState[Tensor]:
        """The next state, with the restored frame."""
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
        """A clip, frame by frame; without a state it begins a scene.

        Gradients flow through h and c, but not through the restored frames.
        """
        n, t = clip.shape[:2]
        if motion is None:
            motion = clip.new_zeros(n, t, 4, *clip.shape[3:], dtype=torch.float32)
        encoded = self.encode(clip.flatten(0, 1))
        sees = None if look_ahead is None else look_ahead.view(n, 1, 1, 1)
        features = [Features(*part) for part in zip(*(x.unflatten(0, (n, t)).unbind(1) for x in encoded), strict=True)]
        frames = [Encoded(*pair) for pair in zip(clip.unbind(1), features, strict=True)]
        flows = [Motion(*flow.chunk(2, dim=1)) for flow in motion.unbind(1)]
        if sees is not None:
            flows = [flow._replace(to_future=flow.to_future * sees) for flow in flows]
        if state is None:
            state = self.begin(frames[: 1 + REHEARSED], [flow.to_future for flow in flows])
            if sees is not None:
                alone = self.begin(frames[:1])
                state = RecurrentState(*(torch.where(sees, *pair) for pair in zip(state, alone, strict=True)))
            if t > 1:  # the state is of the frame after it
                flows[0] = flows[0]._replace(to_past=flows[0].to_future)
        residuals = []
        for centre, future, flow in zip(frames, [*frames[1:], frames[-1]], flows, strict=True):
            if sees is not None:
                seen = torch.where(sees, future.features[-1], centre.features[-1])
                future = Encoded(torch.where(sees, future.frame, centre.frame), (*future.features[:-1], seen))
            residual, state = self.restore(centre, future, flow, state)
            residuals.append(residual)
        return torch.stack(residuals, dim=1), state


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """x (n, c, h, w) sampled bilinearly at each position plus flow (n, 2, h, w), with repeated edges; float32."""
    height, width = flow.shape[2:]
    columns = torch.arange(width, device=flow.device, dtype=torch.float32)
    rows = torch.arange(height, device=flow.device, dtype=torch.float32)[:, None]
    flow = flow.float()
    grid = torch.stack(
        [(flow[:, 0] + columns + 0.5) * (2 / width) - 1, (flow[:, 1] + rows + 0.5) * (2 / height) - 1], dim=-1
    )
    return F.grid_sample(x.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


def warp_luma(phases: Tensor, flow: Tensor) -> Tensor:
    """Warp luma, given as four phases (n, 4, h, w), at full resolution; flow is in samples of the phases."""
    fine = 2 * F.interpolate(flow.float(), scale_factor=2.0, mode="bilinear", align_corners=False)
    return F.pixel_unshuffle(warp(F.pixel_shuffle(phases, 2), fine), 2).to(phases.dtype)
