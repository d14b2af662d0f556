"""Pairs with an exactly known truth: a still image, seen by a camera that moves along a known path.

They calibrate an explanation on its own footage: frames are scaled down by half, which hides their blur, and shaken by
known exposures, so that the motion map and the uncertainty can be compared with the truth. Such pairs lack moving
objects, noise and compression; real errors are larger.
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
"""(3, 3): pixels of a frame to pixels of the image that it views."""

FRAMES = 5
LONGEST = 12.0
"""Longest motion of the camera within an exposure, px."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownClip:
    """Frames (height, width, 3) of uint8 RGB: blurred, and sharp at the middle of the exposure."""

    blurred: list[Image]
    sharp: list[Image]
    motion: list[Flow]
    """(height, width, 2) each: displacement of the content of each pixel over the exposure, px."""
    exposure: float
    """Share of the frame time."""


def shaken(rng: np.random.Generator, image: Image, frames: int = FRAMES) -> KnownClip:
    """The image seen by a camera that pans, rolls and zooms at smoothly changing rates."""
    height, width = image.shape[:2]
    exposure = float(rng.uniform(0.4, 1.0))
    fits = min(height, width) / (3 * frames)
    speed = min(float(np.exp(rng.uniform(np.log(2.5), np.log(LONGEST)))), fits) / exposure
    angle = rng.uniform(0, 2 * np.pi)
    pan = speed * np.array([np.cos(angle), np.sin(angle)])
    bend, turn, zoom = rng.uniform(-0.15, 0.15, 2) * speed, rng.normal() * 0.004, rng.normal() * 0.003
    margin = int(speed * frames * 0.75) + 8
    size = (max(width - 2 * margin, width // 2) // 4 * 4, max(height - 2 * margin, height // 2) // 4 * 4)

    def view(time: float) -> Matrix:
        """The transform of a frame's pixels to the image at a time, in frame times from the middle of the clip."""
        x, y = pan * time + bend * time * time
        scale, roll = np.exp(zoom * time), turn * time
        a, b = scale * np.cos(roll), scale * np.sin(roll)
        to_centre = np.array([[1, 0, -(size[0] - 1) / 2], [0, 1, -(size[1] - 1) / 2], [0, 0, 1]])
        move = np.array([[a, -b, x + (width - 1) / 2], [b, a, y + (height - 1) / 2], [0, 0, 1]])
        return np.asarray(move @ to_centre, np.float64)

    light = _light(image)
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
    """For each pixel of the view `now`: the position of its content at `last` minus that at `first`."""
    rows, columns = np.indices(size[::-1], dtype=np.float64)
    places = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    moved = np.linalg.inv(last) @ now - np.linalg.inv(first) @ now
    return np.asarray((places @ moved.T)[..., :2], np.float32)


def _seen(light: NDArray[np.float32], view: Matrix, size: tuple[int, int]) -> NDArray[np.float32]:
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(light, view[:2], size, flags=flags, borderMode=cv2.BORDER_REFLECT), np.float32)


def _light(image: Image) -> NDArray[np.float32]:
    """8-bit sRGB to linear light (IEC 61966-2-1)."""
    code = image.astype(np.float32) / 255
    return np.asarray(np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4), np.float32)


def _code(light: NDArray[np.float32]) -> Image:
    light = np.clip(light, 0, 1)
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(code * 255), np.uint8)


def halved(images: Sequence[Image]) -> list[Image]:
    """Each scaled down by half, by area."""
    return [
        np.asarray(cv2.resize(p, (p.shape[1] // 2, p.shape[0] // 2), interpolation=cv2.INTER_AREA), np.uint8)
        for p in images
    ]
