"""The window on a real (screenless) X server: the divider divides, keys and mouse work, and nothing hangs."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from support.commands import ROOT
from support.in_memory import Identity
from support.videos import frames as moving
from support.xserver import display, press, screenshot, wait_until_painted, write_flat
from vdeblur.errors import ModelError, UsageError
from vdeblur.live.file_camera import FileCamera
from vdeblur.live.meter import Stats
from vdeblur.live.pace import LadderStep
from vdeblur.live.session import CapturedFrame, Live, ShownFrame
from vdeblur.live.stream import LiveStream, Rung

T = TypeVar("T")
needs_x = pytest.mark.needs("x11")

# A restorer that makes everything white, so that the screen tells the sides apart.
PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from vdeblur.live import window as live_window
from vdeblur.live.screen import screen_size
from vdeblur.live.cameras import CameraOptions, FileCamera
from vdeblur.live.session import Live
from vdeblur.live.stream import LiveStream, Rung
from vdeblur.live.pace import LadderStep

class White:
    name, device, precision, past, future = "white", "cpu", "native", 0, 0
    def restore(self, window, state):
        luma = window.centre.planes[0].copy()
        luma[:] = 235
        return replace(window.centre, planes=(luma, *window.centre.planes[1:])), None

camera = FileCamera(sys.argv[1], CameraOptions(loop=True))
with Live(camera, LiveStream([Rung(LadderStep("white"), White(), 1.0)])) as live:
    look = live_window.Look(shows_figures=False)
    live_window.LiveWindow(live, look, folder=Path(sys.argv[2]), screen=screen_size()).run(60)
print("ended", live.meter.captured)
"""


@contextlib.contextmanager
def window(tmp_path: Path) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    clip = write_flat(tmp_path / "flat.mp4", 60)
    (tmp_path / "made").mkdir()
    with display() as environment:
        words = [sys.executable, "-c", PROGRAM, str(clip), str(tmp_path / "made")]
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            yield environment, process
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def bright_columns(environment: dict[str, str]) -> tuple[int, int]:
    """(first bright column, columns) of the picture's lowest lines, where no text stands.

    The picture is 160x96, its window three quarters of the screen's width.
    """
    shot: NDArray[np.uint8] = screenshot(environment)[170:178, :300].mean(axis=(0, 2))
    bright = np.flatnonzero(shot > 200)
    return (int(bright[0]) if bright.size else 300, int(bright.size))


