"""Lists the cameras and screens of this machine, with the frame sizes that they offer."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

from ..errors import DeviceError
from .display import display_problem
from .screen import screen_size
from .v4l2 import sizes_of


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """One line of `vdeblur live --list`."""

    spec: str
    """The value for `--camera`."""
    name: str
    sizes: Mapping[tuple[int, int], Fraction | None] = field(default_factory=dict)
    """(width, height) -> the highest rate in frames per second, largest first; empty if unknown."""

    def to_text(self) -> str:
        """The value for `--camera` and the name, and below them the sizes."""
        offers = [f"{w}x{h}" + (f" at {float(rate):g} fps" if rate else "") for (w, h), rate in self.sizes.items()]
        below = textwrap.wrap(", ".join(offers), 90)
        return f"{self.spec:<10}{self.name}" + "".join(f"\n{'':<10}{line}" for line in below)


def list_cameras() -> list[FoundCamera]:
    """The cameras and screens of this machine, as FFmpeg and the system name them."""
    if sys.platform.startswith("linux"):
        return _linux_cameras() + _screens()
    kind = "avfoundation" if sys.platform == "darwin" else "dshow"
    try:
        found = av.enumerate_input_devices(kind)
    except (ValueError, av.FFmpegError):  # this FFmpeg has no such devices; OpenCV's indices still work
        found = []
    cameras = [device for device in found if "video" in device.media_types]
    return [FoundCamera(str(index), device.description) for index, device in enumerate(cameras)] + _screens()


def _linux_cameras() -> list[FoundCamera]:
    """Every /dev/videoN that captures frames; a camera's second node, for metadata only, has index 1."""
    found = []
    for folder in sorted(Path("/sys/class/video4linux").glob("video*"), key=_device_number):
        index = folder / "index"
        if not index.exists() or index.read_text().strip() == "0":
            number, name = _device_number(folder), (folder / "name").read_text().strip()
            found.append(FoundCamera(str(number), name, sizes_of(f"/dev/video{number}")))
    return found


def _device_number(path: Path) -> int:
    digits = re.search(r"\d+$", path.name)
    return int(digits[0]) if digits else 0


def _screens() -> list[FoundCamera]:
    if display_problem():
        return []
    size = screen_size()
    return [FoundCamera("screen", "this screen", {size: None} if size else {})]


def camera_number(spec: str) -> int:
    """The index of the camera that has this index, device path or (part of a) name. Raises DeviceError."""
    if spec.isdecimal():
        return int(spec)
    if match := re.fullmatch(r"/dev/video(\d+)", spec):
        return int(match[1])
    found = [camera for camera in list_cameras() if camera.spec.isdecimal()]
    named = [camera for camera in found if spec.lower() in camera.name.lower()]
    if not named:
        raise DeviceError(f"camera {spec}: no camera has this name; see `vdeblur live --list`")
    return int(named[0].spec)
