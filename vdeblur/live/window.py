"""The live window: before and after with a divider that follows the mouse, keys, and an overlay with statistics.

OpenCV must be imported before anything that imports PyAV: the other way round its first window hangs on Linux. So
import this module before any other that handles media.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import cv2

from ..errors import VdeblurError
from ..frames import Image
from ..media.planes import convert, video_frame
from ..restorers.blend import side_by_side_planes, split_planes
from .meter import Stats
from .overlay import HINT, line_height, stats_lines, write_help, write_lines
from .recording import open_recording
from .session import REPORT_SECONDS, Live, ShownFrame
from .stream import Rung

TITLE = "vdeblur live"
View = Literal["split", "side", "restored"]
VIEWS: tuple[View, ...] = ("split", "side", "restored")
STRENGTH_STEP, DIVIDER_STEP = 0.1, 0.02
OVERLAY_SECONDS = 0.5
"""Interval of updates of the statistics, so that they can be read."""
NOTICE_SECONDS = 3.0
HINT_SECONDS = 8.0
"""How long the window shows the hint on keys at first."""
USUAL_SCREEN = (1280, 800)
"""Assumed if the size of the screen is unknown."""
SHARE_OF_SCREEN = 0.75
"""Largest share of the screen's width and height that a window takes at first;"""
MOST_ENLARGED = 3.0
"""largest enlargement of a captured frame."""
ROUNDING = 3
"""Pixels by which the reported size of a window may differ from the requested one, though nobody has resized it."""
SETTLE_SECONDS = 5.0
"""How long a busy window system may take to give a window its requested size."""
IDLE_MS = 8
"""How long to wait for a frame between two checks of keys and mouse."""
LEFT, RIGHT = (65361, 2424832, 63234), (65363, 2555904, 63235)
"""Key codes of the arrow keys on X, Windows and macOS."""


@dataclass
class Look:
    """State of the view, changed by keys and mouse."""

    view: View = "split"
    divider: float = 0.5
    """0..1 from the left."""
    is_paused: bool = False
    shows_figures: bool = True
    shows_help: bool = False
    is_full_screen: bool = False


