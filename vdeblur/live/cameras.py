"""Where live pictures come from: a camera, a stream on the network, the screen, or a file played in real time.

Every kind is a `Source` whose frames come when they are due, so whatever takes a source takes a camera too.
"""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Protocol

from ..errors import DeviceError, InputError
from ..frames import Frame
from ..media.source import Source
from ..media.sources import open_source
from .display import display_problem

CLOCK = Fraction(1, 90000)
"""Time base of pictures that come from a device or a network."""


@dataclass(frozen=True, slots=True)
class CameraOptions:
    """What to ask of a camera; a camera that cannot gives what it has."""

    size: tuple[int, int] | None = None
    """(width, height) in pixels."""
    frame_rate: Fraction | None = None
    loop: bool = False
    """Play a file over and over, its times going on."""
    patience_seconds: float = 60.0
    """How long a lost stream is tried again before it counts as ended."""


DEFAULTS = CameraOptions()

DEVICE_SILENCE = 10.0
"""Seconds that a device may give nothing: one that is starved or half unplugged can block its reader for ever."""


class Camera(Source, Protocol):
    """A source in real time. `close` may be called from another thread, and ends the frames."""

    name: str
    is_lost: bool
    """A stream is gone and being called again."""
    reconnects: int
    """How often a lost stream came back."""
    longest_silence: float
    """Seconds without a picture after which it counts as gone; infinite for a file, whose pictures may lie far apart,
    and for a stream, which is called again."""

    def __enter__(self) -> Camera: ...


def open_camera(spec: str, options: CameraOptions = DEFAULTS) -> Camera:
    """Open a camera by index, device or name; "screen" or "screen:1"; a URL; or a file to play in real time.

    Raises DeviceError where there is no such camera or screen, InputError for a file or URL that gives no picture.
    """
    if Path(spec).is_file() and not spec.startswith("/dev/"):
        return FileCamera(spec, options)
    from .streams import StreamCamera, device_camera, screen_address

    if "://" in spec:
        return StreamCamera.from_url(spec, options)
    if spec == "screen" or spec.startswith("screen:"):
        return StreamCamera.from_device(*screen_address(spec), spec, options)
    if not spec.isdigit() and Path(spec).suffix and not spec.startswith("/dev/"):
        raise InputError(
            f'{spec}: no such file; a camera is an index, a name, a URL, a file or "screen"', settings=("camera",)
        )
    return device_camera(spec, options)


class FileCamera:
    """A file whose pictures come at the times that it states."""

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
        """Each frame when it is due, or at once where the one who asks is late."""
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
        """End the frames; a file that is being read is closed by the thread that reads it."""
        self._closed.set()
        if not self._is_read:
            self._file.close()

    def __enter__(self) -> FileCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """One line of `vdeblur live --list`."""

    spec: str
    """What `--camera` takes."""
    name: str


def list_cameras() -> list[FoundCamera]:
    """The cameras and screens of this machine, as FFmpeg and the system name them."""
    if sys.platform.startswith("linux"):
        return _linux_cameras() + _screens()
    import av

    kind = "avfoundation" if sys.platform == "darwin" else "dshow"
    try:
        found = av.enumerate_input_devices(kind)
    except (ValueError, av.FFmpegError):  # this FFmpeg has no such devices; OpenCV's indices still work
        found = []
    cameras = [device for device in found if "video" in device.media_types]
    return [FoundCamera(str(index), device.description) for index, device in enumerate(cameras)] + _screens()


def _linux_cameras() -> list[FoundCamera]:
    """Every /dev/videoN that gives pictures; a camera's second node, which holds metadata alone, has index 1."""
    found = []
    for folder in sorted(Path("/sys/class/video4linux").glob("video*"), key=_number):
        index = folder / "index"
        if not index.exists() or index.read_text().strip() == "0":
            found.append(FoundCamera(str(_number(folder)), (folder / "name").read_text().strip()))
    return found


def _number(path: Path) -> int:
    digits = re.search(r"\d+$", path.name)
    return int(digits[0]) if digits else 0


def _screens() -> list[FoundCamera]:
    return [] if display_problem() else [FoundCamera("screen", "this screen")]


def camera_number(spec: str) -> int:
    """The index of the camera that has this index, device path or (part of a) name. Raises DeviceError."""
    if spec.isdigit():
        return int(spec)
    if match := re.fullmatch(r"/dev/video(\d+)", spec):
        return int(match[1])
    found = [camera for camera in list_cameras() if camera.spec.isdigit()]
    named = [camera for camera in found if spec.lower() in camera.name.lower()]
    if not named:
        raise DeviceError(f"camera {spec}: no camera has this name; `vdeblur live --list` shows what is here")
    return int(named[0].spec)
