"""The recurrent restorer: a window of frames into a peephole ConvLSTM whose state travels along the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .ladder import Decoder, Encoder, LadderConfig, StreamNetwork, activate, initialise, radius, residual_blocks


@dataclass(frozen=True)
class ConvLSTMConfig(LadderConfig):
    """The ladder's shape, and the cell's."""

    hidden: int = 32
    """Channels of h and c, at 1/8 scale."""
    neighbour: int = 32
    """Channels in which a frame shows itself to the windows of its neighbours."""
    retention: float = 1.0
    """Largest share of the cell that a step may keep, 0..1: the forget gate's ceiling. Under 1 what a frame left in
    the state is bound to fade, so that a run begun anywhere comes to the same pictures after a few frames."""


class CellState(NamedTuple):
    """Hidden and cell state, each (n, hidden, h, w)."""

    h: Tensor
    c: Tensor


class Features(NamedTuple):
    """What one frame's encoding leaves for every window that holds it."""

    skip: Tensor
    """(n, quarter, h/2, w/2)."""
    deep: Tensor
    """(n, eighth, h/4, w/4)."""
    neighbour: Tensor
    """(n, neighbour, h/4, w/4)."""


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

    def start(self, x: Tensor) -> CellState:
        """Zero state for inputs like x (n, inputs, h, w)."""
        zero = x.new_zeros(x.shape[0], self.hidden, *x.shape[2:], dtype=torch.float32)
        zero = zero.contiguous(memory_format=torch.channels_last)
        return CellState(zero, zero)

    def step(self, projected: Tensor, state: CellState) -> CellState:
        """One time step; `projected` is from_input(x), (n, 4 hidden, h, w) with the gates in the order i, f, o, g."""
        gates = projected + self.from_hidden(state.h.to(projected.dtype))
        i, f, o, g = gates.float().chunk(4, dim=1)
        peep_i, peep_f, peep_o = self.peephole
        i = torch.sigmoid(i + peep_i * state.c)
        f = self.retention * torch.sigmoid(f + peep_f * state.c)
        o = torch.sigmoid(o + peep_o * state.c)
        c = f * state.c + i * torch.tanh(g)
        return CellState(o * torch.tanh(c), c)


class ConvLSTM(StreamNetwork):
    """One past, the centre and one future frame -> residual of the centre, with a state that goes in and out."""

    past = 1
    future = 1

    def __init__(self, config: ConvLSTMConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.to_neighbour = nn.Conv2d(config.eighth, config.neighbour, 1)
        self.fuse = nn.Conv2d(config.eighth + 2 * config.neighbour, config.eighth, 3, padding=1)
        self.cell = PeepholeCell(config.eighth, config.hidden, config.retention)
        self.recall = nn.Conv2d(config.hidden, config.eighth, 1)
        self.trunk = residual_blocks(config.eighth, config.trunk_blocks)
        self.decoder = Decoder(config)
        initialise(self)
        with torch.no_grad():
            bias = self.cell.from_input.bias
            assert bias is not None
            bias[config.hidden : 2 * config.hidden] = 1.0

    @property
    def reach(self) -> tuple[int, int]:
        """Cells."""
        coarse = radius(self.fuse) + radius(self.cell.from_hidden) + radius(self.trunk)
        return self.encoder.reach, coarse + self.decoder.reach

    def encode(self, picture: Tensor) -> Features:
        """(n, 6, h, w) -> its features."""
        skip, deep = self.encoder(picture)
        return Features(skip, deep, activate(self.to_neighbour(deep)))

    def restore(self, window: Sequence[Features], state: CellState | None) -> tuple[Tensor, CellState]:
        """One window (past, centre, future) -> residual of the centre (n, 6, h, w) and the next state."""
        past, centre, future = window
        fused = self._fuse(past.neighbour, centre.deep, future.neighbour)
        state = self.cell.step(self.cell.from_input(fused), state or self.cell.start(fused))
        return self._finish(fused, state.h, centre.skip), state

    def forward(
        self, clip: Tensor, state: CellState | None = None, look_ahead: Tensor | None = None
    ) -> tuple[Tensor, CellState]:
        """A whole clip at once: all but the cell's recurrence runs batched over time."""
        n, t = clip.shape[:2]
        features = self.encode(clip.flatten(0, 1))
        neighbour = features.neighbour.unflatten(0, (n, t))
        past = torch.cat([neighbour[:, :1], neighbour[:, :-1]], dim=1)
        future = torch.cat([neighbour[:, 1:], neighbour[:, -1:]], dim=1)
        if look_ahead is not None:
            future = torch.where(look_ahead.view(n, 1, 1, 1, 1), future, neighbour)
        fused = self._fuse(past.flatten(0, 1), features.deep, future.flatten(0, 1))
        projected = self.cell.from_input(fused).unflatten(0, (n, t))
        state = state or self.cell.start(projected[:, 0])
        hidden = []
        for moment in range(t):
            state = self.cell.step(projected[:, moment], state)
            hidden.append(state.h)
        h = torch.stack(hidden, dim=1).flatten(0, 1)
        return self._finish(fused, h, features.skip).unflatten(0, (n, t)), state

    def _fuse(self, past: Tensor, deep: Tensor, future: Tensor) -> Tensor:
        return activate(self.fuse(torch.cat([past, deep, future], dim=1)))

    def _finish(self, fused: Tensor, h: Tensor, skip: Tensor) -> Tensor:
        residual: Tensor = self.decoder(activate(self.trunk(fused + self.recall(h.to(fused.dtype)))), skip)
        return residual
