"""The size of the screen in pixels, which OpenCV cannot query.

On X a subprocess queries it, since the system's libX11 may conflict with the one in the OpenCV wheel (see `x11`).
"""

from __future__ import annotations

import ctypes
import subprocess
import sys

TIMEOUT_SECONDS = 5.0


def screen_size() -> tuple[int, int] | None:
    """(width, height) of the main screen; None if unknown."""
    if sys.platform == "win32":
        user32 = ctypes.windll.user32  # type: ignore[attr-defined,unused-ignore]
        return _positive_or_none(user32.GetSystemMetrics(0), user32.GetSystemMetrics(1))
    if sys.platform == "darwin":
        graphics = ctypes.CDLL("/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics")
        main = graphics.CGMainDisplayID()
        return _positive_or_none(graphics.CGDisplayPixelsWide(main), graphics.CGDisplayPixelsHigh(main))
    words = [sys.executable, "-m", __name__]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True)
        width, height = map(int, done.stdout.split())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return _positive_or_none(width, height)


class _Monitor(ctypes.Structure):
    """XRRMonitorInfo of Xrandr.h."""

    _fields_ = (
        ("name", ctypes.c_ulong),
        ("primary", ctypes.c_int),
        ("automatic", ctypes.c_int),
        ("outputs", ctypes.c_int),
        ("x", ctypes.c_int),
        ("y", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("width_mm", ctypes.c_int),
        ("height_mm", ctypes.c_int),
        ("output_ids", ctypes.c_void_p),
    )


def _x_size() -> tuple[int, int]:
    """Size of the primary monitor, or of the whole X screen if monitors are unknown. Raises OSError without X."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = x11.XDefaultRootWindow.restype = ctypes.c_void_p
    display = ctypes.c_void_p(x11.XOpenDisplay(None))
    if not display:
        raise OSError("no X display")
    try:
        randr = ctypes.CDLL("libXrandr.so.2")
        randr.XRRGetMonitors.restype = ctypes.POINTER(_Monitor)
        count = ctypes.c_int()
        root = ctypes.c_void_p(x11.XDefaultRootWindow(display))
        found = randr.XRRGetMonitors(display, root, 1, ctypes.byref(count))
        monitors = [found[index] for index in range(count.value)]
    except (OSError, AttributeError):
        monitors = []
    if monitors:
        main = next((monitor for monitor in monitors if monitor.primary), monitors[0])
        return int(main.width), int(main.height)
    return int(x11.XDisplayWidth(display, 0)), int(x11.XDisplayHeight(display, 0))


def _positive_or_none(width: int, height: int) -> tuple[int, int] | None:
    return (width, height) if width > 0 and height > 0 else None


if __name__ == "__main__":
    sys.stdout.write("{} {}".format(*_x_size()))
