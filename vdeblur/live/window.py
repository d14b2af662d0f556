"""The live window: before and after divided where the mouse is, keys, and an overlay that says how it goes.

OpenCV comes first here, before anything that imports PyAV: the other way round its first window hangs for ever on
Linux. So whoever wants a window imports this module before any other part that touches media.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import OutputError, VdeblurError
from ..media.planes import convert, video_frame
from ..restorers.blend import side_by_side_planes, split_planes
from .meter import Stats
from .recording import open_recording
from .session import REPORT_SECONDS, Live, Shown
from .stream import Rung

Picture = NDArray[np.uint8]
"""(height, width, 3), B, G, R."""

TITLE = "vdeblur live"
VIEWS: tuple[Literal["split", "side", "restored"], ...] = ("split", "side", "restored")
STRENGTH_STEP, DIVIDER_STEP = 0.1, 0.02
OVERLAY_SECONDS = 0.5
"""The figures change this often, so that they can be read."""
NOTICE_SECONDS = 3.0
SILENT_SECONDS = 1.5
"""A camera that gives nothing for so long is said to."""
LARGEST = 1280
"""Pixels of the longer side that a window takes by itself."""
IDLE_MS = 8
"""How long the window waits for keys and mouse between two looks for a picture."""
HELP = (
    "mouse, left, right  move the divider",
    "c  compare: split, side by side, restored",
    "space  pause      s  snapshot",
    "r  record         m  next model",
    "+ -  strength     f  full screen",
    "i  figures        h  this help",
    "q or Esc  quit",
)
LEFT, RIGHT = (65361, 2424832, 63234), (65363, 2555904, 63235)
"""Arrow keys as X, Windows and macOS number them."""


@dataclass
class Look:
    """What the keys and the mouse have chosen."""

    view: Literal["split", "side", "restored"] = "split"
    divider: float = 0.5
    """0..1 from the left."""
    is_paused: bool = False
    shows_figures: bool = True
    shows_help: bool = False
    is_full_screen: bool = False


class LiveWindow:
    """Shows a live stream until the user quits or the stream ends; everything in the thread that made it."""

    def __init__(
        self,
        live: Live,
        look: Look,
        models: tuple[str, ...] = (),
        load: Callable[[str], list[Rung]] = lambda _: [],
        folder: Path = Path(),
        on_stats: Callable[[Stats], None] | None = None,
    ) -> None:
        """`models` are those that the key m goes through, `load` makes the ladder of one; snapshots go to `folder`."""
        self.look = look
        self._live, self._models, self._load, self._folder = live, models, load, folder
        self._on_stats, self._report_due = on_stats, 0.0
        self._shown: Shown | None = None
        self._picture: Picture | None = None
        self._scene: tuple[int, Look, list[str]] | None = None
        self._notice, self._notice_until = "h for help", time.perf_counter() + NOTICE_SECONDS
        self._figures: list[str] = []
        self._figures_due = 0.0
        self._keys: dict[int, Callable[[], None]] = {
            ord("c"): self._next_view,
            ord(" "): self._pause,
            ord("s"): self._snapshot,
            ord("r"): self._record,
            ord("m"): self._next_model,
            ord("+"): lambda: self._strength(STRENGTH_STEP),
            ord("="): lambda: self._strength(STRENGTH_STEP),
            ord("-"): lambda: self._strength(-STRENGTH_STEP),
            ord("f"): self._full_screen,
            ord("i"): self._toggle_figures,
            ord("h"): self._toggle_help,
        }

    def run(self, seconds: float | None = None) -> None:
        """Open the window and show what comes. Raises what ends the stream."""
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.setMouseCallback(TITLE, self._on_mouse)
        start = time.perf_counter()
        try:
            while not self._live.has_ended:
                if not self._show_next() or (seconds is not None and time.perf_counter() - start >= seconds):
                    return
            self._live.next(timeout=0)  # raises what ended it
        finally:
            cv2.destroyAllWindows()
            cv2.waitKey(1)

    def _show_next(self) -> bool:
        """Show what has changed, if anything has, and heed keys and mouse; False when the user quits."""
        came = self._live.next(timeout=IDLE_MS / 1000)
        is_new = came is not None and not self.look.is_paused
        if is_new:
            self._shown = came
        if self._shown is not None:
            self._show(self._shown)
        key = cv2.waitKeyEx(1)
        if self._on_stats is not None and time.perf_counter() >= self._report_due:
            self._report_due = time.perf_counter() + REPORT_SECONDS
            self._on_stats(self._live.stats())
        if is_new and came is not None:
            self._live.meter.shown(time.perf_counter() - came.captured.at)
        if key in (ord("q"), 27) or (self._shown and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1):
            return False
        if key in LEFT or key in RIGHT:
            self._move_divider(self.look.divider + (DIVIDER_STEP if key in RIGHT else -DIVIDER_STEP))
        elif key != -1 and (action := self._keys.get(key & 0xFF)):
            action()
        return True

    def _show(self, shown: Shown) -> None:
        lines = self._lines()
        scene = (id(shown), replace(self.look), lines)
        if scene == self._scene:  # drawing the same again would take its time from the model
            return
        self._scene = scene
        picture = draw(shown, self.look)
        cv2.imshow(TITLE, write_lines(picture, lines))
        if self._picture is None or self._picture.shape != picture.shape:
            self._fit(picture)  # only once it has a picture does the window keep its proportions
        self._picture = picture

    def _fit(self, picture: Picture) -> None:
        height, width = picture.shape[:2]
        share = min(1.0, LARGEST / max(width, height))
        cv2.resizeWindow(TITLE, round(width * share), round(height * share))

    # -- keys and mouse -----------------------------------------------------------------------------------------------

    def _on_mouse(self, event: int, x: int, _y: int, _flags: int, _: Any) -> None:
        if event in (cv2.EVENT_MOUSEMOVE, cv2.EVENT_LBUTTONDOWN) and self._picture is not None:
            self._move_divider(x / self._picture.shape[1])

    def _move_divider(self, place: float) -> None:
        self.look.divider = min(max(place, 0.0), 1.0)

    def _next_view(self) -> None:
        self.look.view = VIEWS[(VIEWS.index(self.look.view) + 1) % len(VIEWS)]

    def _pause(self) -> None:
        self.look.is_paused = not self.look.is_paused

    def _toggle_figures(self) -> None:
        self.look.shows_figures = not self.look.shows_figures

    def _toggle_help(self) -> None:
        self.look.shows_help = not self.look.shows_help

    def _full_screen(self) -> None:
        self.look.is_full_screen = not self.look.is_full_screen
        mode = cv2.WINDOW_FULLSCREEN if self.look.is_full_screen else cv2.WINDOW_NORMAL
        cv2.setWindowProperty(TITLE, cv2.WND_PROP_FULLSCREEN, mode)

    def _strength(self, change: float) -> None:
        stream = self._live.stream
        stream.strength = round(min(max(stream.strength + change, 0.0), 1.0), 2)
        self._say(f"strength {stream.strength:.1f}")

    def _snapshot(self) -> None:
        if self._picture is None:
            return
        path = self._new_file("png")
        good, data = cv2.imencode(".png", self._picture)
        assert good
        try:
            path.write_bytes(data.tobytes())
        except OSError as error:
            self._say(f"{path}: {error.strerror}")
        else:
            self._say(f"saved {path}")

    def _record(self) -> None:
        if recordings := [r for r in self._live.recordings if r.name != "-"]:
            for recording in recordings:
                self._live.stop_recording(recording)
                self._say(f"recorded {recording.name}")
            return
        try:
            recording = open_recording(str(self._new_file("mkv")), self._live.camera)
        except (OutputError, OSError) as error:
            self._say(str(error))
            return
        self._live.record(recording)
        self._say(f"recording {recording.name}")

    def _next_model(self) -> None:
        if not self._models:
            return
        present = self._live.stream.model
        place = self._models.index(present) + 1 if present in self._models else 0
        following = self._models[place % len(self._models)]
        try:
            self._live.stream.use(self._load(following))
        except VdeblurError as error:
            self._say(str(error))
        else:
            self._say(f"model {following}")

    def _new_file(self, suffix: str) -> Path:
        return self._folder / f"vdeblur-{time.strftime('%Y%m%d-%H%M%S')}.{suffix}"

    def _say(self, notice: str) -> None:
        self._notice, self._notice_until = notice, time.perf_counter() + NOTICE_SECONDS

    # -- drawing ------------------------------------------------------------------------------------------------------

    def _lines(self) -> list[str]:
        now = time.perf_counter()
        if now >= self._figures_due:
            self._figures_due = now + OVERLAY_SECONDS
            self._figures = figures(self._live.stats(), self._live.stream.strength)
        lines = list(self._figures) if self.look.shows_figures else []
        if any(recording.name != "-" for recording in self._live.recordings):
            lines.append("REC")
        if self.look.is_paused:
            lines.append("paused: space goes on")
        if self.look.shows_help:
            lines += HELP
        if now < self._notice_until:
            lines.append(self._notice)
        return lines


def draw(shown: Shown, look: Look) -> Picture:
    """What the view shows of a result, (height, width or twice that, 3) in BGR; never the frames' own memory."""
    before, after = shown.captured.frame, shown.restored
    if look.view == "split":
        after = replace(after, planes=split_planes(before, after, 1, look.divider), origin=None)
    elif look.view == "side":
        after = replace(after, planes=side_by_side_planes(before, after), origin=None)
    return cast(Picture, convert(video_frame(replace(after, origin=None)), "bgr24").to_ndarray())


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


def write_lines(picture: Picture, lines: list[str]) -> Picture:
    """A copy with lines of text at the top left, each on a dark ground, sized to the picture."""
    picture = np.ascontiguousarray(picture).copy()
    size = max(picture.shape[0] / 900, 0.35)
    height = round(34 * size)
    for index, line in enumerate(lines):
        (width, _), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
        top = index * height
        ground = picture[top : top + height, : width + height // 2]
        ground[:] = ground // 4
        cv2.putText(
            picture,
            line,
            (height // 4, top + round(24 * size)),
            cv2.FONT_HERSHEY_SIMPLEX,
            size,
            (255, 255, 255),
            1,
            cv2.LINE_AA,
        )
    return picture
