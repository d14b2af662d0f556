"""The live window: before and after divided where the mouse is, keys, and an overlay that says how it goes.

OpenCV comes first here, before anything that imports PyAV: the other way round its first window hangs for ever on
Linux. So whoever wants a window imports this module before any other part that touches media.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import cv2

from ..errors import OutputError, VdeblurError
from ..media.planes import convert, video_frame
from ..restorers.blend import side_by_side_planes, split_planes
from .meter import Stats
from .overlay import HINT, Picture, figures, line_height, write_help, write_lines
from .recording import open_recording
from .session import REPORT_SECONDS, Live, Shown
from .stream import Rung

TITLE = "vdeblur live"
View = Literal["split", "side", "restored"]
VIEWS: tuple[View, ...] = ("split", "side", "restored")
STRENGTH_STEP, DIVIDER_STEP = 0.1, 0.02
OVERLAY_SECONDS = 0.5
"""The figures change this often, so that they can be read."""
NOTICE_SECONDS = 3.0
HINT_SECONDS = 8.0
"""How long the window says at first how to see the keys."""
USUAL_SCREEN = (1280, 800)
"""Where the screen does not tell its size."""
SHARE_OF_SCREEN = 0.75
"""Of the screen's width and height, that a window takes by itself at most..."""
MOST_ENLARGED = 3.0
"""... without showing a pixel of the camera larger than this."""
ROUNDING = 3
"""Pixels that a window may differ from what was asked for without anybody having changed it."""
SETTLE_SECONDS = 5.0
"""A busy window system may take so long until a window has the size that it was asked for."""
IDLE_MS = 8
"""How long the window waits for keys and mouse between two looks for a picture."""
LEFT, RIGHT = (65361, 2424832, 63234), (65363, 2555904, 63235)
"""Arrow keys as X, Windows and macOS number them."""


@dataclass
class Look:
    """What the keys and the mouse have chosen."""

    view: View = "split"
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
        screen: tuple[int, int] | None = None,
    ) -> None:
        """`models` are those that the key m goes through, `load` makes the ladder of one; snapshots go to `folder`.

        `screen` is (width, height) in pixels, None where nothing tells.
        """
        self.look = look
        self._live, self._models, self._load, self._folder = live, models, load, folder
        self._on_stats, self._report_due = on_stats, 0.0
        self._shown: Shown | None = None
        self._picture: Picture | None = None
        self._screen = screen or USUAL_SCREEN
        self._size = (0, 0)
        """(width, height) of what the window shows, in pixels of the screen."""
        self._room: Sequence[int] = (0, 0)
        """(width, height) that the window system said the window has for it, when that last changed."""
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
            is_help = action == self._toggle_help
            action()
            if not is_help:
                self.look.shows_help = False
        return True

    def _show(self, shown: Shown) -> None:
        lines = self._lines()
        self._follow_window()
        scene = (id(shown), replace(self.look), lines, self._size)
        if scene == self._scene:  # drawing the same again would take its time from the model
            return
        picture = draw(shown, self.look)
        is_new = self._picture is None or self._picture.shape != picture.shape
        self._picture = picture
        if is_new:
            self._size = size_on_screen(picture.shape[1], picture.shape[0], self._screen)
        self._scene = (*scene[:3], self._size)
        cv2.imshow(TITLE, self._written(_resized(picture, self._size), lines))
        if is_new:  # only once it has a picture does the window keep its proportions
            cv2.resizeWindow(TITLE, *self._size)
            self._settles_until = time.perf_counter() + SETTLE_SECONDS

    def _follow_window(self) -> None:
        """Draw as large as the user has made the window.

        What the window system says of its size is a pixel or two off what it was asked for; to follow that would make
        the window smaller with every frame.
        """
        if self._picture is None:
            return
        room = cv2.getWindowImageRect(TITLE)[2:]
        if time.perf_counter() < self._settles_until:  # it has not become what it was asked for yet
            if _differ(room, self._size):
                cv2.resizeWindow(TITLE, *self._size)
                return
            self._settles_until, self._room = 0.0, room
        if min(room) > 0 and _differ(room, self._room):
            self._room = room
            height, width = self._picture.shape[:2]
            share = min(room[0] / width, room[1] / height)
            self._size = (max(round(width * share), 1), max(round(height * share), 1))

    def _written(self, canvas: Picture, lines: list[str]) -> Picture:
        line = line_height(self._screen[1], canvas.shape[0])
        canvas = write_lines(canvas, lines, line)
        return write_help(canvas, line) if self.look.shows_help else canvas

    # -- keys and mouse -----------------------------------------------------------------------------------------------

    def _on_mouse(self, event: int, x: int, _y: int, _flags: int, _: Any) -> None:
        if event in (cv2.EVENT_MOUSEMOVE, cv2.EVENT_LBUTTONDOWN) and self._picture is not None:
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


def size_on_screen(width: int, height: int, screen: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of a window for such a picture: most of the screen, if that does not enlarge it too much."""
    share = min(SHARE_OF_SCREEN * screen[0] / width, SHARE_OF_SCREEN * screen[1] / height, MOST_ENLARGED)
    return max(round(width * share), 1), max(round(height * share), 1)


def _differ(one: Sequence[int], other: Sequence[int]) -> bool:
    return max(abs(one[0] - other[0]), abs(one[1] - other[1])) > ROUNDING


def _resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture at the size of its window, so that what is written on it stays sharp."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    how = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_LINEAR
    return cast(Picture, cv2.resize(picture, size, interpolation=how))
