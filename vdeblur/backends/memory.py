"""Memory: how much restoring needs, how much is free, and the tile size that fits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..recurrence import CELL

MIN_TILE = 64
"""Pixels; with smaller tiles most of the computation would be overlap."""
ASSUMED_FREE = 4 << 30
"""Bytes, if the system does not report free memory."""

# Values per pixel: at the peak within a tile, as a multiple of the network's features, and for the whole frame in
# float32 (folded, aligned, residual). 1.5 times the measured growth of a process.
_PEAK, _HELD = 6, 30


def features_of(config: Mapping[str, Any]) -> float:
    """Feature values per pixel of a network with this configuration."""
    return sum(config.get(width, 0) / area for width, area in (("quarter", 16), ("eighth", 64), ("sixteenth", 256)))


def bytes_needed(
    features: float, reach: int, size: tuple[int, int], tile: int, bytes_per_value: int, views: int = 1
) -> int:
    """Peak memory of restoring frames of this (width, height), without decoder and encoder; tile 0: whole frames.

    `features` is the number of feature values per pixel, `reach` the radius of the receptive field in cells.
    """
    width, height = size
    margin = 2 * CELL * reach
    seen = width * height
    if tile:
        seen = min(seen, min(tile + margin, width) * min(tile + margin, height))
    encoded = 2 * views * features * bytes_per_value * width * height  # whole, of the centre and the future frame
    return int(_HELD * 4 * width * height * (1 + views) / 2 + encoded + features * _PEAK * bytes_per_value * seen)


def choose_tile(
    features: float, reach: int, size: tuple[int, int], device: str, bytes_per_value: int, views: int = 1
) -> int:
    """Tile size in pixels for frames of this (width, height) to use at most half of the free memory; 0: whole frames.

    At least MIN_TILE, even if that may not fit.
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
    """Whether memory ran out; most engines report that only in the message."""
    words = (
        *("can't allocate memory", "not enough memory", "out of memory", "could not create a primitive"),
        *("failed to allocate", "insufficient memory", "bad_alloc"),
    )
    return isinstance(error, MemoryError) or any(part in str(error).lower() for part in words)


def free_bytes(device: str) -> int:
    """Free memory of a device; for the CPU, the smaller of that of the system and of the container."""
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
    try:  # macOS: half of the installed memory
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (OSError, ValueError):
        return None


def _left_of_group(group: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Memory left within the limit of the control group (container); None without a limit.

    Cached files count as free, as in MemAvailable: the kernel drops them before it refuses memory, and whoever reads a
    long video has filled the rest of the limit with them.
    """
    try:
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such group, or "max"
        return None
    return max(limit - max(used - _cached_in_group(group), 0), 0)


def _cached_in_group(group: Path) -> int:
    try:
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(("active_file ", "inactive_file ")))
    except (OSError, ValueError):
        return 0
