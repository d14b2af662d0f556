"""What segments and workers cost, and what that says of many machines.

python benchmarks/scale.py [--model fast] [--frames 1200] [--size 320x192] [--fps-per-worker 30]

Measured here: one file whole; the same file in segments with one worker and with two (start of the processes and of the
model counted apart); per-unit overhead as what remains when the frames restored, warm-up included, are taken off; join
and planning. From these a model, printed with its assumptions: hours of wall clock, shared storage traffic and
coordinator load for 10, 100 and 1,000 workers and a million hours of footage.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import describe_machine
from media import make_clip

from vdeblur.batch import Batch, BatchOptions
from vdeblur.collect import collect
from vdeblur.job import Job, load_for, restore_file
from vdeblur.resume import DEFAULT_CUTTING, folder_of, prepare
from vdeblur.segments import restore_segment
from vdeblur.units import do
from vdeblur.workers import Workers


def in_batch(clip: Path, folder: Path, settings: Job, jobs: int) -> float:
    """Wall clock for the clip with warm workers: each has loaded the model for a short file before."""
    workers = Workers(do, jobs, settings.device)
    try:
        for number in (0, 1):
            out = folder / f"out{jobs}-{number}"
            batch = Batch(collect([str(clip)], str(out)), settings, str(out), BatchOptions(min_free_bytes=0))
            start = time.perf_counter()
            batch.run(workers)
            seconds = time.perf_counter() - start
        return seconds
    finally:
        workers.stop()


def loop_rate(workers: Workers) -> float:
    """Units a second through the pipe of a worker that does nothing with them."""
    start = time.perf_counter()
    count = 300
    for _ in range(count):
        workers.submit(None, lambda _: None).result()
    return count / (time.perf_counter() - start)


def nothing(unit: object, device: str, on_frames: object) -> int:
    """A unit that costs nothing but its way."""
    return 0


def projection(fps_per_worker: float, overhead: float, loop: float, bit_rate: float) -> list[dict[str, Any]]:
    """A million hours at 30 fps in segments of 15 s."""
    hours, rate, length = 1e6, 30.0, 15.0
    units = hours * 3600 / length
    unit_seconds = (length * rate + DEFAULT_CUTTING.warm_up) / fps_per_worker + overhead
    rows = []
    for workers in (10, 100, 1000):
        units_per_second = workers / unit_seconds
        # Read: the segment and its warm-up. Written: the segment, then read and written again by joining.
        traffic = units_per_second * length * bit_rate / 8 * 4
        rows.append(
            {
                "workers": workers,
                "years": round(units * unit_seconds / workers / 3600 / 24 / 365, 2),
                "units_per_second": round(units_per_second, 2),
                "coordinator_load": round(units_per_second / loop, 4),
                "storage_MB_per_second": round(traffic / 1e6, 1),
            }
        )
    return rows


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", default="fast")
    arguments.add_argument("--frames", type=int, default=1200)
    arguments.add_argument("--size", default="320x192")
    arguments.add_argument("--fps-per-worker", type=float, default=30.0, help="for the projection")
    arguments.add_argument("--mbit", type=float, default=20.0, help="bit rate of footage, for the projection")
    given = arguments.parse_args()
    width, height = map(int, given.size.split("x"))
    settings = Job("", None, given.model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = make_clip(folder / "clip.mp4", given.frames, width, height)
        job = Job(str(clip), str(folder / "whole.mp4"), given.model)
        restorer = load_for(job)
        whole = restore_file(job, loaded=restorer)
        output = str(folder / "pieces.mp4")
        start = time.perf_counter()
        cut = prepare(Job(str(clip), output, given.model), output, folder_of(output))
        planning = time.perf_counter() - start
        assert cut is not None, "the clip must be longer than the longest segment"
        manifests = [restore_segment(cut, segment.index, restorer) for segment in cut.segments]
        seconds = sum(manifest.seconds for manifest in manifests)
        warm = (len(manifests) - 1) * DEFAULT_CUTTING.warm_up
        overhead = (seconds - whole.seconds * (given.frames + warm) / given.frames) / len(manifests)
        batches = {jobs: in_batch(clip, folder, settings, jobs) for jobs in (1, 2)}
        idle = Workers(nothing, 1)
        try:
            loop_rate(idle)
            loop = loop_rate(idle)
        finally:
            idle.stop()
    result = {
        "machine": describe_machine(),
        "cores": len(os.sched_getaffinity(0)),
        "model": given.model,
        "frames": given.frames,
        "size": given.size,
        "segments": len(manifests),
        "whole_seconds": round(whole.seconds, 2),
        "segmented_seconds": round(seconds, 2),
        "planning_seconds": round(planning, 2),
        "overhead_seconds_per_unit": round(overhead, 3),
        "batch_seconds": {jobs: round(value, 2) for jobs, value in batches.items()},
        "loop_units_per_second": round(loop),
        "million_hours": projection(given.fps_per_worker, max(overhead, 0.0), loop, given.mbit * 1e6),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
