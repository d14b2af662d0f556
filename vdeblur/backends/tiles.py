"""Tiles: a network runs on a large frame piece by piece, with the same result.

Each tile is computed with an overlap as wide as the receptive field, and only its core is kept. Alignment works on
whole frames before that, and the state is stored whole. So tiled equals untiled over any length of stream, but for the
order of floating-point sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product
from math import ceil
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..recurrence import CELL

Array: TypeAlias = Any
"""(n, c, h, w), in NumPy or torch."""
Compute: TypeAlias = Callable[[Sequence[Array]], Sequence[Array]]


class Span(NamedTuple):
    """A tile along one axis, in cells."""

    core: slice
    """The part of the result to keep."""
    seen: slice
    """The input: the core and at least its overlap, within the frame; of the same length for all tiles."""

    @property
    def core_in_seen(self) -> slice:
        """The core relative to the tile."""
        return slice(self.core.start - self.seen.start, self.core.stop - self.seen.start)


def spans(length: int, tile: int, margin: int) -> Iterator[Span]:
    """Adjacent cores of at most `tile` cells, of nearly equal length, that cover `length` cells."""
    count = max(ceil(length / tile), 1)
    edges = [length * i // count for i in range(count + 1)]
    seen = min(ceil(length / count) + 2 * margin, length)  # of one length, since engines prepare for a size at a time
    for start, stop in pairwise(edges):
        first = min(max(start - margin, 0), length - seen)
        yield Span(slice(start, stop), slice(first, first + seen))


def in_tiles(
    compute: Compute, inputs: Sequence[Array], cells: tuple[int, int], tile: int, reach: int
) -> Sequence[Array]:
    """Run `compute` in tiles on inputs of this many (rows, columns) of cells.

    `tile` is the side of a core in pixels, 0 for no tiles; `reach` is the radius of the receptive field in cells. Every
    input and output has a whole number of samples per cell.
    """
    side = ceil(tile / CELL)
    if not side or side >= max(cells):
        return compute(inputs)
    outputs: list[Array] = []
    for y, x in product(spans(cells[0], side, reach), list(spans(cells[1], side, reach))):
        parts = compute([_cut(whole, cells, y, x) for whole in inputs])
        outputs = outputs or [_empty_whole(part, cells, y) for part in parts]
        for whole, part in zip(outputs, parts, strict=True):
            _paste(whole, part, y, x)
    return outputs


def _scaled(span: slice, samples: int) -> slice:
    """A slice of cells as a slice of samples, with `samples` per cell."""
    return slice(span.start * samples, span.stop * samples)


def _cut(whole: Array, cells: tuple[int, int], y: Span, x: Span) -> Array:
    samples = whole.shape[-2] // cells[0]
    return whole[..., _scaled(y.seen, samples), _scaled(x.seen, samples)]


def _samples(part: Array, y: Span) -> int:
    """Samples per cell of a computed tile."""
    return int(part.shape[-2] // (y.seen.stop - y.seen.start))


def _empty_whole(part: Array, cells: tuple[int, int], y: Span) -> Array:
    samples = _samples(part, y)
    shape = (*part.shape[:2], cells[0] * samples, cells[1] * samples)
    return np.empty(shape, part.dtype) if isinstance(part, np.ndarray) else part.new_empty(shape)


def _paste(whole: Array, part: Array, y: Span, x: Span) -> None:
    samples = _samples(part, y)
    core = part[..., _scaled(y.core_in_seen, samples), _scaled(x.core_in_seen, samples)]
    whole[..., _scaled(y.core, samples), _scaled(x.core, samples)] = core
