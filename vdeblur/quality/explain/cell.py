"""Activity of the recurrent cell: gates i, f, o, candidate g and cell state c of `models.convlstm`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...models import StreamNetwork
from ...models.convlstm import Aligned, ConvLSTM

NAMES = ("i", "f", "o", "g", "c")
SATURATED = 0.05
"""A gate this close to an end of its range counts as saturated."""


@dataclass(frozen=True, slots=True, eq=False)
class CellAtWork:
    """One step of the cell. Maps are means over channels, of absolute values for g and c, (h, w) at 1/8 scale."""

    maps: dict[str, NDArray[np.float32]]
    means: dict[str, float]
    """Of the maps."""
    carried: float
    """Mean |c| from the frame before; 0 at the start of a scene, whose state is its own."""
    half_life: float
    """Half-life of the cell state in frames, at the median of the forget gate."""
    saturated: dict[str, float]
    """Share of the values of each gate within 0.05 of an end of its range."""

    def figures(self) -> dict[str, object]:
        """Everything except the maps, for JSON."""
        return {key: value for key, value in asdict(self).items() if key != "maps"}


@contextmanager
def watched(network: StreamNetwork) -> Iterator[list[Tensor]]:
    """Record the inputs x of the network's cell in a list; it stays empty without a cell."""
    seen: list[Tensor] = []
    if not isinstance(network, ConvLSTM):
        yield seen
        return
    handle = network.cell.from_input.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        handle.remove()


def at_work(network: StreamNetwork, aligned: tuple[Tensor, ...], x: Tensor, is_scene_start: bool) -> CellAtWork | None:
    """The activity of the cell in a step on `aligned` with input x; None for a network without a cell."""
    if not isinstance(network, ConvLSTM) or not isinstance(aligned, Aligned):
        return None
    found = _summary(*network.cell.gates(x, aligned.h, aligned.c), aligned.c, network.cell.retention)
    return replace(found, carried=0.0) if is_scene_start else found


def _summary(i: Tensor, f: Tensor, o: Tensor, g: Tensor, before: Tensor, retention: float) -> CellAtWork:
    after = f * before + i * g
    tensors = dict(zip(NAMES, (i, f, o, g.abs(), after.abs()), strict=True))
    maps = {name: np.asarray(x[0].mean(0).cpu().numpy(), np.float32) for name, x in tensors.items()}
    ranges = {"i": (i, 0.0, 1.0), "f": (f, 0.0, retention), "o": (o, 0.0, 1.0), "g": (g, -1.0, 1.0)}
    saturated = {
        name: float(((x < low + SATURATED) | (x > high - SATURATED)).float().mean())
        for name, (x, low, high) in ranges.items()
    }
    kept = min(max(float(f.median()), 1e-6), 1 - 1e-6)
    half_life = float(np.log(0.5) / np.log(kept))
    means = {name: float(values.mean()) for name, values in maps.items()}
    return CellAtWork(maps, means, float(before.abs().mean()), half_life, saturated)
