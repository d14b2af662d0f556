"""How many frames of warm-up make a segment what it would have been in the whole: by measurement, as a curve.

python benchmarks/warm_up.py [--model fast|FILE.safetensors] [--svg warm_up.svg] [CLIP ...]

Each clip is restored once from its first frame, and again by a network that starts from nothing at later frames. A
segment with a warm-up of n frames is such a start n frames before it; so the largest difference from frame n on after
a start, over all starts, is the largest difference between segmented and whole for that warm-up. It is given in levels
of 255, over every sample of every plane. The warm-up that segments use is the smallest one at which it is at most 1
for all clips: `benchmarks/publish.py --warm-up N` stores it with the weights.

Without clips the script renders some that ask different things of a memory: a shaking hand, a long pan, something that
passes in front of what stands still, turning and zooming, and a lamp that flickers in the dark.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from machine import describe_machine
from numpy.typing import NDArray
from skimage import data

from vdeblur.frames import Frame
from vdeblur.loading import load_restorer
from vdeblur.media.sources import open_source
from vdeblur.pipeline import restored
from vdeblur.quality import plots
from vdeblur.restorer import Restorer

LONGEST = 48
"""Frames of the longest warm-up that is looked at."""
BEHIND = 24
"""Frames behind it that must stay within the limit as well."""
FIRST_START, START_EVERY = 8, 13
"""Frames: from where, and how far apart, the network is started anew."""
EXPOSURE = 4
"""Moments of the scene in one frame: what moves is smeared."""

Picture = NDArray[Any]
"""(height, width, 3), RGB in 8 bit."""
Scene = Callable[[float], Picture]
"""What is seen at a moment, counted in frames."""


def scenes(width: int, height: int) -> dict[str, Scene]:
    """By what moves in them."""
    smooth = cv2.resize(data.astronaut(), (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(0).normal(0, 3, smooth.shape)
    photograph = np.clip(smooth + grain, 0, 255).astype(np.uint8)
    steps = np.random.default_rng(1).normal(0, 5, (2, 400)).cumsum(axis=1)
    hand = np.stack([cv2.GaussianBlur(path[None], (9, 1), 0)[0] for path in steps])

    def view(x: float, y: float, degrees: float = 0, zoom: float = 1) -> Picture:
        matrix: Any = cv2.getRotationMatrix2D((width, height), degrees, zoom)
        matrix[:, 2] -= (width / 2 + x, height / 2 + y)
        seen: Picture = cv2.warpAffine(photograph, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        return seen

    def shaking(t: float) -> Picture:
        return view(*(float(np.interp(t, range(400), path)) for path in hand))

    def panning(t: float) -> Picture:
        return view(6 * t - width / 2, 0.5 * t)

    def passing(t: float) -> Picture:
        picture = view(0, 0)
        left, side = int(9 * t) % (width + 60) - 60, height // 3
        block = photograph[:side, :60]
        shown = slice(max(left, 0), min(left + 60, width))
        picture[side : 2 * side, shown] = block[:, shown.start - left : shown.stop - left]
        return picture

    def turning(t: float) -> Picture:
        return view(0, 0, 3 * t, 1 + 0.3 * np.sin(t / 11))

    def flickering(t: float) -> Picture:
        light = 0.06 if int(t) % 17 > 3 else 0.9
        return cv2.convertScaleAbs(view(2 * t, 0), alpha=light)

    return {f.__name__: f for f in (shaking, panning, passing, turning, flickering)}


def render(path: Path, scene: Scene, frames: int, width: int, height: int) -> str:
    """H.264 as cameras write it; the path is returned."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=30, options={"crf": "18", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            moments = [scene(number + part / EXPOSURE).astype(np.float32) for part in range(EXPOSURE)]
            picture = np.rint(sum(moments) / EXPOSURE).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return str(path)


def levels(a: Frame, b: Frame) -> float:
    """Largest difference in levels of 255."""
    worst = max(int(np.abs(x.astype(int) - y).max()) for x, y in zip(a.planes, b.planes, strict=True))
    return worst / (1 << (a.layout.bits - 8))


def curve(restorer: Restorer, frames: list[Frame]) -> list[float]:
    """Largest difference between segmented and whole for warm-ups of 0 to LONGEST frames."""
    whole = [result.after for result in restored(frames, restorer)]
    reach = LONGEST + BEHIND
    after = [0.0] * reach
    for start in range(FIRST_START, len(frames) - reach, START_EVERY):
        # Future frames are there as they would be in a segment, so that only the past differs.
        segment = restored(frames[start : start + reach + restorer.future], restorer)
        pieces = [result.after for result in islice(segment, reach)]
        after = [max(worst, levels(*pair)) for worst, *pair in zip(after, whole[start:], pieces, strict=False)]
    return list(accumulate(reversed(after), max))[::-1][: LONGEST + 1]


def smallest(values: list[float]) -> int | None:
    """The first warm-up from which on the difference is at most one level."""
    return next((number for number, value in enumerate(values) if value <= 1), None)


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("clips", nargs="*", help="video files; without any, five are rendered")
    arguments.add_argument("--model", default="fast", help="a name of `vdeblur models`, or a .safetensors file")
    arguments.add_argument("--frames", type=int, default=160, help="of each clip; more give more starts")
    arguments.add_argument("--size", default="320x192", help="of the clips that are rendered")
    arguments.add_argument("--svg", type=Path, help="draw the curves into this file")
    given = arguments.parse_args()
    width, height = map(int, given.size.split("x"))
    if given.frames <= FIRST_START + LONGEST + BEHIND:
        arguments.error(f"--frames: {FIRST_START + LONGEST + BEHIND + 1} are the fewest that tell anything")
    restorer = load_restorer(given.model)
    curves: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        clips = {Path(clip).name: clip for clip in given.clips} or {
            name: render(Path(folder) / f"{name}.mp4", scene, given.frames, width, height)
            for name, scene in scenes(width, height).items()
        }
        for name, clip in clips.items():
            with open_source(clip) as source:
                frames = list(islice(source, given.frames))
            if len(frames) <= FIRST_START + LONGEST + BEHIND:
                arguments.error(f"{clip}: has only {len(frames)} frames")
            curves[name] = curve(restorer, frames)
    together = [max(values) for values in zip(*curves.values(), strict=True)]
    print(f"{given.model} on {describe_machine()}\n")
    print(f"| warm-up | {' | '.join(curves)} | all |\n|---:|{'---:|' * (len(curves) + 1)}")
    for number in range(0, LONGEST + 1, 2):
        print(f"| {number} | {' | '.join(f'{values[number]:g}' for values in (*curves.values(), together))} |")
    enough = smallest(together)
    print(f"\nsmallest warm-up for at most 1/255: {f'more than {LONGEST}' if enough is None else enough} frames")
    if given.svg:
        series = {"1/255": [1.0] * len(together)} | curves
        plot = plots.lines("warm-up", series, "frames of warm-up", "largest difference, levels of 255")
        title = f"{Path(given.model).stem}: segmented against whole"
        given.svg.write_text(plots.standalone({title: (plot, list(series))}), encoding="utf-8")


if __name__ == "__main__":
    main()
