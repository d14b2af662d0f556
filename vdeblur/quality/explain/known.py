"""Pairs whose truth is known to the last bit: a still picture seen by a camera that moves along a known path.

They calibrate an explanation on the footage that it explains: its own frames, halved (which hides their blur), are
shaken by known exposures, so that both the motion map and the uncertainty can be set against the truth. What no pair
of this kind has is objects that move by themselves, noise and compression; real errors are larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...flow import Flow
from ...frames import Image

Matrix = NDArray[np.float64]
"""(3, 3): pixels of a frame to pixels of the picture that it is a view of."""

FRAMES = 5
LONGEST = 12.0
"""Pixels that the camera moves within an exposure, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownClip:
    """Frames (height, width, 3) of uint8 RGB, blurred and as they were at the centre of the exposure."""

    blurred: list[Image]
    sharp: list[Image]
    motion: list[Flow]
    """(height, width, 2) each: where what a pixel shows went from the exposure's first moment to its last, px."""
    exposure: float
    """Share of the frame time."""


def shaken(rng: np.random.Generator, picture: Image, frames: int = FRAMES) -> KnownClip:
    """The picture under a camera that pans, turns and zooms at a smoothly changing rate; cropped to what it sees."""
    height, width = picture.shape[:2]
    exposure = float(rng.uniform(0.4, 1.0))
    fits = min(height, width) / (3 * frames)
    speed = min(float(np.exp(rng.uniform(np.log(2.5), np.log(LONGEST)))), fits) / exposure
    angle = rng.uniform(0, 2 * np.pi)
    pan = speed * np.array([np.cos(angle), np.sin(angle)])
    bend, turn, zoom = rng.uniform(-0.15, 0.15, 2) * speed, rng.normal() * 0.004, rng.normal() * 0.003
    margin = int(speed * frames * 0.75) + 8
    size = (max(width - 2 * margin, width // 2) // 4 * 4, max(height - 2 * margin, height // 2) // 4 * 4)

    def view(time: float) -> Matrix:
        """Where each pixel of a frame looks at a moment, in frame times about the clip's middle."""
        x, y = pan * time + bend * time * time
        scale, roll = np.exp(zoom * time), turn * time
        a, b = scale * np.cos(roll), scale * np.sin(roll)
        to_centre = np.array([[1, 0, -(size[0] - 1) / 2], [0, 1, -(size[1] - 1) / 2], [0, 0, 1]])
        move = np.array([[a, -b, x + (width - 1) / 2], [b, a, y + (height - 1) / 2], [0, 0, 1]])
        return np.asarray(move @ to_centre, np.float64)

    light = _light(picture)
    steps = max(9, int(2 * speed * exposure)) | 1
    offsets = (np.arange(steps) - steps // 2) / steps * exposure
    blurred, sharp, motion = [], [], []
    for index in range(frames):
        time = index - (frames - 1) / 2
        blurred.append(_code(np.mean([_seen(light, view(time + offset), size) for offset in offsets], axis=0)))
        sharp.append(_code(_seen(light, view(time), size)))
        motion.append(_between(view(time), view(time - exposure / 2), view(time + exposure / 2), size))
    return KnownClip(blurred, sharp, motion, exposure)


def _between(now: Matrix, first: Matrix, last: Matrix, size: tuple[int, int]) -> Flow:
    """For each pixel of the view `now`: where its content is at `last` less where it is at `first`."""
    rows, columns = np.indices(size[::-1], dtype=np.float64)
    places = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    moved = np.linalg.inv(last) @ now - np.linalg.inv(first) @ now
    return np.asarray((places @ moved.T)[..., :2], np.float32)


def _seen(light: NDArray[np.float32], view: Matrix, size: tuple[int, int]) -> NDArray[np.float32]:
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(light, view[:2], size, flags=flags, borderMode=cv2.BORDER_REFLECT), np.float32)


def _light(picture: Image) -> NDArray[np.float32]:
    """8-bit sRGB to linear light (IEC 61966-2-1)."""
    code = picture.astype(np.float32) / 255
    return np.asarray(np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4), np.float32)


def _code(light: NDArray[np.float32]) -> Image:
    light = np.clip(light, 0, 1)
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(code * 255), np.uint8)


def halved(pictures: Sequence[Image]) -> list[Image]:
    """Each at half its size, by area."""
    return [
        np.asarray(cv2.resize(p, (p.shape[1] // 2, p.shape[0] // 2), interpolation=cv2.INTER_AREA), np.uint8)
        for p in pictures
    ]
