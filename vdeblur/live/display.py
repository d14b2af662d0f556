"""Whether a window can be shown. Where it cannot, OpenCV aborts the process, so a subprocess tries it."""

from __future__ import annotations

import os
import subprocess
import sys

from ..errors import DeviceError

REMEDY = "run without the window, or use `vdeblur serve` and a browser"
TRIAL_SECONDS = 30.0


def display_problem() -> str | None:
    """Why there is no display according to the environment; None if there may be one."""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY"):
        return None
    if os.environ.get("WAYLAND_DISPLAY"):
        return "DISPLAY is not set (OpenCV needs X, which XWayland provides)"
    return "DISPLAY is not set"


def window_problem() -> str | None:
    """Why no window can be shown; None if one was opened in a subprocess."""
    if problem := display_problem():
        return problem
    trial = "import cv2; cv2.namedWindow('vdeblur'); cv2.waitKey(1); cv2.destroyAllWindows()"
    try:
        result = subprocess.run(
            [sys.executable, "-c", trial], capture_output=True, text=True, timeout=TRIAL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "the window system does not answer"
    if result.returncode == 0:
        return None
    said = [line for line in result.stderr.splitlines() if "display" in line.lower() or "error" in line.lower()]
    return said[0].strip() if said else "OpenCV cannot open a window"


def require_display() -> None:
    """Raise DeviceError unless a window can be shown."""
    if problem := window_problem():
        raise DeviceError(f"no display: {problem}; {REMEDY}", settings=("window",))
