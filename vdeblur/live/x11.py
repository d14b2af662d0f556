"""The X screen, grabbed in a process of its own.

The wheels of PyAV and OpenCV both bring libxcb, under different names, and its extensions, under the same ones. Once
OpenCV is in a process, FFmpeg's grabber there is given OpenCV's libxcb-shm for its own libxcb, and the process ends
with a segmentation fault. A window wants OpenCV first, so the grabber has to live elsewhere.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import av

from ..errors import DeviceError

STOP_SECONDS = 5.0
FAULT = "vdeblur.live.x11: "


@contextmanager
def grabbed(display: str, settings: Mapping[str, str]) -> Iterator[Any]:
    """The container of the pictures of `display` (":0.0"), until the context ends or the screen goes away.

    Raises DeviceError with the grabber's reason where it gives no picture.
    """
    words = [sys.executable, "-m", __name__, display, *(f"{name}={value}" for name, value in settings.items())]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as grabber:
        assert grabber.stdout is not None
        assert grabber.stderr is not None
        try:
            try:
                container: Any = av.open(grabber.stdout, "r", format="nut", options={"analyzeduration": "500000"})
            except av.FFmpegError as error:
                said = grabber.stderr.read().decode(errors="replace").rpartition(FAULT)[2].strip()
                raise DeviceError(said or str(error)) from error
            with container:
                yield container
        finally:
            grabber.kill()
            with suppress(subprocess.TimeoutExpired):
                grabber.wait(STOP_SECONDS)


def main(display: str, *settings: str) -> None:
    """Write the pictures of `display` to stdout as NUT, each at once, until nobody reads them."""
    try:
        with (
            av.open(display, format="x11grab", options=dict(word.split("=", 1) for word in settings)) as screen,
            av.open("pipe:1", "w", format="nut", options={"flush_packets": "1"}) as out,
        ):
            source: Any = screen.streams.video[0]
            video: Any = out.add_stream("rawvideo", rate=source.average_rate)
            video.width, video.height, video.pix_fmt = source.width, source.height, source.pix_fmt
            video.codec_context.time_base = source.time_base
            for picture in screen.decode(source):
                out.mux(video.encode(picture))
    except av.FFmpegError as error:
        sys.exit(f"{FAULT}{error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
