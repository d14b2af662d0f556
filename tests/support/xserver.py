"""A private X server for tests of windows: a real one, without a screen."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@contextlib.contextmanager
def display(size: tuple[int, int] = (400, 300)) -> Iterator[dict[str, str]]:
    """An X server on a free number; gives the environment that names it."""
    reading, writing = os.pipe()
    screen = "{}x{}x24".format(*size)
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", screen, "-nolisten", "tcp", "-noreset"],
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with open(reading, encoding="ascii") as pipe:
            number = pipe.readline().strip()
        yield {**os.environ, "DISPLAY": f":{number}", "LIBGL_ALWAYS_SOFTWARE": "1"}
    finally:
        server.terminate()
        server.wait(10)


def screenshot(environment: dict[str, str]) -> NDArray[np.uint8]:
    """The whole screen, (height, width, 3) in RGB."""
    from vdeblur.live.x11 import open_screen

    with open_screen(environment["DISPLAY"], {"draw_mouse": "0"}) as screen:
        return np.asarray(next(screen.decode(video=0)).to_ndarray(format="rgb24"), np.uint8)


def wait_until_painted(environment: dict[str, str], title: str, seconds: float = 60) -> None:
    """Wait until a window shows something; RuntimeError where it never does.

    On a bare server Qt at times misses that its first window was mapped, and then paints nothing however often it is
    given a picture (1 to 5 of 25 windows on a busy machine, with six lines of OpenCV and none of ours). Mapped again,
    as from an icon, it paints.
    """
    until, again = time.monotonic() + seconds, time.monotonic() + 3
    while not screenshot(environment).any():
        if time.monotonic() > until:
            raise RuntimeError(f"the window {title!r} shows nothing")
        if time.monotonic() > again:
            again = time.monotonic() + 3
            words = ["xdotool", "search", "--name", title, "windowunmap", "--sync", "windowmap"]
            subprocess.run(words, env=environment, check=False, capture_output=True, timeout=10)
        time.sleep(0.1)


def press(environment: dict[str, str], *words: Any) -> None:
    subprocess.run(["xdotool", *map(str, words)], env=environment, check=True, capture_output=True)


def write_flat(path: Path, luma: int, count: int = 200) -> Path:
    """A grey film of one brightness, 160 x 96, 25 frames a second."""
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        for index in range(count):
            planes = np.concatenate([np.full((96, 160), luma, np.uint8), np.full((48, 160), 128, np.uint8)])
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path
