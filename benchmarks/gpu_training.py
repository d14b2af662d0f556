"""A quarter of an hour on a large GPU: train models one after another, each for its minutes, then time them.

    python benchmarks/gpu_training.py --data DIR --out DIR weights/fast.toml weights/quality.toml

Needs torch, safetensors, numpy, OpenCV and click; no PyAV. A recipe's `minutes` are its share of the time; its `init`
may name an earlier recipe, a published model or a file. Clips are rendered by processes on the host's cores into a pool
on the GPU, once for all recipes, so the mix and the batch of the first serve all: the pool is renewed as fast as clips
come, and each step draws its own clips from it. `--seconds` ends each run early, for a rehearsal.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from vdeblur.backends.published import published
from vdeblur.models import StreamNetwork
from vdeblur.recurrence import Motion
from vdeblur.training.batches import open_renderers
from vdeblur.training.recipe import read_recipe
from vdeblur.training.renderers import Renderers, on_device
from vdeblur.training.supply import Batch
from vdeblur.training.train import train

SIZES = {"720p": (1280, 720), "1080p": (1920, 1088)}
WARM_UP, ROUNDS = 5, 30
LEAST = 4
"""Batches that the pool holds before the first step."""


class ClipPool:
    """Clips on the device, renewed as fast as processes render; each step draws its own from them, so none waits."""

    def __init__(self, renderers: Renderers, size: int, seed: int) -> None:
        """`size` is how many batches it holds."""
        self._renderers, self._size, self._random = renderers, size, torch.Generator().manual_seed(seed)
        self._pool: Batch | None = None
        self.made = 0

    def take(self, index: int) -> Batch:
        """Clips of any of the last batches; waits only while there are fewer than `LEAST` of these."""
        while self.made < LEAST or self._renderers.is_ready(self.made):
            self._keep(self._renderers.take(self.made))
            if self.made > LEAST:
                break
        assert self._pool is not None
        count = len(self._pool.sharp) // self._size
        chosen = torch.randint(min(self.made, self._size) * count, (count,), generator=self._random)
        places = on_device(chosen, self._pool.sharp.device)
        return Batch(*(part[places] for part in self._pool))

    def _keep(self, batch: Batch) -> None:
        count = len(batch.sharp)
        if self._pool is None:
            self._pool = Batch(*(part.new_empty(self._size * count, *part.shape[1:]) for part in batch))
        first = self.made % self._size * count
        for part, new in zip(self._pool, batch, strict=True):
            part[first : first + count] = new
        self.made += 1

    def close(self) -> None:
        """End the processes."""
        self._renderers.close()


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("recipes", type=Path, nargs="+", metavar="RECIPE.toml")
    arguments.add_argument("--data", action="append", required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--minutes", type=float, default=4, help="of a recipe that has none of its own")
    arguments.add_argument("--seconds", type=float, default=float("inf"), help="of each run, at most")
    arguments.add_argument("--renderers", type=int, default=14)
    arguments.add_argument("--halve", action="store_true", help="the footage is not at half its size yet")
    arguments.add_argument("--pool", type=int, default=64, help="batches that the GPU holds")
    arguments.add_argument("--batch", type=int)
    arguments.add_argument("--save-minutes", type=float, default=1.0, help="between checkpoints, each validated")
    arguments.add_argument("--validation-clips", type=int, default=16)
    arguments.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    given = arguments.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    device = torch.device(given.device)
    recipes = [read_recipe(path, data=tuple(given.data)) for path in given.recipes]
    first = replace(recipes[0], halve=given.halve, batch=given.batch or recipes[0].batch)
    batches = ClipPool(open_renderers(first, given.renderers, device, "cpu"), given.pool, first.seed)
    models = {model.name: model.path for model in published()}
    try:
        for path, recipe in zip(given.recipes, recipes, strict=True):
            recipe = replace(recipe, halve=first.halve, mix=first.mix, batch=first.batch, seed=first.seed, reuse=1)
            earlier = given.out / recipe.init / "model.safetensors"
            init = str(earlier) if recipe.init and earlier.is_file() else str(models.get(recipe.init, recipe.init))
            before, made = time.perf_counter(), batches.made
            learner = train(
                replace(recipe, init=init, minutes=recipe.minutes or given.minutes),
                given.out / path.stem,
                device=given.device,
                max_minutes=given.seconds / 60,
                batches=batches,
                save_minutes=given.save_minutes,
                validation_clips=given.validation_clips,
                report=lambda line: print(json.dumps(line), flush=True),
            )
            told = {"model": path.stem, "steps": learner.step_count, "s": round(time.perf_counter() - before, 1)}
            told["clips rendered"] = (batches.made - made) * recipe.batch
            if device.type == "cuda":
                told["GB"] = round(torch.cuda.max_memory_allocated() / 1e9, 1)
            print(json.dumps({**told, **timed(learner.network, device)}), flush=True)
    finally:
        batches.close()


@torch.inference_mode()
def timed(network: StreamNetwork, device: torch.device) -> dict[str, Any]:
    """Milliseconds per frame in bf16 without optical flow: median and quartiles, device synchronised."""
    network = network.eval().to(torch.bfloat16)
    result: dict[str, Any] = {"device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"}
    for name, (width, height) in SIZES.items():
        frame = torch.rand(1, 6, height // 2, width // 2, device=device, dtype=torch.bfloat16)
        frame = frame.contiguous(memory_format=torch.channels_last)
        flow = torch.rand(1, 2, height // 2, width // 2, device=device)
        state, times = None, []
        for _ in range(WARM_UP + ROUNDS):
            before = time.perf_counter()
            encoded = network.encoded(frame)
            _, state = network.restore(encoded, encoded, Motion(flow, flow), state)
            if device.type == "cuda":
                torch.cuda.synchronize()
            times.append(1000 * (time.perf_counter() - before))
        result[name] = [round(value, 2) for value in statistics.quantiles(times[WARM_UP:])]
    return result


if __name__ == "__main__":
    main()
