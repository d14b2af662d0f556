"""What the recurrent cell and the way of down-sampling are worth: equal budgets, the same seeded batches for each row.

python benchmarks/ablation.py --data PHOTOS [--data FOOTAGE] --run DIR [--config weights/fast.toml] [--steps 500]

Every variant is trained from scratch for the same number of steps on the same clips, and scored on clips of files that
training does not see. The variants exist only here: what did not win does not stand in the product. Prints Markdown;
given again, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from machine import describe_machine
from torch import Tensor, nn

from vdeblur.models import MODELS
from vdeblur.models.convlstm import CellState, ConvLSTM, ConvLSTMConfig, PeepholeCell
from vdeblur.models.ladder import initialise
from vdeblur.training.recipe import read_recipe
from vdeblur.training.train import held_out_clips, train


class PlainCell(PeepholeCell):
    """Elman's recurrence, h(t) = tanh(W x(t) + U h(t-1)): no gates and no cell."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        del self.peephole
        self.from_input = nn.Conv2d(inputs, hidden, 1)
        self.from_hidden = nn.Conv2d(hidden, hidden, 3, padding=1, bias=False)

    def step(self, projected: Tensor, state: CellState) -> CellState:
        """One time step; `projected` (n, hidden, h, w)."""
        h = torch.tanh((projected + self.from_hidden(state.h.to(projected.dtype))).float())
        return CellState(h, state.c)


class NoCell(PlainCell):
    """h(t) = tanh(W x(t)): the same layers in the same place, and no past beyond the window."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        del self.from_hidden

    def step(self, projected: Tensor, state: CellState) -> CellState:
        """One time step; `projected` (n, hidden, h, w)."""
        return CellState(torch.tanh(projected.float()), state.c)


def pooled(pool: nn.Module) -> Callable[[ConvLSTM], None]:
    """Pool from 1/4 to 1/8 scale, then convolve: the same multiplications as the strided convolution."""

    def swap(network: ConvLSTM) -> None:
        config = network.config
        network.encoder.add_module("down", nn.Sequential(pool, nn.Conv2d(config.quarter, config.eighth, 3, padding=1)))

    return swap


def with_cell(cell: type[PlainCell]) -> Callable[[ConvLSTM], None]:
    """The cell exchanged for another."""

    def swap(network: ConvLSTM) -> None:
        config = network.config
        assert isinstance(config, ConvLSTMConfig)
        network.cell = cell(config.eighth, config.hidden)

    return swap


VARIANTS: dict[str, Callable[[ConvLSTM], None]] = {
    "peephole LSTM, strided convolution (published)": lambda network: None,
    "no recurrence": with_cell(NoCell),
    "plain recurrence": with_cell(PlainCell),
    "max pooling": pooled(nn.MaxPool2d(2)),
    "average pooling": pooled(nn.AvgPool2d(2)),
}


def builder(swap: Callable[[ConvLSTM], None]) -> Callable[[ConvLSTMConfig], ConvLSTM]:
    """Builds the published network with one part exchanged, initialised as training does."""

    def build(config: ConvLSTMConfig) -> ConvLSTM:
        network = ConvLSTM(config)
        before = {id(module) for module in network.modules()}
        swap(network)
        for module in network.modules():
            if id(module) not in before:
                initialise(module)
        return network

    return build


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", action="append", required=True)
    arguments.add_argument("--run", type=Path, required=True)
    arguments.add_argument("--config", default="weights/fast.toml")
    arguments.add_argument("--pool", type=Path, help="rendered clips; the run's own where nothing is said")
    arguments.add_argument("--steps", type=int, default=500)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    recipe = read_recipe(given.config, data=tuple(given.data), steps=given.steps, seed=given.seed)
    recipe = replace(recipe, cool_down=given.steps // 4, hard_steps=given.steps, ema=0.99)
    held_out = held_out_clips(recipe, 24)
    torch.set_num_threads(1)
    print(f"{describe_machine()}; {given.steps} steps of {recipe.batch} clips x {recipe.frames} frames, one seed\n")
    print("| variant | parameters | held-out gain dB | state reset dB | s per step |\n|---|---:|---:|---:|---:|")
    for name, swap in VARIANTS.items():
        MODELS[name] = (builder(swap), ConvLSTMConfig)
        started = time.monotonic()
        folder = given.run / name.replace(" ", "-").replace(",", "")
        trainer = train(
            replace(recipe, kind=name), folder, pool_folder=given.pool or given.run / "pool", save_minutes=1e9
        )
        seconds = (time.monotonic() - started) / given.steps
        scores = trainer.validate(held_out)
        count = sum(parameter.numel() for parameter in trainer.network.parameters())
        row = f"| {name} | {count:,} | {scores['gain']:+.3f} | {scores['gain_no_state']:+.3f} | {seconds:.2f} |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
