"""Captures the X screen in a subprocess.

The wheels of PyAV and OpenCV both bring libxcb, under different names, and its extensions, under the same names. Once
OpenCV is loaded, FFmpeg's x11grab gets OpenCV's libxcb-shm together with its own libxcb, and the process crashes. The
live window needs OpenCV, so the capture runs in another process.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import av
from av.container import InputContainer

from ..errors import DeviceError

STOP_SECONDS = 5.0
FAULT = "vdeblur.live.x11: "


@contextmanager
def open_screen(display: str, settings: Mapping[str, str]) -> Iterator[InputContainer]:
    """A container with the frames of `display` (":0.0"), until the context ends or the screen goes away.

    Raises DeviceError with the subprocess's reason if it captures no frame.
    """
    words = [sys.executable, "-m", __name__, display, *(f"{name}={value}" for name, value in settings.items())]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as grabber:
        assert grabber.stdout is not None
        assert grabber.stderr is not None
        try:
            try:
                container = av.open(grabber.stdout, "r", format="nut", options={"analyzeduration": "500000"})
            except av.FFmpegError as error:
                reason = grabber.stderr.read().decode(errors="replace").rpartition(FAULT)[2].strip()
                raise DeviceError(reason or str(error)) from error
            with container:
                yield container
        finally:
            grabber.kill()
            with suppress(subprocess.TimeoutExpired):
                grabber.wait(STOP_SECONDS)


def write_screen(display: str, *settings: str) -> None:
    """Write the frames of `display` to stdout as NUT, unbuffered, until nobody reads them."""
    try:
        with (
            av.open(display, format="x11grab", options=dict(word.split("=", 1) for word in settings)) as screen,
            av.open("pipe:1", "w", format="nut", options={"flush_packets": "1"}) as out,
        ):
            source = screen.streams.video[0]
            video = out.add_stream("rawvideo", rate=source.average_rate)
            video.width, video.height, video.pix_fmt = source.width, source.height, source.pix_fmt
            assert source.time_base is not None
            video.codec_context.time_base = source.time_base
            for frame in screen.decode(source):
                out.mux(video.encode(frame))
    except av.FFmpegError as error:
        sys.exit(f"{FAULT}{error.strerror}")


if __name__ == "__main__":
    write_screen(*sys.argv[1:])
