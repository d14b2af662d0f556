"""A file played in real time, like a camera."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Event

from ..frames import Frame
from ..media.sources import open_source
from ..protocols import Closing
from .camera import DEFAULTS, CameraOptions


class FileCamera(Closing):
    """Yields the frames of a file at their presentation times."""

    def __init__(self, path: str, options: CameraOptions = DEFAULTS) -> None:
        """Open the file. Raises InputError."""
        self.name = path
        self.is_lost, self.reconnects, self.longest_silence = False, 0, math.inf
        self._loop = options.loop
        self._closed, self._is_read = Event(), False
        self._file = open_source(path)
        self.concealed, self.damaged = 0, False
        self.warnings = self._file.warnings
        self.info = self._file.info

    def __iter__(self) -> Iterator[Frame]:
        """Yield each frame when it is due, or at once if the consumer is late."""
        self._is_read = True
        start = time.perf_counter()
        first: int | None = None
        offset = last = 0
        try:
            while True:
                for frame in self._file:
                    last = frame.pts + offset
                    first = last if first is None else first
                    due = start + float((last - first) * frame.time_base)
                    if self._closed.wait(max(due - time.perf_counter(), 0)):
                        return
                    self.concealed, self.damaged = self._file.concealed, self._file.damaged
                    yield replace(frame, pts=last)
                if first is None or not self._loop:
                    return
                offset = last - first + max(round(1 / (self.info.frame_rate or 25) / self.info.time_base), 1)
                self._file.close()
                self._file = open_source(self.name)
        finally:
            self._file.close()

    def close(self) -> None:
        """End the iteration; the thread that reads the file closes it."""
        self._closed.set()
        if not self._is_read:
            self._file.close()
