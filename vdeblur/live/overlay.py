"""Text over the live window: statistics, notices and the list of keys, at a size that suits the screen.

Images are (height, width, 3), B, G, R.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..frames import Image
from .meter import Stats

SILENT_SECONDS = 1.5
"""The overlay mentions a camera that has been silent for longer."""

HINT = "? shows all keys    q quits"

HELP = (
    ("mouse, left, right", "move the line between before and after"),
    ("c", "compare: divided, side by side, restored only"),
    ("space", "pause"),
    ("+ -", "strength"),
    ("m", "next model"),
    ("s", "snapshot"),
    ("r", "record, stop recording"),
    ("f", "full screen"),
    ("i", "statistics"),
    ("?", "this help"),
    ("q, Esc", "quit"),
)

FONT = cv2.FONT_HERSHEY_SIMPLEX
LINES_ON_SCREEN = 42
"""Height of the screen in lines of text;"""
LEAST_LINE, MOST_LINE = 22, 56
"""limits of the height of a line in pixels;"""
LEAST_HELP_LINE = 4
SHARE_OF_WINDOW = 18
"""least height of a window in lines of text."""


def stats_lines(stats: Stats, strength: float = 1.0) -> list[str]:
    """The statistics in the overlay: rates, latency, dropped frames, model and device."""
    work = stats.step + (f" (stepped down {stats.stepped_down})" if stats.stepped_down else "")
    lines = [
        f"camera {stats.capture_fps:.1f} fps, restored {stats.restored_fps:.1f} fps, dropped {stats.dropped}",
        f"latency {stats.latency_p50_ms:.0f} ms, p95 {stats.latency_p95_ms:.0f} ms",
        f"{work} on {stats.device}" + (f", strength {strength:.1f}" if strength != 1 else ""),
    ]
    if stats.is_lost:
        lines.append("stream lost, reconnecting")
    elif stats.silent_seconds > SILENT_SECONDS:
        lines.append(f"no frame from the camera for {stats.silent_seconds:.0f} s")
    return lines


def line_height(screen_height: int, window_height: int) -> int:
    """Height of a line of text in pixels: in proportion to the screen, less in a low window."""
    wanted = min(max(screen_height // LINES_ON_SCREEN, LEAST_LINE), MOST_LINE)
    return max(min(wanted, window_height // SHARE_OF_WINDOW), 8)


def write_lines(image: Image, lines: Sequence[str], line: int) -> Image:
    """A copy with lines of text at the top left on a dark background, `line` pixels high or less to fit."""
    image = np.ascontiguousarray(image).copy()
    for index, text in enumerate(lines):
        _write(image, text, line // 4, index * line, line, image.shape[1] - line // 2)
    return image


def write_help(image: Image, line: int) -> Image:
    """A copy with the list of keys in the middle, in two columns, shrunk to fit."""
    image = np.ascontiguousarray(image).copy()
    height, width = image.shape[:2]
    rows = len(HELP) + 1
    line = min(line, height // rows)
    if (wide := sum(_columns(line)) + 3 * line) > width:
        line = line * width // (wide + line)
    line = max(line, LEAST_HELP_LINE)
    keys, texts = _columns(line)
    room = keys + texts + 3 * line
    left, top = max((width - room) // 2, 0), max((height - rows * line) // 2, 0)
    background = image[top : top + rows * line, left : left + room]
    background[:] = background // 5
    for index, (key, text) in enumerate(HELP):
        y = top + line // 2 + index * line
        _write(image, key, left + line, y, line, keys + line, (120, 220, 255), has_background=True)
        _write(image, text, left + keys + 2 * line, y, line, texts + line, has_background=True)
    return image


def _columns(line: int) -> tuple[int, int]:
    """Widths of the two columns of the help."""
    return max(_width(key, _scale(line)) for key, _ in HELP), max(_width(text, _scale(line)) for _, text in HELP)


def _write(
    image: Image,
    text: str,
    x: int,
    y: int,
    line: int,
    room: int,
    color: tuple[int, int, int] = (255, 255, 255),
    *,
    has_background: bool = False,
) -> None:
    scale = _scale(line)
    while (width := _width(text, scale)) > room > 0 and scale > 0.05:  # text widths are rounded, so iterate
        scale *= min(room / width, 0.95)
    if not has_background:
        background = image[y : y + line, : x + width + line // 4]
        background[:] = background // 4
    thickness = max(round(line / 18), 1)
    cv2.putText(image, text, (x, y + round(line * 0.72)), FONT, scale, color, thickness, cv2.LINE_AA)


def _scale(line: int) -> float:
    (_, height), _ = cv2.getTextSize("Hg", FONT, 1.0, 1)
    return 0.6 * line / max(height, 1)


def _width(text: str, scale: float) -> int:
    return int(cv2.getTextSize(text, FONT, scale, 1)[0][0])
