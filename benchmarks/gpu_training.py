"""A quarter of an hour on a large GPU: train models on from checkpoints or afresh, then time them at 720p and 1080p.

    python benchmarks/gpu_training.py --data DIR --out DIR --minutes 4 weights/fast.toml weights/cnn.toml

Needs torch, safetensors, numpy, OpenCV and click; no PyAV. Clips are rendered on the device, by several processes, and
never repeat. Each recipe is one `vdeblur train` run in OUT/NAME, which goes on where an earlier one was; whatever ends
it leaves a checkpoint of at most a minute before.
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

from vdeblur.models import StreamNetwork
from vdeblur.recurrence import Motion
from vdeblur.training.recipe import read_recipe
from vdeblur.training.train import train

SIZES = {"720p": (1280, 720), "1080p": (1920, 1088)}
WARM_UP, ROUNDS = 5, 30


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("recipes", type=Path, nargs="+", metavar="RECIPE.toml")
    arguments.add_argument("--data", action="append", required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--minutes", type=float, default=4, help="of each run")
    arguments.add_argument("--renderers", type=int, default=4)
    arguments.add_argument("--halve", action="store_true", help="the footage is not at half its size yet")
    arguments.add_argument("--steps", type=int, help="where each run is to end, in place of the recipe's")
    arguments.add_argument("--batch", type=int)
    arguments.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    given = arguments.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    device = torch.device(given.device)
    for path in given.recipes:
        changes = {name: getattr(given, name) for name in ("steps", "batch") if getattr(given, name)}
        recipe = replace(read_recipe(path, data=tuple(given.data)), halve=given.halve, **changes)
        learner = train(
            recipe,
            given.out / path.stem,
            device=given.device,
            max_minutes=given.minutes,
            renderers=given.renderers,
            save_minutes=1.0,
            report=lambda line: print(json.dumps(line), flush=True),
        )
        print(
            json.dumps({"model": path.stem, "steps": learner.step_count, **timed(learner.network, device)}), flush=True
        )


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
