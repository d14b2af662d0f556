"""`open_camera`: a camera, a network stream, the screen, or a file played in real time.

Each is a `Source` that yields frames in real time, so a camera can be used wherever a source can.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from ..errors import DeviceError, InputError
from .camera import DEFAULTS, Camera, CameraOptions
from .display import display_problem
from .file_camera import FileCamera
from .listing import camera_number
from .opencv_camera import OpenCVCamera
from .stream_camera import StreamCamera

log = logging.getLogger(__name__)


def open_camera(spec: str, options: CameraOptions = DEFAULTS) -> Camera:
    """Open a camera by index, device or name; "screen" or "screen:1"; a URL; or a file to play in real time.

    Raises DeviceError if there is no such camera or screen, InputError for a file or URL without frames.
    """
    if Path(spec).is_file() and not spec.startswith("/dev/"):
        return FileCamera(spec, options)
    if "://" in spec:
        return StreamCamera.from_url(spec, options)
    if spec == "screen" or spec.startswith("screen:"):
        return StreamCamera.from_device(*screen_address(spec), spec, options)
    if not spec.isdecimal() and Path(spec).suffix and not spec.startswith("/dev/"):
        raise InputError(
            f'{spec}: no such file; a camera is an index, a name, a URL, a file or "screen"', settings=("camera",)
        )
    return device_camera(spec, options)


def screen_address(spec: str) -> tuple[str, str, dict[str, str]]:
    """FFmpeg's file name, format and options for "screen" or "screen:N"."""
    number = spec.partition(":")[2] or "0"
    if sys.platform == "darwin":
        return f"Capture screen {number}:none", "avfoundation", {"pixel_format": "nv12"}
    if sys.platform == "win32":
        return "desktop", "gdigrab", {}
    if problem := display_problem():
        raise DeviceError(f"camera {spec}: no screen: {problem}")
    display = os.environ["DISPLAY"]
    host, _, screen = display.rpartition(":")
    return (display if spec == "screen" else f"{host}:{screen.partition('.')[0]}.{number}"), "x11grab", {}


def device_camera(spec: str, options: CameraOptions = DEFAULTS) -> Camera:
    """Open a camera by index, device path or name: through FFmpeg, or else through OpenCV. Raises DeviceError."""
    number = camera_number(spec)
    places: dict[str, tuple[str, str]] = {
        "linux": (f"/dev/video{number}", "v4l2"),
        "darwin": (f"{number}:none", "avfoundation"),
    }
    try:
        if sys.platform in places:
            file, kind = places[sys.platform]
            return StreamCamera.from_device(file, kind, {}, spec, options)
    except DeviceError as error:
        log.info("%s; trying OpenCV", error)
    return OpenCVCamera(number, spec, options)
