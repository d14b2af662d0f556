"""What of a model's own speed is left when a frame server asks for its frames.

.venv-vapoursynth/bin/python benchmarks/frame_server.py [--model fast] [--clip FILE] [--size 1280x720] [--rounds 3]

In each round, in turn: the model in a tight loop on frames that are decoded already, the clip decoded and scaled alone,
and both together through `Deblur`, with as many requests at once as VapourSynth makes by itself. Medians of the rounds;
the ratio of served to loop is taken round by round. Needs Python 3.12 (`bash tests/make-vapoursynth`), and where there
is no torch an exported model.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

import vapoursynth as vs
from machine import describe_machine

from vdeblur.loading import ModelOptions, load_restorer
from vdeblur.pipeline import restored
from vdeblur.restorers.timed import Timed
from vdeblur.scenes import SceneCuts
from vdeblur.vapoursynth import Deblur, FrameConverter, layout_of

WARM_UP_FRAMES = 5


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", default="fast")
    arguments.add_argument("--clip", default=str(Path(__file__).parent.parent / "examples" / "handheld.mp4"))
    arguments.add_argument("--size", default="1280x720")
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    width, height = map(int, given.size.split("x"))
    clip = vs.core.bs.VideoSource(given.clip, cachemode=0).resize.Bicubic(width, height)
    rounds = [
        {
            "loop": loop(clip, given.model),
            "decode": per_second(clip.frames(close=True)),
            "served": per_second(Deblur(clip, given.model).frames(close=True)),
        }
        for _ in range(given.rounds)
    ]
    ratios = [each["served"] / each["loop"] for each in rounds]
    fps = {way: round(statistics.median(each[way] for each in rounds), 2) for way in rounds[0]}
    found = {
        "machine": describe_machine(),
        "vapoursynth_threads": vs.core.num_threads,
        "model": given.model,
        "frames": len(clip),
        "size": given.size,
        "fps": fps,
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
    }
    print(json.dumps(found, indent=1))


def loop(clip: vs.VideoNode, model: str) -> float:
    """Frames per second of the model alone."""
    samples = FrameConverter(layout_of(clip), is_float=False)
    frames = [samples.read(clip.get_frame(number), number) for number in range(min(len(clip), 120))]
    timed = Timed(load_restorer(ModelOptions(model)))
    for _ in restored(frames, timed, SceneCuts()):
        pass
    return (len(frames) - WARM_UP_FRAMES) / sum(timed.seconds[WARM_UP_FRAMES:])


def per_second(frames: Iterable[object]) -> float:
    """Frames per second of wall clock, the first ones not counted."""
    count, start = 0, time.perf_counter()
    for count, _ in enumerate(frames, start=1):
        if count == WARM_UP_FRAMES:
            start = time.perf_counter()
    return (count - WARM_UP_FRAMES) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
