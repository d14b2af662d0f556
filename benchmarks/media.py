"""A clip to measure with, made on the spot: a photograph under a moving camera, with sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from skimage import data


def make_clip(path: Path, frames: int, width: int = 1280, height: int = 720, rate: int = 30) -> Path:
    """H.264 (yuv420p) with a stereo AAC tone of the same length; texture in every frame, as footage has."""
    photograph = cv2.resize(data.astronaut(), (width * 3 // 2, height * 2), interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 3, photograph.shape)
    photograph = np.clip(photograph + grain, 0, 255).astype(np.uint8)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream("aac", rate=48000, layout="stereo")
        for i in range(frames):
            x = int((width // 4) * (1 + np.sin(i / 17)))
            y = int((height // 2) * (1 + np.sin(i / 23)))
            picture = np.ascontiguousarray(photograph[y : y + height, x : x + width])
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, rate)
            container.mux(video.encode(frame))
        for start in range(0, frames * 48000 // rate, 1024):
            t = (start + np.arange(1024)) / 48000
            tone = np.stack([0.2 * np.sin(2 * np.pi * 440 * t), 0.2 * np.sin(2 * np.pi * 660 * t)]).astype(np.float32)
            samples = av.AudioFrame.from_ndarray(tone, "fltp", "stereo")
            samples.sample_rate, samples.pts, samples.time_base = 48000, start, Fraction(1, 48000)
            container.mux(sound.encode(samples))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path
