"""Drawn textures: soft stripes and checks with shading, which photographs of sharp things lack.

Blurred across its stripes, a wall of sharp stripes looks like a still wall of soft ones. A network that never met the
latter takes every soft edge for motion and sharpens it into bands that are not there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PERIOD_PX = (8.0, 240.0)
"""Width of a pair of stripes, log."""
SOFTNESS_PX = (0.5, 16.0)
"""Over which a stripe goes over into the next, log."""
CONTRAST = (0.02, 0.6)
"""Of full range, log."""


def draw_pattern(rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """Stripes, sometimes crossed, of two colours, bent and shaded a little: (3, size, size), dithered."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle = rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.1) if rng.random() < 0.6 else rng.uniform(0, np.pi)
    waves = _stripes(rng, x * np.cos(angle) + y * np.sin(angle), y)
    if rng.random() < 0.3:
        waves = waves * _stripes(rng, y * np.cos(angle) - x * np.sin(angle), x)
    colour = rng.uniform(0.1, 0.9) + rng.normal(0, 0.08, 3)
    other = np.exp(rng.uniform(*np.log(CONTRAST))) * (1 + rng.normal(0, 0.3, 3)) / 2
    slope = rng.normal(0, 0.1 / size, 2)
    shading = slope[0] * (x - size / 2) + slope[1] * (y - size / 2)
    seen = colour[:, None, None] + other[:, None, None] * waves + shading
    return np.clip(255 * seen + rng.random((3, size, size)), 0, 255).astype(np.uint8)


def _stripes(rng: np.random.Generator, across: NDArray[np.float32], along: NDArray[np.float32]) -> NDArray[np.float32]:
    """-1..1: a square wave with soft edges, bent a little."""
    period = np.exp(rng.uniform(*np.log(PERIOD_PX)))
    softness = np.exp(rng.uniform(*np.log(SOFTNESS_PX)))
    bend = rng.uniform(0, 0.15) * period * np.sin(2 * np.pi * along / len(along) * rng.uniform(0.3, 2))
    phase = 2 * np.pi * ((across + bend) / period + rng.random())
    wave = np.tanh((np.sin(phase) + rng.uniform(-0.4, 0.4)) * period / (2 * np.pi * softness))
    return np.asarray(wave, np.float32)
