"""Samples for the report of a job: blur before and after, number of changed frames, and thumbnails."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np

from ..blurriness import blur_length
from ..frames import Frame, Plane
from ..restorer import Restorer, State, Wrapper
from ..windows import Window

EVERY = 10
"""Interval in frames at which the blur is measured, which takes a few milliseconds."""
THUMBNAIL_WIDTH = 240


class Sampled(Wrapper):
    """A restorer that samples frames before and after, and changes nothing."""

    def __init__(self, restorer: Restorer, frames: int, is_wanted: Callable[[int], bool] = lambda pts: True) -> None:
        """`frames` is about how many there are; `is_wanted` says by its pts which of them count."""
        super().__init__(restorer)
        self._is_wanted = is_wanted
        self._middle = frames // 2
        self._seen = 0
        self.scene_starts = 0
        self.touched = 0
        self.blur_before: list[float] = []
        self.blur_after: list[float] = []
        self.thumbnails: tuple[str, str] | None = None

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        """Restore the centre, and sample it."""
        restored, state = self.inner.restore(window, state)
        before = window.centre
        if self._is_wanted(before.pts):
            self.scene_starts += window.is_scene_start
            self.touched += not _same(before, restored)
            if self._seen % EVERY == EVERY // 2 or self._seen == self._middle:
                self.blur_before.append(round(blur_length(before), 2))
                self.blur_after.append(round(blur_length(restored), 2))
            if self._seen == self._middle:
                self.thumbnails = thumbnail(before), thumbnail(restored)
            self._seen += 1
        return restored, state


def thumbnail(frame: Frame) -> str:
    """A small JPEG image of a frame, in base64."""
    import cv2

    from ..media.image_codec import encode_image

    width, height = frame.size
    scale = min(THUMBNAIL_WIDTH / width, 1.0)
    small = max(round(width * scale / 2) * 2, 2), max(round(height * scale / 2) * 2, 2)
    shapes = frame.layout.plane_shapes(*small)
    planes = tuple(
        cast(Plane, cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA))
        for plane, (rows, columns) in zip(frame.planes, shapes, strict=True)
    )
    return base64.b64encode(encode_image(replace(frame, planes=planes, origin=None), ".jpg")).decode()


def _same(a: Frame, b: Frame) -> bool:
    if a.planes is b.planes:
        return True
    return len(a.planes) == len(b.planes) and all(np.array_equal(x, y) for x, y in zip(a.planes, b.planes, strict=True))