def wait_for(look: Callable[[], T], is_right: Callable[[T], bool] = bool, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not is_right(seen := look()):
        assert time.monotonic() < until, f"it did not come about in time; last seen: {seen}"
        time.sleep(0.1)


@needs_x
def test_the_divider_follows_the_mouse_and_the_keys_work(tmp_path: Path) -> None:
    with window(tmp_path) as (environment, process):
        columns = partial(bright_columns, environment)
        wait_until_painted(environment, "vdeblur live")
        wait_for(columns, lambda seen: abs(seen[0] - 150) <= 2 and abs(seen[1] - 150) <= 2)
        assert screenshot(environment)[182:, :].max() == 0  # nothing of the window is below it
        press(environment, "mousemove", 75, 80)
        wait_for(columns, lambda seen: abs(seen[0] - 75) <= 3)
        press(environment, "mousemove", 235, 80)
        wait_for(columns, lambda seen: abs(seen[0] - 235) <= 3)
        press(environment, "key", "question")
        wait_for(lambda: screenshot(environment)[60:120, 200:230].mean(), lambda seen: seen < 120)  # the help's ground
        press(environment, "key", "question")
        press(environment, "key", "s")
        wait_for(lambda: any((tmp_path / "made").glob("*.png")))
        press(environment, "key", "r")
        wait_for(lambda: any((tmp_path / "made").glob(".vdeblur-*.part")))
        time.sleep(0.5)
        press(environment, "key", "r")
        wait_for(lambda: any((tmp_path / "made").glob("*.mkv")))
        press(environment, "key", "c")
        press(environment, "key", "c")  # restored alone
        wait_for(columns, lambda seen: seen == (0, 300))
        press(environment, "key", "q")
        assert process.wait(10) == 0
        assert process.stdout is not None
        assert process.stdout.read().startswith("ended ")
    (recording,) = (tmp_path / "made").glob("*.mkv")
    with av.open(str(recording)) as container:
        assert container.decode(video=0).__next__().to_ndarray(format="gray").min() > 220
    assert sorted(path.suffix for path in (tmp_path / "made").iterdir()) == [".mkv", ".png"]


@needs_x
def test_the_command_opens_its_window_although_pyav_is_used(tmp_path: Path) -> None:
    clip = write_flat(tmp_path / "flat.mp4", 60, count=25)
    words = [sys.executable, "-m", "vdeblur", "live", "--camera", str(clip), "-m", "unsharp"]
    with display() as environment:
        environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "frames restored" in done.stderr


@needs_x
def test_the_screen_is_a_camera(tmp_path: Path) -> None:
    out = tmp_path / "screen.mkv"
    words = [sys.executable, "-m", "vdeblur", "live", "--camera", "screen", "--fps", "10", "-t", "1", "-m", "unsharp"]
    with display((96, 64)) as environment:
        done = subprocess.run(
            [*words, "--no-window", "-o", str(out)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    with av.open(str(out)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (96, 64)


def test_keys_change_model_strength_view_and_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vdeblur.live.window import LiveWindow, Look

    def unencodable(path: str, camera: FileCamera) -> None:
        raise UsageError(f"{path}: no such encoder")

    def load(model: str) -> list[Rung]:
        if model == "broken":
            raise ModelError("broken: damaged")
        return [Rung(LadderStep(model), Identity(), 1.0)]

    live = Live(FileCamera(str(write_flat(tmp_path / "flat.mp4", 60, 2))), LiveStream(load("first")))
    window = LiveWindow(live, Look(), ("first", "second", "broken"), load)

    def press_key(key: str) -> str:
        """What the window says after it."""
        window._keys[ord(key)]()
        return " ".join(window._lines())

    assert "model second" in press_key("m")
    live.stream.restore(moving(1)[0])
    assert live.stream.model == "second"
    assert "broken: damaged" in press_key("m")
    assert live.stream.model == "second"
    assert "strength 0.9" in press_key("-")
    assert "strength 1.0" in press_key("+")
    assert "strength 1.0" in press_key("+")
    assert "paused" in press_key(" ")
    assert "paused" not in press_key(" ")
    monkeypatch.setattr("vdeblur.live.window.open_recording", unencodable)
    assert "no such encoder" in press_key("r")
    for key in "h?":
        press_key(key)
    assert not window.look.shows_help
    assert "latency" not in press_key("i")
    for view in ("side", "restored", "split"):
        press_key("c")
        assert window.look.view == view
    live.close()


def test_views_and_figures() -> None:
    from vdeblur.live.overlay import stats_lines, write_lines
    from vdeblur.live.window import Look, draw

    before, after = moving(2)
    shown = ShownFrame(CapturedFrame(before, 0.0, 0), after)
    whole = draw(shown, Look("restored"))
    assert whole.shape == (48, 64, 3)
    assert draw(shown, Look("side")).shape == (48, 128, 3)
    split = draw(shown, Look("split", divider=0.0))
    assert np.array_equal(split[:, 8:], whole[:, 8:])
    assert np.array_equal(
        draw(shown, Look("split", divider=1.0)), draw(ShownFrame(shown.captured, before), Look("restored"))
    )
    stats = Stats(10, 8, 2, 30.0, 24.0, 40.0, 55.0, "fast at 1/2 size", 2, "cpu", 0, 0, True, 0.1)
    text = " ".join(stats_lines(stats, 0.5))
    for part in ("30.0", "24.0", "40 ms", "p95 55", "dropped 2", "fast at 1/2 size", "stepped down 2", "0.5", "lost"):
        assert part in text
    assert "no frame" not in text
    assert "no frame from the camera for 4 s" in stats_lines(replace(stats, is_lost=False, silent_seconds=4.2))
    assert not np.array_equal(write_lines(whole, ["x"], 20), whole)


def test_text_follows_the_screen_and_fits_into_its_window() -> None:
    from vdeblur.live.overlay import HELP, line_height, write_help, write_lines
    from vdeblur.live.window import size_on_screen

    assert 22 <= line_height(1080, 810) < line_height(2160, 1620) <= 56
    assert line_height(2160, 180) <= 10
    for width, height in ((96, 64), (320, 180), (1440, 810)):
        blank = np.full((height, width, 3), 200, np.uint8)
        line = line_height(1080, height)
        written = write_lines(blank, ["wide " * 40], line)
        assert (written[:line] != 200).any()
        assert (written[line:] == 200).all()
        letters = np.flatnonzero(
            (written[:line] > 100).all(axis=2).any(axis=0) & ~(written[:line] == 200).all(axis=(0, 2))
        )
        assert letters.max() < width - line // 8  # the last word is whole
        helped = write_help(blank, line)
        if width > 96:
            assert (helped[:, 0] == 200).all()
            assert (helped[:, -1] == 200).all()
        assert (helped != 200).any(axis=(1, 2)).sum() <= (len(HELP) + 1) * line
    assert size_on_screen(1920, 1080, (1920, 1080)) == (1440, 810)
    assert size_on_screen(3840, 2160, (1280, 800)) == (960, 540)
    assert size_on_screen(320, 180, (3840, 2160)) == (960, 540)  # not a mosaic of huge pixels
    assert size_on_screen(1080, 1920, (1920, 1080)) == (456, 810)


@needs_x
def test_the_screen_tells_its_size_and_the_first_window_its_keys(tmp_path: Path) -> None:
    clip = write_flat(tmp_path / "flat.mp4", 60, count=25)
    words = [sys.executable, "-m", "vdeblur", "live", "--camera", str(clip), "-m", "unsharp", "--loop"]
    with display((500, 375)) as environment:
        environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        listed = subprocess.run(
            [sys.executable, "-m", "vdeblur", "live", "--list"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert listed.stdout.split() == ["screen", "this", "screen", "500x375"]
        for is_first in (True, False):
            process = subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
            try:  # the middle of the window is grey, or dark under the help
                wait_until_painted(environment, "vdeblur live")
                wait_for(lambda: screenshot(environment)[215:220, 100:180].mean(), lambda seen: seen > 40, 120)
                dark = screenshot(environment)[105:110, 170:200].mean() < 40
                assert dark == is_first
                press(environment, "key", "q")
                assert process.wait(10) == 0
            finally:
                process.kill()
                process.wait()
