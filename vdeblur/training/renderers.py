"""Worker processes that render batches for training, so that neither waits for the other's interpreter.

Process k of n makes the batches k, k + n, k + 2n and so on, and they are taken in order: so a run is the same however
many render, and however often it was interrupted. Batches travel through files mapped into memory, a few to each
process; queues carry only their numbers.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import queue
import shutil
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ..cores import use_threads
from ..errors import VdeblurError
from .supply import Batch

SLOTS = 3
"""Finished batches that each process keeps at most."""
PATIENCE_SECONDS = 0.5
"""Between checks that the processes are alive."""


class Supplies(Protocol):
    """What makes batches: `supply.Supply` or `supply.PairSupply`."""

    def batch(self, index: int, count: int) -> Batch:
        """The batch of an index."""
        ...


class Batches(Protocol):
    """Batches in the order of their indices: `LocalBatches` or `Renderers`."""

    def take(self, index: int) -> Batch:
        """The batch of an index."""
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...


class LocalBatches:
    """Batches rendered on demand in the training process."""

    def __init__(self, supply: Supplies, count: int) -> None:
        self._supply, self._count = supply, count

    def take(self, index: int) -> Batch:
        """The batch of this index."""
        return self._supply.batch(index, self._count)

    def close(self) -> None:
        """Nothing to release."""


class Renderers:
    """Batches rendered by worker processes, each of which opens a supply of its own."""

    def __init__(
        self,
        open_supply: Callable[[], Supplies],
        count: int,
        shape: tuple[int, int],
        first: int,
        processes: int,
        device: torch.device,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Batches of `count` clips of `shape` (frames, side in px), from index `first` on. `open_supply` is pickled.

        `check` is called while a batch is waited for, and may raise.
        """
        self._count, self._shape, self._first, self._device, self._check = count, shape, first, device, check
        needed = processes * SLOTS * sum(math.prod(part_shape(part, count, shape)) * 2 for part in Batch._fields)
        self._folder = Path(tempfile.mkdtemp(prefix="vdeblur-", dir=shared_memory(needed)))
        context = multiprocessing.get_context("spawn")
        self._ready = [context.Queue() for _ in range(processes)]
        self._free = [context.Queue() for _ in range(processes)]
        self._processes = []
        for number in range(processes):
            for slot in range(SLOTS):
                for part in Batch._fields:
                    map_part(self._folder, (number, slot), part, count, shape, "w+")
                self._free[number].put(slot)
            arguments = (open_supply, self._folder, number, count, shape, range(first + number, 1 << 62, processes))
            work = (*arguments, self._ready[number], self._free[number])
            self._processes.append(context.Process(target=_render, args=work, daemon=True))
        with _deaf_to_ctrl_c():
            for process in self._processes:
                process.start()

    def take(self, index: int) -> Batch:
        """The batch of this index, which must be the next one; raises what its worker raised."""
        number = (index - self._first) % len(self._processes)
        while True:
            self._check()
            try:
                made, slot = self._ready[number].get(timeout=PATIENCE_SECONDS)
                break
            except queue.Empty:
                if not self._processes[number].is_alive():
                    self._check()  # a signal to the whole group ends a renderer first
                    raise VdeblurError(f"a renderer ended with code {self._processes[number].exitcode}") from None
        if isinstance(slot, VdeblurError):
            raise slot
        if isinstance(slot, str):
            raise VdeblurError(f"a renderer failed: {slot}")
        assert made == index
        parts = [map_part(self._folder, (number, slot), part, self._count, self._shape, "r+") for part in Batch._fields]
        batch = Batch(*(on_device(torch.from_numpy(np.array(part)), self._device) for part in parts))
        self._free[number].put(slot)
        return batch

    def is_ready(self, index: int) -> bool:
        """Whether the batch of this index, the next one, can be taken without waiting."""
        return not self._ready[(index - self._first) % len(self._processes)].empty()

    def close(self) -> None:
        """End the processes and remove their files."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(10)
        for file in self._folder.iterdir():
            with contextlib.suppress(OSError):
                file.unlink()
        with contextlib.suppress(OSError):
            self._folder.rmdir()


def on_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of main memory on a device, without waiting for what that does already."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started inside ignore SIGINT: a terminal sends it to the whole group, and the parent handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def shared_memory(needed: int) -> str | None:
    """A folder in memory with room for `needed` bytes, where there is one; containers often have 64 MB of it."""
    folder = "/dev/shm"
    return folder if os.path.isdir(folder) and shutil.disk_usage(folder).free > needed else None


def part_shape(part: str, count: int, shape: tuple[int, int]) -> tuple[int, ...]:
    """Of a field of `Batch` with `count` clips of `shape` (frames, side in px)."""
    frames, size = shape
    return (count, frames, 4 if part == "motion" else 6, size // 2, size // 2)


def map_part(
    folder: Path, place: tuple[int, int], part: str, count: int, shape: tuple[int, int], mode: Any
) -> np.ndarray[Any, Any]:
    """The part of a batch (a field of `Batch`) in a process's slot, as a file in memory."""
    path = folder / f"{place[0]}-{place[1]}-{part}"
    return np.memmap(path, np.float16 if part == "motion" else np.uint8, mode, shape=part_shape(part, count, shape))


def _render(
    open_supply: Callable[[], Supplies],
    folder: Path,
    number: int,
    count: int,
    shape: tuple[int, int],
    indices: range,
    ready: Any,
    free: Any,
) -> None:
    """Main loop of a worker process: it ends when terminated, or after it has passed on an error."""
    try:
        use_threads(1)
        supply = open_supply()
        for index in indices:
            slot = free.get()
            batch = supply.batch(index, count)
            for part, tensor in zip(Batch._fields, batch, strict=True):
                map_part(folder, (number, slot), part, count, shape, "r+")[:] = tensor.cpu().numpy()
            ready.put((index, slot))
    except VdeblurError as error:
        ready.put((-1, error))
    except Exception as error:
        ready.put((-1, f"{type(error).__name__}: {error}\n{traceback.format_exc()}"))
