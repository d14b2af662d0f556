"""How fast clips are rendered on one core: planes in depth from photographs, and footage blurred by its own motion.

    python benchmarks/render.py --data DIR [--clips 16] [--size 192] [--frames 10]

Median and quartiles of seconds per clip over the clips of each kind, drawn with one seed, after two to warm up. Flow
for the networks is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from machine import describe_machine

from vdeblur.training.light import Light
from vdeblur.training.material import files_of, read_material
from vdeblur.training.real_motion import Run, expose_run, is_usable
from vdeblur.training.render import render
from vdeblur.training.scene import SceneConfig, draw_scene

WARM_UP = 2


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", action="append", required=True)
    arguments.add_argument("--clips", type=int, default=16)
    arguments.add_argument("--size", type=int, default=192)
    arguments.add_argument("--frames", type=int, default=10)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    scene = SceneConfig(size=given.size, frames=given.frames)
    material = read_material(files_of(tuple(given.data), held_out=True), halve=True)
    runs = [Run.of(run) for run in material.runs if is_usable(run, scene)]
    kinds = {"planes": bool(material.photographs), "real motion": bool(runs)}
    print(describe_machine())
    print("| kind | s per clip | quartiles | Mpx/s |\n|---|---:|---:|---:|")
    for kind in (kind for kind, there in kinds.items() if there):
        times = []
        for index in range(WARM_UP + given.clips):
            rng = np.random.default_rng(index)
            light = Light.draw(rng)
            before = time.perf_counter()
            if kind == "planes":
                render([draw_scene(rng, material.photographs, light, scene)], scene, torch.device("cpu"))
            else:
                expose_run(rng, runs, light, scene)
            times.append(time.perf_counter() - before)
        low, middle, high = statistics.quantiles(times[WARM_UP:])
        rate = given.size**2 * given.frames / middle / 1e6
        print(f"| {kind} | {middle:.3f} | {low:.3f} to {high:.3f} | {rate:.2f} |")


if __name__ == "__main__":
    main()
