"""Outlines of things and of nearer planes, as coverage between 0 and 1."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray


def draw_shape(rng: np.random.Generator, size: int, kind: str) -> NDArray[np.float32]:
    """Coverage (size, size) with an edge about one pixel wide.

    "thing" is a blob, an ellipse, a bar, a fence or a polygon; "plane" covers one side of a wavy or straight line.
    """
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    y, x = axis[:, None], axis[None]
    angle = rng.uniform(0, 2 * math.pi)
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    if kind == "plane":
        wave = rng.uniform(0, 0.1) * np.sin(rng.uniform(2, 12) * v + rng.uniform(0, 6))
        inside = u - rng.uniform(-0.1, 0.5) + wave * (rng.random() < 0.5)
        return _coverage(inside, size)
    choice = rng.integers(5)
    if choice == 0:
        noise = cv2.resize(rng.normal(size=(5, 5)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
        inside = 0.6 - (u * u + v * v) + 0.35 * noise
    elif choice == 1:
        inside = 0.9 - np.sqrt((u / rng.uniform(0.4, 1)) ** 2 + v * v)
    elif choice == 2:
        inside = np.minimum(rng.uniform(0.04, 0.5) - np.abs(u), 0.9 - np.abs(v))
    elif choice == 3:
        inside = np.minimum(
            np.cos(rng.uniform(5, 25) * u) - rng.uniform(-0.3, 0.8), 1 - np.maximum(np.abs(u), np.abs(v))
        )
    else:
        corners = np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(3, 9))))
        radii = rng.uniform(0.4, 0.95, len(corners))
        points = np.stack([np.cos(corners), np.sin(corners)], 1) * radii[:, None]
        canvas = np.zeros((size, size), np.uint8)
        fixed = np.round((points + 1) / 2 * (size - 1) * 256).astype(np.int32)
        cv2.fillPoly(canvas, [fixed], 255, cv2.LINE_AA, 8)
        return np.asarray(canvas, np.float32) / np.float32(255)
    edge = np.minimum(0.95 - np.abs(x), 0.95 - np.abs(y))
    return _coverage(np.minimum(inside, edge), size)


def _coverage(inside: NDArray[np.floating], size: int) -> NDArray[np.float32]:
    """Signed distance in half sizes, about -> coverage."""
    return np.asarray(np.clip(inside * size / 2 + 0.5, 0, 1), np.float32)
