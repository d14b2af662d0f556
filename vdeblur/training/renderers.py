"""Processes that render batches for the one that trains, so that neither waits for the other's interpreter.

Batches travel through files mapped into memory, a few slots to each process; queues carry only the numbers of slots.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.multiprocessing as multiprocessing
from torch import Tensor

from .real_motion import Run
from .supply import Batch, Supply, SupplyConfig

log = logging.getLogger(__name__)

SLOTS = 3
"""Batches that each process may have lying ready."""


class Renderers:
    """A few processes, each with a supply of its own. Made by fork: photographs and footage are shared, not copied, so
    the device must not have been used before."""

    def __init__(
        self,
        photographs: Sequence[Tensor],
        runs: Sequence[Run],
        device: str,
        seed: int,
        processes: int,
        threads: int,
        stages: Sequence[tuple[int, SupplyConfig]],
    ) -> None:
        """Render with each stage's count of clips and mix; `change` goes to the next stage."""
        context = multiprocessing.get_context("fork")
        shared = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())
        self._folder = Path(tempfile.mkdtemp(dir=shared))
        self._stages = stages
        self.stage = context.Value("i", 0)
        self._ready: Any = context.Queue()
        self._free = [context.Queue() for _ in range(processes)]
        self._processes: list[Any] = []
        self._stopped = 0
        for number in range(processes):
            for slot in range(SLOTS):
                for stage in range(len(stages)):
                    for part in Batch._fields:
                        self._map(number, slot, stage, part, "w+")
                self._free[number].put(slot)
            work = (self, photographs, runs, device, seed + number, number, threads)
            process = context.Process(target=_render, args=work, daemon=True)
            process.start()
            self._processes.append(process)

    def take(self, device: torch.device, wait: float) -> Batch | None:
        """The next batch of the stage, or None where none comes within `wait` seconds.

        Raises RuntimeError where every process stopped.
        """
        while True:
            try:
                number, slot, stage = self._ready.get(timeout=wait) if wait else self._ready.get_nowait()
            except queue.Empty:
                return None
            if slot < 0:
                self._stopped += 1
                if self._stopped == len(self._processes):
                    raise RuntimeError(f"every renderer stopped: {stage}")
                log.warning("a renderer stopped: %s", stage)
                continue
            batch = None
            if stage == self.stage.value:
                parts = (self._map(number, slot, stage, part, "r+") for part in Batch._fields)
                batch = Batch(*(torch.from_numpy(part).to(device) for part in parts))
                if device.type == "cpu":
                    batch = Batch(*(part.clone() for part in batch))
            self._free[number].put(slot)
            if batch is not None:
                return batch

    def close(self) -> None:
        """End the processes and remove their files."""
        for process in self._processes:
            process.terminate()
            process.join(5)
        for file in self._folder.iterdir():
            with contextlib.suppress(OSError):
                file.unlink()
        self._folder.rmdir()

    def _map(self, number: int, slot: int, stage: int, part: str, mode: Any) -> np.ndarray[Any, Any]:
        count, config = self._stages[stage]
        half, frames = config.scene.size // 2, config.scene.frames
        shape = (count, frames, 4 if part == "motion" else 6, half, half)
        path = self._folder / f"{number}-{slot}-{stage}-{part}"
        return np.memmap(path, np.float16 if part == "motion" else np.uint8, mode, shape=shape)


def _render(
    renderers: Renderers,
    photographs: Sequence[Tensor],
    runs: Sequence[Run],
    name: str,
    seed: int,
    number: int,
    threads: int,
) -> None:
    try:
        torch.set_num_threads(1)
        device = torch.device(name)
        supply = Supply([p.to(device) for p in photographs], [run.to(device) for run in runs], device, seed, threads)
        index = 0
        while True:
            slot = renderers._free[number].get()
            stage = renderers.stage.value
            count, config = renderers._stages[stage]
            batch = supply.batch(index, count, config)
            for part, tensor in zip(Batch._fields, batch, strict=True):
                renderers._map(number, slot, stage, part, "r+")[:] = tensor.cpu().numpy()
            renderers._ready.put((number, slot, stage))
            index += 1
    except KeyboardInterrupt:
        pass
    except BaseException as error:
        import traceback

        renderers._ready.put((number, -1, f"{type(error).__name__}: {error} {traceback.format_exc()[-600:]}"))
