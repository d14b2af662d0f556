"""Restores at a smaller size, and adds the enlarged residual to the full frame."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple, cast

import numpy as np

from ..frames import Frame, Plane
from ..restorer import Restorer, State, Wrapper
from ..windows import Window

MULTIPLE = 8
"""Working sizes are multiples of this many pixels; networks, which work in multiples of 16, pad a side by 8 at most."""


class ScaledState(NamedTuple):
    """The state of the inner restorer, and the scaled frames that later windows may contain."""

    inner: State
    small: list[tuple[Frame, Frame]]


class Scaled(Wrapper):
    """A restorer that runs the inner one at `scale` (0..1) of the width and height.

    The change of the small frame is enlarged by linear interpolation and added to the native samples, so finer detail
    is kept.
    """

    def __init__(self, restorer: Restorer, scale: Fraction) -> None:
        super().__init__(restorer)
        self.scale = scale

    def restore(self, window: Window, state: ScaledState | None) -> tuple[Frame, ScaledState]:
        """Restore the centre at full size; the state is valid for this scale only."""
        known = state.small if state else []
        pairs: list[tuple[Frame, Frame]] = []
        for frame in window.frames:
            pair = next((pair for pair in (*pairs, *known) if pair[0] is frame), None)
            pairs.append(pair or (frame, shrunk(frame, self.scale)))
        before = pairs[window.past][1]
        small_window = replace(window, frames=tuple(pair[1] for pair in pairs))
        after, inner = self.inner.restore(small_window, state.inner if state else None)
        return _with_residual(window.centre, before, after), ScaledState(inner, pairs)


def shrunk(frame: Frame, scale: Fraction) -> Frame:
    """The frame at a working size near `scale`, each plane averaged over areas; at least MULTIPLE pixels per side."""
    import cv2

    width, height = (max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in frame.size)
    shapes = frame.layout.plane_shapes(width, height)
    planes = [
        cv2.resize(plane, (w, h), interpolation=cv2.INTER_AREA)
        for plane, (h, w) in zip(frame.planes, shapes, strict=True)
    ]
    return replace(frame, planes=cast("tuple[Plane, ...]", tuple(planes)), origin=None)


def _with_residual(frame: Frame, before: Frame, after: Frame) -> Frame:
    top = (1 << frame.layout.bits) - 1
    planes = []
    for native, small, restored in zip(frame.planes, before.planes, after.planes, strict=True):
        planes.append(native if restored is small else _add(native, small, restored, top))
    return replace(frame, planes=tuple(planes))


def _add(native: Plane, small: Plane, restored: Plane, top: int) -> Plane:
    import cv2

    height, width = native.shape
    residual = np.subtract(restored, small, dtype=np.int32).astype(np.float32)
    enlarged = cv2.resize(residual, (width, height), interpolation=cv2.INTER_LINEAR)
    total = cv2.add(native, enlarged, dtype=cv2.CV_8U if native.dtype == np.uint8 else cv2.CV_16U)  # rounds, saturates
    return cast(Plane, np.minimum(total, top).astype(native.dtype, copy=False))
