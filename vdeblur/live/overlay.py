"""What is written over the live window: figures, notices and the keys, in letters that can be read on any screen."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .meter import Stats

Picture = NDArray[np.uint8]
"""(height, width, 3), B, G, R."""

SILENT_SECONDS = 1.5
"""A camera that gives nothing for so long is said to."""

HINT = "? shows the keys    q quits"

HELP = (
    ("mouse, left, right", "move the line between before and after"),
    ("c", "compare: divided, side by side, restored alone"),
    ("space", "pause"),
    ("+ -", "strength"),
    ("m", "next model"),
    ("s", "snapshot"),
    ("r", "record, stop recording"),
    ("f", "full screen"),
    ("i", "figures"),
    ("?", "this help"),
    ("q, Esc", "quit"),
)

FONT = cv2.FONT_HERSHEY_SIMPLEX
LINES_ON_SCREEN = 42
"""The screen's height in lines of text..."""
LEAST_LINE, MOST_LINE = 22, 56
"""... whose height in pixels lies between these."""
LEAST_HELP_LINE = 4
SHARE_OF_WINDOW = 18
"""But a window is at least so many lines high."""


def figures(stats: Stats, strength: float = 1.0) -> list[str]:
    """The overlay: rates, latency, what was left out, and what does the work."""
    doing = stats.step + (f" (stepped down {stats.stepped_down})" if stats.stepped_down else "")
    lines = [
        f"camera {stats.capture_fps:.1f} fps, restored {stats.restored_fps:.1f} fps, dropped {stats.dropped}",
        f"latency {stats.latency_p50_ms:.0f} ms, p95 {stats.latency_p95_ms:.0f} ms",
        f"{doing} on {stats.device}" + (f", strength {strength:.1f}" if strength != 1 else ""),
    ]
    if stats.is_lost:
        lines.append("stream lost, calling again")
    elif stats.silent_seconds > SILENT_SECONDS:
        lines.append(f"no picture from the camera for {stats.silent_seconds:.0f} s")
    return lines


def line_height(screen_height: int, window_height: int) -> int:
    """Pixels of a line of text: by the screen, since that is what eyes are a distance from; less in a low window."""
    wanted = min(max(screen_height // LINES_ON_SCREEN, LEAST_LINE), MOST_LINE)
    return max(min(wanted, window_height // SHARE_OF_WINDOW), 8)


def write_lines(picture: Picture, lines: Sequence[str], line: int) -> Picture:
    """A copy with lines of text at the top left, each `line` pixels high on a dark ground, narrower if it must be."""
    picture = np.ascontiguousarray(picture).copy()
    for index, text in enumerate(lines):
        _write(picture, text, line // 4, index * line, line, picture.shape[1] - line // 2)
    return picture


def write_help(picture: Picture, line: int) -> Picture:
    """A copy with the keys and what they do, in two columns in the middle; smaller where the window is."""
    picture = np.ascontiguousarray(picture).copy()
    height, width = picture.shape[:2]
    rows = len(HELP) + 1
    line = min(line, height // rows)
    if (wide := sum(_columns(line)) + 3 * line) > width:
        line = line * width // (wide + line)
    line = max(line, LEAST_HELP_LINE)
    keys, texts = _columns(line)
    room = keys + texts + 3 * line
    left, top = max((width - room) // 2, 0), max((height - rows * line) // 2, 0)
    ground = picture[top : top + rows * line, left : left + room]
    ground[:] = ground // 5
    for index, (key, text) in enumerate(HELP):
        y = top + line // 2 + index * line
        _write(picture, key, left + line, y, line, keys + line, (120, 220, 255), on_ground=True)
        _write(picture, text, left + keys + 2 * line, y, line, texts + line, on_ground=True)
    return picture


def _columns(line: int) -> tuple[int, int]:
    """Widths of the two columns of the help."""
    return max(_width(key, _scale(line)) for key, _ in HELP), max(_width(text, _scale(line)) for _, text in HELP)


def _write(
    picture: Picture,
    text: str,
    x: int,
    y: int,
    line: int,
    room: int,
    color: tuple[int, int, int] = (255, 255, 255),
    *,
    on_ground: bool = False,
) -> None:
    scale = _scale(line)
    while (width := _width(text, scale)) > room > 0 and scale > 0.05:  # letters come in whole sizes, so try
        scale *= min(room / width, 0.95)
    if not on_ground:
        ground = picture[y : y + line, : x + width + line // 4]
        ground[:] = ground // 4
    thickness = max(round(line / 18), 1)
    cv2.putText(picture, text, (x, y + round(line * 0.72)), FONT, scale, color, thickness, cv2.LINE_AA)


def _scale(line: int) -> float:
    (_, height), _ = cv2.getTextSize("Hg", FONT, 1.0, 1)
    return 0.6 * line / max(height, 1)


def _width(text: str, scale: float) -> int:
    return int(cv2.getTextSize(text, FONT, scale, 1)[0][0])
