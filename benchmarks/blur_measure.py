"""Calibrate `vdeblur.blurriness` against synthetic motion blur of known length.

python benchmarks/blur_measure.py

Photographs (scikit-image's) are blurred along lines of eight directions and several lengths; the raw figure of all of
them gives the calibration by medians, and what single pictures differ from it is its error.
"""

from __future__ import annotations

import json
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from vdeblur.blurriness import raw_length

LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
ANGLES = (0, 23, 45, 67, 90, 113, 135, 157)


def pictures() -> dict[str, NDArray[np.float32]]:
    """Luma of photographs, 0..255."""
    colour = {name: getattr(data, name)() for name in ("astronaut", "coffee", "chelsea", "rocket")}
    found = {name: cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for name, picture in colour.items()}
    found |= {"camera": data.camera(), "brick": data.brick(), "grass": data.grass(), "page": data.page()}
    return {name: luma.astype(np.float32) for name, luma in found.items()}


def line(length: float, angle: float) -> NDArray[np.float32]:
    """Kernel of an even motion over `length` pixels, supersampled eight times."""
    side = int(np.ceil(length)) // 2 * 2 + 3
    kernel = np.zeros((side, side), np.float32)
    for t in np.linspace(-0.5, 0.5, int(length * 8) + 1):
        x = side // 2 + t * (length - 1) * np.cos(np.radians(angle))
        y = side // 2 - t * (length - 1) * np.sin(np.radians(angle))
        left, top = int(np.floor(x)), int(np.floor(y))
        for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
            kernel[top + dy, left + dx] += (1 - abs(y - top - dy)) * (1 - abs(x - left - dx))
    kernel /= kernel.sum()
    return kernel


def main() -> None:
    """Run it."""
    raw: dict[int, list[float]] = {}
    for length in LENGTHS:
        raw[length] = []
        for luma in pictures().values():
            for angle in ANGLES if length > 1 else (0,):
                blurred = luma if length == 1 else cv2.filter2D(luma, -1, line(length, angle))
                value = raw_length(np.clip(np.rint(blurred), 0, 255).astype(np.float32))
                if value is not None:
                    raw[length].append(value)
    medians = {length: float(np.median(values)) for length, values in raw.items()}
    points = [(round(medians[length], 2), float(length)) for length in LENGTHS]
    rising = all(a[0] < b[0] for a, b in pairwise(points))
    xs, ys = zip(*points, strict=True)
    errors = {
        length: round(float(np.median(np.abs(np.interp(values, xs, ys) - length))), 2) for length, values in raw.items()
    }
    spread = {length: [round(float(np.quantile(v, q)), 2) for q in (0.1, 0.9)] for length, v in raw.items()}
    print(json.dumps({"calibration": points, "rising": rising, "median_error": errors, "raw_10_90": spread}, indent=1))


if __name__ == "__main__":
    main()
