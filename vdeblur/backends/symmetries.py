"""The eight symmetries of a square, applied to folded frames (..., 6, h, w) and flow, in NumPy or torch."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

SYMMETRIES = (0b000, 0b001, 0b010, 0b101, 0b100, 0b111, 0b011, 0b110)
"""As three bits: transpose, flip vertically, flip horizontally. In this order even a few views differ much."""

Planes = TypeVar("Planes", bound=Any)


def turn(clip: Planes, symmetry: int) -> Planes:
    """Folded planes transposed, flipped vertically, flipped horizontally, as the three bits say."""
    if symmetry & 0b100:
        clip = _phases(clip.swapaxes(-1, -2), 0, 2, 1, 3)
    if symmetry & 0b010:
        clip = _phases(_flip(clip, -2), 2, 3, 0, 1)
    if symmetry & 0b001:
        clip = _phases(_flip(clip, -1), 1, 0, 3, 2)
    return clip


def undo(clip: Planes, symmetry: int) -> Planes:
    """The inverse of `turn`. Transposing swaps the two flips; each by itself is its own inverse."""
    if symmetry & 0b100:
        vertical, horizontal = (symmetry >> 1) & 1, symmetry & 1
        symmetry = 0b100 | horizontal << 1 | vertical
    return turn(clip, symmetry)


def turn_flow(flow: Planes, symmetry: int) -> Planes:
    """Flow (..., 2, h, w), x and y, for two frames transformed by `turn`."""
    if symmetry & 0b100:
        flow = flow.swapaxes(-1, -2)[..., [1, 0], :, :]
    if symmetry & 0b010:
        flow = _flip(flow, -2) * _signs(flow, 1, -1)
    if symmetry & 0b001:
        flow = _flip(flow, -1) * _signs(flow, -1, 1)
    return flow


def _flip(clip: Any, axis: int) -> Any:
    return np.flip(clip, axis) if isinstance(clip, np.ndarray) else clip.flip(axis)


def _signs(flow: Any, x: int, y: int) -> Any:
    signs = np.array([x, y], np.float32).reshape(2, 1, 1)
    return signs if isinstance(flow, np.ndarray) else flow.new_tensor(signs)


def _phases(clip: Any, *order: int) -> Any:
    """Folded planes with the four luma phases reordered."""
    return clip[..., [*order, 4, 5], :, :]
