"""Blends the result with the input (strength), or shows both in one frame (compare)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..frames import Frame, Layout, Plane, StreamInfo
from ..restorer import Restorer, State, Wrapper
from ..windows import Window

DIVIDER_PIXELS = 2
"""Width of the line between input and result."""


class Blended(Wrapper):
    """A restorer that interpolates between input (strength 0) and result (1), both of which are exact.

    Each sample is input + round(strength * (restored - input)), in integers, ties to even. The state is that of the
    inner restorer.
    """

    def __init__(self, restorer: Restorer, strength: float) -> None:
        if not 0 <= strength <= 1:
            raise UsageError(f"strength {strength:g}: must be between 0 and 1", settings=("strength",))
        super().__init__(restorer)
        self._strength = strength

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore, then blend plane by plane."""
        restored, state = self.inner.restore(window, state)
        return blended(window.centre, restored, self._strength), state


def blended(before: Frame, after: Frame, strength: float) -> Frame:
    """The blend of two frames: strength 0 gives the planes of `before`, 1 those of `after`."""
    steps = _steps(strength, after.layout.bits)
    pairs = zip(before.planes, after.planes, strict=True)
    return replace(after, planes=tuple(_blend(one, other, steps) for one, other in pairs))


@lru_cache(maxsize=8)  # a server is asked for any strength
def _steps(strength: float, bits: int) -> NDArray[np.int32]:
    # round(strength * d) for d = 0..max, then d = -max..-1, so that negative differences index from the end.
    differences = np.arange(1 << bits, dtype=np.float64)
    up = np.rint(strength * differences).astype(np.int32)
    return np.concatenate([up, -up[:0:-1]])


def _blend(before: Plane, after: Plane, steps: NDArray[np.int32]) -> Plane:
    start = before.astype(np.int32)
    return cast(Plane, (start + steps[after.astype(np.int32) - start]).astype(before.dtype))


class Compared(Wrapper):
    """A restorer that shows the input on the left and the result on the right.

    "split" keeps the size and divides the frame in the middle; "side" places both frames side by side. Left and right
    are those after players have rotated the stored frame by `rotation` degrees (counter-clockwise).
    """

    def __init__(self, restorer: Restorer, kind: Literal["split", "side"], rotation: int = 0) -> None:
        super().__init__(restorer)
        self._kind, self._rotation = kind, rotation

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore, then compose input and result; "side" gives a frame of the size of `side_by_side_info`."""
        restored, state = self.inner.restore(window, state)
        return composed(window.centre, restored, self._kind, self._rotation), state


def composed(before: Frame, after: Frame, kind: Literal["split", "side"], rotation: int = 0) -> Frame:
    """Input and result in one frame, as `Compared` shows them."""
    rotation %= 360
    pair = (before, after)
    if rotation in (180, 270):  # the stored right or lower end is shown on the left
        pair = (after, before)
    compose = split_planes if kind == "split" else side_by_side_planes
    return replace(after, planes=compose(*pair, _axis(rotation)))


def side_by_side_info(info: StreamInfo) -> StreamInfo:
    """The stream for "side": twice as wide as displayed, each half padded to whole chroma samples."""
    axis = _axis(info.rotation)
    size = [info.height, info.width]
    size[axis] = 2 * _aligned(size[axis], info.layout, axis)
    return replace(info, height=size[0], width=size[1])


def _axis(rotation: int) -> int:
    """Axis of the stored planes that is displayed from left to right."""
    return 0 if rotation % 180 == 90 else 1


def _shift(layout: Layout, axis: int) -> int:
    return layout.chroma_shift[1 - axis] if layout.model == "yuv" else 0


def _aligned(length: int, layout: Layout, axis: int) -> int:
    step = 1 << _shift(layout, axis)
    return -(-length // step) * step


def _is_chroma(index: int, layout: Layout) -> bool:
    return layout.model == "yuv" and index in (1, 2)


def split_planes(first: Frame, second: Frame, axis: int = 1, position: float = 0.5) -> tuple[Plane, ...]:
    """Planes of `first` up to `position` (0..1) along `axis`, a white line, and `second` from there on."""
    layout = first.layout
    step = 1 << _shift(layout, axis)
    length = first.planes[0].shape[axis]
    middle = int(length * position) // step * step
    line = max(DIVIDER_PIXELS, step) if length >= 4 * DIVIDER_PIXELS else 0
    planes = []
    for index, (one, other) in enumerate(zip(first.planes, second.planes, strict=True)):
        unit = step if _is_chroma(index, layout) else 1
        plane = np.moveaxis(other.copy(), axis, 0)
        plane[: middle // unit] = np.moveaxis(one, axis, 0)[: middle // unit]
        plane[middle // unit : (middle + line) // unit] = _white(index, first)
        planes.append(cast(Plane, np.ascontiguousarray(np.moveaxis(plane, 0, axis))))
    return tuple(planes)


def side_by_side_planes(first: Frame, second: Frame, axis: int = 1) -> tuple[Plane, ...]:
    """Planes of the two frames concatenated along `axis`, with the size of `side_by_side_info`."""
    layout = first.layout
    length = first.planes[0].shape[axis]
    extra = _aligned(length, layout, axis) - length
    planes = []
    for index, pair in enumerate(zip(first.planes, second.planes, strict=True)):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (0, 0 if _is_chroma(index, layout) else extra)
        planes.append(cast(Plane, np.concatenate([np.pad(plane, pad, "edge") for plane in pair], axis)))
    return tuple(planes)


def _white(index: int, frame: Frame) -> int:
    """The sample of white in this plane: neutral chroma, full luma, opaque alpha."""
    top = (1 << frame.layout.bits) - 1
    if _is_chroma(index, frame.layout):
        return 1 << (frame.layout.bits - 1)
    if frame.layout.model == "yuv" and index == 0 and not frame.color.full_range:
        return 235 << (frame.layout.bits - 8)
    return top
