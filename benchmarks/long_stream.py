"""Does the state help, and stay sound, for as long as a stream lasts? Gain at frame 1, 10, 100 and 1000 of one stream.

python benchmarks/long_stream.py [--model fast] [--frames 1000]

A hand shakes a camera over a photograph (scikit-image's), and every frame's truth is known. The stream is restored in
one run, once more with the state reset at every frame, and from the middle on: with no past (a cold start), and with
the past of another scene whose cut nobody noticed. All figures are gains over the blurred input in dB of PSNR.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from fractions import Fraction

import cv2
import numpy as np
from machine import describe_machine
from numpy.typing import NDArray
from skimage import data

from vdeblur.frames import MATRIX_SMPTE170M, Color, Frame, Layout
from vdeblur.loading import load_restorer
from vdeblur.pipeline import restored
from vdeblur.quality.evaluate import StateReset
from vdeblur.restorer import Restorer

WIDTH, HEIGHT, SUB_FRAMES, SHUTTER = 256, 192, 17, 0.8
SPANS = ((1, 1), (2, 5), (6, 10), (11, 100), (101, 300), (301, 1000))
Picture = NDArray[np.uint8]


def view(t: float, phase: float) -> NDArray[np.float64]:
    """Where the camera looks at time t (frames): shakes that no two of repeat together, steady ones between."""
    swell = 0.55 + 0.45 * np.sin(0.13 * t + phase)
    x = 22 * np.sin(0.31 * t + phase) + swell * (7 * np.sin(0.83 * t + 1) + 3 * np.sin(2.1 * t))
    y = 14 * np.sin(0.23 * t + 2 * phase) + swell * (6 * np.sin(0.71 * t) + 3 * np.sin(1.7 * t + 1))
    roll = 0.03 * np.sin(0.19 * t + phase)
    a, b = np.cos(roll), np.sin(roll)
    return np.array([[a, -b, x], [b, a, y], [0, 0, 1]])


def film(photograph: Picture, frames: int, phase: float) -> Iterator[tuple[Picture, Picture]]:
    """Blurred and sharp (HEIGHT, WIDTH, 3) RGB; blur is a mean in linear light, the truth the exposure's centre."""
    linear = (photograph.astype(np.float32) / 255) ** 2.2
    middle = np.array([[1, 0, -WIDTH / 2], [0, 1, -HEIGHT / 2], [0, 0, 1]])
    back = np.array([[1.4, 0, photograph.shape[1] / 2], [0, 1.4, photograph.shape[0] / 2], [0, 0, 1]])

    def seen(t: float) -> NDArray[np.float32]:
        matrix = (back @ view(t, phase) @ middle)[:2]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped = cv2.warpAffine(linear, matrix, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(warped, np.float32)

    for frame in range(frames):
        moments = frame + SHUTTER * ((np.arange(SUB_FRAMES) + 0.5) / SUB_FRAMES - 0.5)
        exposure = [seen(float(t)) for t in moments]
        light = np.mean(exposure, axis=0), exposure[SUB_FRAMES // 2]
        blurred, sharp = (np.rint(255 * x ** (1 / 2.2)).astype(np.uint8) for x in light)
        yield blurred, sharp


def as_frame(picture: Picture, index: int) -> Frame:
    """An RGB picture as a frame."""
    planes = tuple(np.ascontiguousarray(picture[..., i]) for i in range(3))
    return Frame(planes, Layout("rgb", 8), Color(matrix=MATRIX_SMPTE170M, full_range=True), index, Fraction(1, 30))


def mse(a: Picture, b: Picture) -> float:
    """Mean squared error."""
    return float(np.square(a.astype(np.float64) - b).mean())


def gains(restorer: Restorer, clip: Sequence[tuple[Picture, Picture]], before: Sequence[Picture] = ()) -> list[float]:
    """Gain of each frame of a clip, dB; the frames `before` are restored first, in the same scene, and not counted."""
    frames = [as_frame(picture, i) for i, picture in enumerate([*before, *(blurred for blurred, _ in clip)])]
    results = []
    for index, result in enumerate(restored(frames, restorer)):
        if index >= len(before):
            blurred, sharp = clip[index - len(before)]
            error = mse(np.stack(result.after.planes, -1), sharp)
            results.append(10 * np.log10(mse(blurred, sharp) / max(error, 1e-6)))
    return results


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", default="fast")
    arguments.add_argument("--frames", type=int, default=1000)
    given = arguments.parse_args()
    restorer = load_restorer(given.model)
    clip = list(film(data.astronaut(), given.frames, 0.0))
    carried, alone = gains(restorer, clip), gains(StateReset(restorer), clip)
    print(f"{given.model}; {describe_machine()}\n")
    print("| frames | state carried dB | reset at each frame dB |\n|---|---:|---:|")
    for first, last in SPANS:
        if first <= given.frames:
            part = slice(first - 1, last)
            name = str(first) if first == last else f"{first} to {min(last, given.frames)}"
            print(f"| {name} | {np.mean(carried[part]):+.2f} | {np.mean(alone[part]):+.2f} |")

    other = [blurred for blurred, _ in film(data.coffee(), 20, 1.0)]
    middles = range(50, given.frames - 10, max(10, given.frames // 12))
    rows = {"no past": (), "the past of another scene, its cut unnoticed": other}
    print("\n| begun in mid-stream after | 1st frame dB | 2nd dB | 3rd to 10th dB |\n|---|---:|---:|---:|")
    for name, before in rows.items():
        starts = np.array([gains(restorer, clip[start : start + 10], before) for start in middles])
        print(f"| {name} | {starts[:, 0].mean():+.2f} | {starts[:, 1].mean():+.2f} | {starts[:, 2:].mean():+.2f} |")
    warm = np.array([carried[start : start + 10] for start in middles])
    print(f"| its own past | {warm[:, 0].mean():+.2f} | {warm[:, 1].mean():+.2f} | {warm[:, 2:].mean():+.2f} |")


if __name__ == "__main__":
    main()
