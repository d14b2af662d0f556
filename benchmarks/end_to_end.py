"""How much of the model's own speed a whole file keeps, and how soon its first frame is written.

python benchmarks/end_to_end.py [--model fast] [--precision auto] [--frames 300] [--size 1280x720] [--rounds 3]

In each round, in turn: the model in a tight loop on decoded frames; the whole line (decode, model, encode, sound
copied) with the command line's default settings; and the time from the start of a new process to its first frame on a
pipe. Medians of the rounds; the ratio is taken round by round. The floor for the first frame is of --size 640x360.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from machine import describe_machine
from media import make_clip

from vdeblur.jobs.job import Job
from vdeblur.jobs.whole import restore_whole
from vdeblur.loading import ModelOptions, load_restorer
from vdeblur.media.options import SinkOptions
from vdeblur.media.sources import open_source
from vdeblur.pipeline import restored
from vdeblur.restorer import Restorer
from vdeblur.restorers.timed import Timed

WARM_UP_FRAMES = 5


def tight_loop(restorer: Restorer, path: Path, frames: int) -> float:
    """Frames per second of the model alone, on frames that are decoded already."""
    with open_source(str(path)) as source:
        decoded = list(islice(source, min(frames, 120)))
    timed = Timed(restorer)
    for _ in restored(decoded, timed):
        pass
    return (len(decoded) - WARM_UP_FRAMES) / sum(timed.seconds[WARM_UP_FRAMES:])


def seconds_to_first_frame(path: Path, model: ModelOptions, size: tuple[int, int]) -> float:
    """From the start of `vdeblur` in a process of its own to its first frame on a pipe."""
    width, height = size
    words = ["-m", model.name or "", "--precision", model.precision, "-o", "-", "-f", "y4m", "-q"]
    started = time.perf_counter()
    command = [sys.executable, "-m", "vdeblur", str(path), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        wanted = len("YUV4MPEG2") + width * height * 3 // 2
        while wanted > 0:
            wanted -= len(process.stdout.read(wanted)) or sys.exit("vdeblur wrote no frame")
        taken = time.perf_counter() - started
        process.kill()
    return taken


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", default="fast")
    arguments.add_argument("--precision", default="auto")
    arguments.add_argument("--frames", type=int, default=300)
    arguments.add_argument("--size", default="1280x720")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--preset")
    given = arguments.parse_args()
    width, height = map(int, given.size.split("x"))
    model = ModelOptions(given.model, precision=given.precision)
    restorer = load_restorer(model)
    alone, whole, first = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder) / "clip.mp4", given.frames, width, height)
        for _ in range(given.rounds):
            alone.append(tight_loop(restorer, clip, given.frames))
            job = Job(
                str(clip),
                str(Path(folder) / "out.mp4"),
                model,
                sink=SinkOptions(overwrite=True, preset=given.preset),
            )
            whole.append(restore_whole(job).fps)
            first.append(seconds_to_first_frame(clip, model, (width, height)))
    ratios = [b / a for a, b in zip(alone, whole, strict=True)]
    print(
        json.dumps(
            {
                "machine": describe_machine(),
                "model": given.model,
                "precision": restorer.precision,
                "frames": given.frames,
                "size": given.size,
                "model_fps": [round(v, 2) for v in alone],
                "end_to_end_fps": [round(v, 2) for v in whole],
                "ratio_median": round(statistics.median(ratios), 3),
                "first_frame_seconds": round(statistics.median(first), 2),
                "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
