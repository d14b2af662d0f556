"""How much memory restoring takes, how much is free, and so how large a tile may be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .folding import MULTIPLE

MIN_TILE = 64
"""Pixels; below, the margins are most of what is computed."""
ASSUMED_FREE = 4 << 30
"""Bytes, where the system does not say what is free."""

# Values per pixel: at the peak of a tile, as a multiple of the network's features, and for the whole frame, which is
# held in float32 folded, aligned and as residual. Half more than a process was measured to grow by.
_PEAK, _HELD = 6, 30


def features_of(config: Mapping[str, Any]) -> float:
    """Values per pixel of one set of a network's features, by its configuration."""
    return sum(config.get(width, 0) / area for width, area in (("quarter", 16), ("eighth", 64), ("sixteenth", 256)))


def bytes_needed(
    features: float, reach: int, size: tuple[int, int], tile: int, bytes_per_value: int, views: int = 1
) -> int:
    """What restoring frames of this (width, height) takes at its peak, without decoder and encoder; tile 0: whole.

    `features` is how many values per pixel the network's features have, `reach` its margin in cells.
    """
    width, height = size
    margin = 2 * MULTIPLE * reach
    seen = width * height
    if tile:
        seen = min(seen, min(tile + margin, width) * min(tile + margin, height))
    encoded = 2 * views * features * bytes_per_value * width * height  # of the centre and the future frame, whole
    return int(_HELD * 4 * width * height * (1 + views) / 2 + encoded + features * _PEAK * bytes_per_value * seen)


def choose_tile(
    features: float, reach: int, size: tuple[int, int], device: str, bytes_per_value: int, views: int = 1
) -> int:
    """The side of tiles, in pixels, with which a frame of this (width, height) fits well into memory; 0: whole.

    Half of what is free is left to everything else. MIN_TILE where even that may not do: then trying has to tell.
    """
    budget = free_bytes(device) // 2

    def fits(tile: int) -> bool:
        return bytes_needed(features, reach, size, tile, bytes_per_value, views) <= budget

    if fits(0):
        return 0
    tile = max(max(size) // 2, MIN_TILE)
    while tile > MIN_TILE and not fits(tile):
        tile = max(tile // 2, MIN_TILE)
    return tile


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; most engines have only words for it."""
    words = (
        *("can't allocate memory", "not enough memory", "out of memory", "could not create a primitive"),
        *("failed to allocate", "insufficient memory", "bad_alloc"),
    )
    return isinstance(error, MemoryError) or any(part in str(error).lower() for part in words)


def free_bytes(device: str) -> int:
    """Memory of the device that can be had now; of a processor, that of the system and of the container it runs in."""
    if device.startswith("cuda"):
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device == "mps":
        import torch

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
