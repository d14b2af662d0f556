"""Render examples/handheld.mp4: two photographs filmed with a shaking hand and an open shutter, with sound.

python examples/make_clip.py [OUTPUT]

Each frame is the mean, in linear light, of what a moving camera sees while its shutter is open. The photographs are
`coffee` (Rachel Michetti, CC0) and `astronaut` (NASA, public domain) of scikit-image; a
tone sounds when the scene changes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

WIDTH, HEIGHT, RATE, FRAMES, SUB_FRAMES, SHUTTER = 480, 270, 30, 60, 25, 0.8


def camera(t: float) -> NDArray[np.float64]:
    """Where the camera looks at time t (frames): a 2x3 affine map from picture to photograph, about its middle."""
    x = 22 * np.sin(0.31 * t) + 7 * np.sin(0.83 * t + 1) + 2.5 * np.sin(2.1 * t)
    y = 14 * np.sin(0.23 * t + 2) + 5 * np.sin(0.71 * t) + 2.5 * np.sin(1.7 * t + 1)
    roll = 0.02 * np.sin(0.19 * t) + 0.008 * np.sin(0.9 * t)
    a, b = np.cos(roll), np.sin(roll)
    return np.array([[a, -b, x], [b, a, y]])


def blurred_frames(photograph: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """FRAMES pictures (HEIGHT, WIDTH, 3) of a photograph (RGB)."""
    linear = (photograph.astype(np.float32) / 255) ** 2.2
    middle = np.array([[1, 0, WIDTH / 2], [0, 1, HEIGHT / 2], [0, 0, 1]])
    size = photograph.shape[1] / 2, photograph.shape[0] / 2
    for frame in range(FRAMES):
        light = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        for sub in range(SUB_FRAMES):
            view = camera(frame + SHUTTER * ((sub + 0.5) / SUB_FRAMES - 0.5)) @ np.linalg.inv(middle)
            view[:, 2] += size
            light += cv2.warpAffine(linear, view, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        yield np.rint(255 * (light / SUB_FRAMES) ** (1 / 2.2)).astype(np.uint8)


def main() -> None:
    """Write the clip."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "handheld.mp4")
    pictures = [picture for photograph in (data.coffee(), data.astronaut()) for picture in blurred_frames(photograph)]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"crf": "18", "preset": "slow"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=48000, layout="mono")
        container.metadata["title"] = "A shaking hand and an open shutter"
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(video.encode(frame))
        for start in range(0, len(pictures) * 48000 // RATE, 1024):
            t = (start + np.arange(1024)) / 48000
            loud = 0.3 * np.exp(-4 * np.maximum(0, t - FRAMES / RATE)) * (t >= FRAMES / RATE)
            samples = av.AudioFrame.from_ndarray(
                (loud * np.sin(2 * np.pi * 440 * t))[None].astype(np.float32), "fltp", "mono"
            )
            samples.sample_rate, samples.pts, samples.time_base = 48000, start, Fraction(1, 48000)
            container.mux(sound.encode(samples))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))


if __name__ == "__main__":
    main()
