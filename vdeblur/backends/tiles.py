"""Tiles: a large picture through a network piece by piece, with the result of the whole.

Each tile is seen with a margin as wide as the network reaches, and only its core is kept. If each tile kept a recurrent
state of its own, the margin would have to grow by a cell with every frame. So the state is kept whole (it is small, at
1/8 scale): each tile reads its part of it with the margin, and writes its core to the next. Tiled equals untiled, but
for the order in which a processor sums up, however long the stream is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..models import CELL, Motion, StreamNetwork

MIN_TILE = 64
"""Pixels; below, the margins are most of what is computed."""
ASSUMED_FREE = 4 << 30
"""Bytes, where the system does not say what is free."""

# Floats per pixel, the first two as multiples of the network's features (quarter / 16 + eighth / 64): at the peak of a
# tile, for what is held of the whole picture and its neighbours, and for folding and unfolding it. Half more than a
# process was measured to grow by (1.2 GB for 4K, with the widths of `fast` in fp32).
_PEAK, _HELD, _PLANES = 6, 5, 12


class Span(NamedTuple):
    """A stretch of one axis, in cells."""

    core: slice
    """What the tile is for."""
    seen: slice
    """What the network is shown: the core and its margins, within the picture."""

    @property
    def core_in_seen(self) -> slice:
        """The core as the network's result counts it."""
        return slice(self.core.start - self.seen.start, self.core.stop - self.seen.start)


def spans(length: int, tile: int, margin: int) -> Iterator[Span]:
    """Cores of at most `tile` cells side by side that cover `length` cells, all of nearly one length."""
    count = max(ceil(length / tile), 1)
    edges = [length * i // count for i in range(count + 1)]
    for start, stop in pairwise(edges):
        yield Span(slice(start, stop), slice(max(start - margin, 0), min(stop + margin, length)))


class Tiled:
    """A network's `restore`, tile by tile, for one frame at a time.

    What reaches any distance far (`align`) is done on the whole frame, which takes little memory; tiles are cut between
    it and `compute`.
    """

    def __init__(self, network: StreamNetwork, tile: int) -> None:
        """`tile` is the side of a core in pixels, rounded up to whole cells."""
        self._network = network
        self._tile = ceil(tile / CELL)

    def restore(self, centre: Tensor, future: Tensor | None, motion: Motion | None, state: Any) -> tuple[Tensor, Any]:
        """As the network's, of the whole frame (1, 6, h, w)."""
        aligned = self._network.align(centre, future, motion, state)
        cells = (2 * centre.shape[-2] // CELL, 2 * centre.shape[-1] // CELL)
        rows, columns = (list(spans(length, self._tile, self._network.reach)) for length in cells)
        whole: tuple[Tensor, ...] = ()
        for y, x in product(rows, columns):
            part = self._network.compute(*(_cut(tensor, cells, y, x) for tensor in aligned))
            whole = whole or tuple(_empty_whole(piece, cells, y) for piece in part)
            for into, piece in zip(whole, part, strict=True):
                _paste(into, piece, y, x)
        return whole[0], self._network.remember(centre, whole)


def each_tensor(function: Callable[[Tensor], Tensor], x: Any) -> Any:
    """Apply to a tensor, or to all tensors of a (named) tuple; None stays None."""
    if x is None or isinstance(x, Tensor):
        return None if x is None else function(x)
    parts = [each_tensor(function, part) for part in x]
    return type(x)(*parts) if hasattr(x, "_fields") else tuple(parts)


def _scaled(span: slice, samples: int) -> slice:
    """Cells as samples of a tensor that has `samples` of them per cell."""
    return slice(span.start * samples, span.stop * samples)


def _cut(whole: Tensor, cells: tuple[int, int], y: Span, x: Span) -> Tensor:
    samples = whole.shape[-2] // cells[0]
    return whole[..., _scaled(y.seen, samples), _scaled(x.seen, samples)]


def _empty_whole(piece: Tensor, cells: tuple[int, int], y: Span) -> Tensor:
    samples = piece.shape[-2] // (y.seen.stop - y.seen.start)
    shape = (*piece.shape[:2], cells[0] * samples, cells[1] * samples)
    return torch.empty(shape, dtype=piece.dtype, device=piece.device, memory_format=torch.channels_last)


def _paste(whole: Tensor, part: Tensor, y: Span, x: Span) -> None:
    samples = part.shape[-2] // (y.seen.stop - y.seen.start)
    core = part[..., _scaled(y.core_in_seen, samples), _scaled(x.core_in_seen, samples)]
    whole[..., _scaled(y.core, samples), _scaled(x.core, samples)] = core


def bytes_needed(network: StreamNetwork, size: tuple[int, int], tile: int, bytes_per_value: int, views: int = 1) -> int:
    """What restoring pictures of this (width, height) takes at its peak, without decoder and encoder; tile 0: whole."""
    width, height = size
    channels = network.config.quarter / 16 + network.config.eighth / 64
    margin = 2 * CELL * network.reach
    seen = width * height
    if tile:
        seen = min(seen, min(tile + margin, width) * min(tile + margin, height))
    frames = network.past + 1 + network.future
    held = (channels * _HELD * frames / 3 * bytes_per_value * views + _PLANES * 4) * width * height
    return int(held + channels * _PEAK * bytes_per_value * seen)


def choose_tile(
    network: StreamNetwork, size: tuple[int, int], device: torch.device, bytes_per_value: int, views: int = 1
) -> int:
    """The side of tiles, in pixels, with which a picture of this (width, height) fits well into memory; 0: whole.

    Half of what is free is left to everything else. MIN_TILE where even that may not do: then trying has to tell.
    """
    budget = free_bytes(device) // 2
    if bytes_needed(network, size, 0, bytes_per_value, views) <= budget:
        return 0
    tile = max(max(size) // 2, MIN_TILE)
    while tile > MIN_TILE and bytes_needed(network, size, tile, bytes_per_value, views) > budget:
        tile = max(tile // 2, MIN_TILE)
    return tile


def free_bytes(device: torch.device) -> int:
    """Memory of the device that can be had now; of a processor, that of the system and of the container it runs in."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return min((n for n in (_available_of_system(), _left_of_group()) if n is not None), default=ASSUMED_FREE)


def _available_of_system() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    if not hasattr(os, "sysconf"):  # Windows
        return None
    try:  # macOS: half of what is built in
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (OSError, ValueError):
        return None


def _left_of_group() -> int | None:
    """What the control group (a container's limit) leaves; None without one."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        return max(limit - int((group / "memory.current").read_text(encoding="ascii")), 0)
    except (OSError, ValueError):  # no such group, or "max"
        return None
