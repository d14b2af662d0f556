"""Cameras through OpenCV, for systems whose devices FFmpeg cannot open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from threading import Event
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DeviceError
from ..frames import SRGB_TAGS, Frame, Layout, Plane, StreamInfo
from ..protocols import Closing
from .camera import CLOCK, DEFAULTS, DEVICE_SILENCE, CameraOptions

if TYPE_CHECKING:
    from cv2.typing import MatLike

RGB = Layout("rgb", 8)
MISSES = 30
"""Consecutive failed reads after which the camera counts as gone."""


class OpenCVCamera(Closing):
    """A camera by its index. OpenCV delivers RGB images without time stamps."""

    def __init__(self, number: int, name: str, options: CameraOptions = DEFAULTS) -> None:
        """Open the camera and wait for the first frame. Raises DeviceError."""
        import cv2

        self.name = name
        self.is_lost, self.reconnects, self.longest_silence = False, 0, DEVICE_SILENCE
        self.concealed, self.damaged = 0, False
        self.warnings: list[str] = []
        self._closed = Event()
        log = cv2.utils.logging
        before = log.setLogLevel(log.LOG_LEVEL_SILENT)  # it would warn about every index without a camera
        try:
            self._camera = cv2.VideoCapture(number)
        finally:
            log.setLogLevel(before)
        if options.size:
            self._camera.set(cv2.CAP_PROP_FRAME_WIDTH, options.size[0])
            self._camera.set(cv2.CAP_PROP_FRAME_HEIGHT, options.size[1])
        if options.frame_rate:
            self._camera.set(cv2.CAP_PROP_FPS, float(options.frame_rate))
        good, image = self._camera.read() if self._camera.isOpened() else (False, None)
        if not good or image is None:
            self._camera.release()
            raise DeviceError(f"camera {name}: not found, or in use by another program; see `vdeblur live --list`")
        rate = self._camera.get(cv2.CAP_PROP_FPS)
        height, width = image.shape[:2]
        self.info = StreamInfo(
            width,
            height,
            RGB,
            SRGB_TAGS,
            CLOCK,
            frame_rate=Fraction(rate).limit_denominator(1001) if rate > 0 else None,
        )

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the camera is closed. Raises DeviceError when no more arrive."""
        start, last, misses = time.perf_counter(), -1, 0
        try:
            while not self._closed.is_set():
                good, image = self._camera.read()
                if not good:
                    misses += 1
                    if misses > MISSES:
                        raise DeviceError(f"camera {self.name}: delivers no more frames; is it still plugged in?")
                    self._closed.wait(0.05)
                    continue
                misses = 0
                last = max(round((time.perf_counter() - start) / CLOCK), last + 1)
                yield Frame(_rgb(image), RGB, SRGB_TAGS, last, CLOCK)
        finally:
            self._camera.release()

    def close(self) -> None:
        """End the iteration."""
        self._closed.set()


def _rgb(image: MatLike) -> tuple[Plane, ...]:
    """(height, width, 3) in OpenCV's order B, G, R -> planes R, G, B."""
    return tuple(np.ascontiguousarray(image[..., channel], np.uint8) for channel in (2, 1, 0))
