"""How many frames of warm-up bring a recurrent state to where a longer past would have brought it.

python benchmarks/warm_up.py [--model fast] [CLIP ...]

A stream is restored once from its first frame, and again from later starts. For every number of frames since the start,
the largest difference to the uninterrupted stream, in 8-bit levels, over all starts and clips. The warm-up of segments
must be the first number from which on it stays at 1 or below.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np
from machine import describe_machine
from media import make_clip

from vdeblur.frames import Frame
from vdeblur.restorer import Restorer, State, load_restorer
from vdeblur.sources import open_source
from vdeblur.windows import windows


def restored(restorer: Restorer, frames: list[Frame]) -> list[Frame]:
    """All frames through the model, from an empty state."""
    state: State = None
    results = []
    for window in windows(frames, restorer.past, restorer.future):
        result, state = restorer.restore(window, state)
        results.append(result)
    return results


def curve(restorer: Restorer, frames: list[Frame], starts: list[int], reach: int) -> list[int]:
    """Largest difference for 0, 1, ... frames after a start."""
    whole = restored(restorer, frames)
    worst = [0] * reach
    for start in starts:
        # Future frames are there as they would be in a segment, so that only the past differs.
        pieces = restored(restorer, frames[start : start + reach + restorer.future])[:reach]
        for number, (a, b) in enumerate(zip(whole[start:], pieces, strict=False)):
            scale = 1 << (a.layout.bits - 8)
            difference = max(int(np.abs(x.astype(int) - y).max()) for x, y in zip(a.planes, b.planes, strict=True))
            worst[number] = max(worst[number], -(-difference // scale))
    return worst


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("clips", nargs="*", help="video files; without any, one is made")
    arguments.add_argument("--model", default="fast")
    arguments.add_argument("--frames", type=int, default=60, help="of each clip")
    arguments.add_argument("--reach", type=int, default=24)
    arguments.add_argument("--size", default="320x192", help="of the clip that is made")
    given = arguments.parse_args()
    restorer = load_restorer(given.model)
    worst = [0] * given.reach
    with tempfile.TemporaryDirectory() as folder:
        width, height = map(int, given.size.split("x"))
        clips = given.clips or [str(make_clip(Path(folder) / "clip.mp4", given.frames, width, height))]
        for clip in clips:
            with open_source(clip) as source:
                frames = list(islice(source, given.frames))
            starts = list(range(8, len(frames) - given.reach, 7))
            worst = [max(pair) for pair in zip(worst, curve(restorer, frames, starts, given.reach), strict=True)]
    enough = max((number + 1 for number, value in enumerate(worst) if value > 1), default=0)
    result = {
        "machine": describe_machine(),
        "model": given.model,
        "clips": len(clips),
        "largest_difference": worst,
        "warm_up": enough if enough < given.reach else None,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