class LiveWindow:
    """Shows a live stream until the user quits or the stream ends. Use it from one thread only."""

    def __init__(
        self,
        live: Live,
        look: Look,
        models: tuple[str, ...] = (),
        load: Callable[[str], list[Rung]] = lambda _: [],
        folder: Path = Path(),
        on_stats: Callable[[Stats], None] | None = None,
        screen: tuple[int, int] | None = None,
    ) -> None:
        """The key m cycles through `models`, and `load` makes the ladder of one; snapshots go to `folder`.

        `screen` is (width, height) in pixels, None if unknown.
        """
        self.look = look
        self._live, self._models, self._load, self._folder = live, models, load, folder
        self._on_stats, self._report_due = on_stats, 0.0
        self._shown: ShownFrame | None = None
        self._image: Image | None = None
        self._screen = screen or USUAL_SCREEN
        self._size = (0, 0)
        """(width, height) of the displayed image, in pixels of the screen."""
        self._room: Sequence[int] = (0, 0)
        """(width, height) of the window's content as last reported by the window system."""
        self._settles_until = 0.0
        self._scene: tuple[int, Look, list[str], tuple[int, int]] | None = None
        self._notice, self._notice_until = HINT, time.perf_counter() + HINT_SECONDS
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
            ord("?"): self._toggle_help,
        }

    def run(self, seconds: float | None = None) -> None:
        """Open the window and show frames. Raises the error that ends the stream."""
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
        """Show the newest frame, if there is one, and process keys and mouse; False when the user quits."""
        newest = self._live.next(timeout=IDLE_MS / 1000)
        is_new = newest is not None and not self.look.is_paused
        if is_new:
            self._shown = newest
        if self._shown is not None:
            self._show(self._shown)
        key = cv2.waitKeyEx(1)
        if self._on_stats is not None and time.perf_counter() >= self._report_due:
            self._report_due = time.perf_counter() + REPORT_SECONDS
            self._on_stats(self._live.stats())
        if is_new and newest is not None:
            self._live.meter.shown(time.perf_counter() - newest.captured.at)
        if key in (ord("q"), 27) or (self._shown and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1):
            return False
        if key in LEFT or key in RIGHT:
            self._move_divider(self.look.divider + (DIVIDER_STEP if key in RIGHT else -DIVIDER_STEP))
        elif key != -1 and (action := self._keys.get(key & 0xFF)):
            is_help = action == self._toggle_help
            action()
            if not is_help:
                self.look.shows_help = False
        return True

    def _show(self, shown: ShownFrame) -> None:
        lines = self._lines()
        self._follow_window()
        scene = (id(shown), replace(self.look), lines, self._size)
        if scene == self._scene:  # nothing has changed: leave the time to the model
            return
        image = draw(shown, self.look)
        is_new = self._image is None or self._image.shape != image.shape
        self._image = image
        if is_new:
            self._size = size_on_screen(image.shape[1], image.shape[0], self._screen)
        self._scene = (*scene[:3], self._size)
        cv2.imshow(TITLE, self._with_text(_resized(image, self._size), lines))
        if is_new:  # the window keeps its proportions only once it has an image
            cv2.resizeWindow(TITLE, *self._size)
            self._settles_until = time.perf_counter() + SETTLE_SECONDS

    def _follow_window(self) -> None:
        """Adapt the drawing size to a window that the user has resized.

        The reported size is a pixel or two off the requested one; following that would shrink the window with every
        frame.
        """
        if self._image is None:
            return
        room = cv2.getWindowImageRect(TITLE)[2:]
        if time.perf_counter() < self._settles_until:  # it does not have the requested size yet
            if _differ(room, self._size):
                cv2.resizeWindow(TITLE, *self._size)
                return
            self._settles_until, self._room = 0.0, room
        if min(room) > 0 and _differ(room, self._room):
            self._room = room
            height, width = self._image.shape[:2]
            share = min(room[0] / width, room[1] / height)
            self._size = (max(round(width * share), 1), max(round(height * share), 1))

    def _with_text(self, canvas: Image, lines: list[str]) -> Image:
        line = line_height(self._screen[1], canvas.shape[0])
        canvas = write_lines(canvas, lines, line)
        return write_help(canvas, line) if self.look.shows_help else canvas

    # -- keys and mouse -----------------------------------------------------------------------------------------------

    def _on_mouse(self, event: int, x: int, _y: int, _flags: int, _: object) -> None:
        if event in (cv2.EVENT_MOUSEMOVE, cv2.EVENT_LBUTTONDOWN) and self._image is not None:
            self._move_divider(x / max(self._size[0], 1))

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
        if self._image is None:
            return
        path = self._new_file("png")
        good, data = cv2.imencode(".png", self._image)
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
                self._say(f"recorded {recording.name}" if not recording.is_empty else "no frame to record yet")
            return
        try:
            recording = open_recording(str(self._new_file("mkv")), self._live.camera)
        except (VdeblurError, OSError) as error:
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
            self._figures = stats_lines(self._live.stats(), self._live.stream.strength)
        lines = list(self._figures) if self.look.shows_figures else []
        if any(recording.name != "-" for recording in self._live.recordings):
            lines.append("REC")
        if self.look.is_paused:
            lines.append("paused: space continues")
        if now < self._notice_until:
            lines.append(self._notice)
        return lines


def draw(shown: ShownFrame, look: Look) -> Image:
    """The image of a result as the view shows it, BGR (height, width or twice that, 3), in memory of its own."""
    before, after = shown.captured.frame, shown.restored
    if look.view == "split":
        after = replace(after, planes=split_planes(before, after, 1, look.divider), origin=None)
    elif look.view == "side":
        after = replace(after, planes=side_by_side_planes(before, after), origin=None)
    return cast(Image, convert(video_frame(replace(after, origin=None)), "bgr24").to_ndarray())


def size_on_screen(width: int, height: int, screen: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of a window for an image: most of the screen, without enlarging it too much."""
    share = min(SHARE_OF_SCREEN * screen[0] / width, SHARE_OF_SCREEN * screen[1] / height, MOST_ENLARGED)
    return max(round(width * share), 1), max(round(height * share), 1)


def _differ(one: Sequence[int], other: Sequence[int]) -> bool:
    return max(abs(one[0] - other[0]), abs(one[1] - other[1])) > ROUNDING


def _resized(image: Image, size: tuple[int, int]) -> Image:
    """The image at the size of its window, so that text drawn on it stays sharp."""
    if (image.shape[1], image.shape[0]) == size:
        return image
    how = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_LINEAR
    return cast(Image, cv2.resize(image, size, interpolation=how))
