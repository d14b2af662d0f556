"""The eight symmetries of a square, on folded pictures (..., 6, h, w): four phases of luma, then Cb and Cr."""

from __future__ import annotations

from torch import Tensor

SYMMETRIES = (0b000, 0b001, 0b010, 0b101, 0b100, 0b111, 0b011, 0b110)
"""Of the square, as three bits: transposed, upside down, mirrored. The order lets few views differ much."""


def turn(clip: Tensor, symmetry: int) -> Tensor:
    """Folded planes (..., 6, h, w) transposed, then turned upside down, then mirrored, as the three bits say."""
    if symmetry & 0b100:
        clip = _phases(clip.transpose(-1, -2), 0, 2, 1, 3)
    if symmetry & 0b010:
        clip = _phases(clip.flip(-2), 2, 3, 0, 1)
    if symmetry & 0b001:
        clip = _phases(clip.flip(-1), 1, 0, 3, 2)
    return clip


def turn_flow(flow: Tensor, symmetry: int) -> Tensor:
    """Flow (..., 2, h, w), x then y, between frames that `turn` turned alike."""
    if symmetry & 0b100:
        flow = flow.transpose(-1, -2).flip(-3)
    if symmetry & 0b010:
        flow = flow.flip(-2) * flow.new_tensor([1, -1]).view(2, 1, 1)
    if symmetry & 0b001:
        flow = flow.flip(-1) * flow.new_tensor([-1, 1]).view(2, 1, 1)
    return flow


def undo(clip: Tensor, symmetry: int) -> Tensor:
    """What `turn` turned, as it was. Transposing swaps the two flips; alone, each is its own inverse."""
    if symmetry & 0b100:
        vertical, horizontal = (symmetry >> 1) & 1, symmetry & 1
        symmetry = 0b100 | horizontal << 1 | vertical
    return turn(clip, symmetry)


def _phases(clip: Tensor, *order: int) -> Tensor:
    """Folded planes with the four phases of luma in another order."""
    return clip[..., [*order, 4, 5], :, :]
