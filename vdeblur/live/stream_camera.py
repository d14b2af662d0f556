"""Cameras, screens and network streams through FFmpeg: unbuffered, and reconnected when lost."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack
from threading import Event
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ..errors import DeviceError, InputError, VdeblurError
from ..frames import Frame, StreamInfo
from ..media.colors import color_of
from ..media.planes import frame_of
from ..protocols import Closing
from .camera import CLOCK, DEFAULTS, DEVICE_SILENCE, CameraOptions
from .x11 import open_screen

log = logging.getLogger(__name__)

OPEN_SECONDS, READ_SECONDS = 5.0, 3.0
"""How long a stream may take to answer, and to send its next frame, before it counts as lost."""
HTTP_READ_SECONDS = 15.0
"""Read timeout for HTTP and HLS, which send several seconds at once and then pause."""
FIRST_DELAY, LONGEST_DELAY = 0.25, 8.0
"""Seconds before a lost stream is reconnected, doubled after each attempt."""
JUMP_SECONDS = 1.0
"""Time stamps that deviate from the clock by more than this have jumped, and are aligned to it again."""
BAD_PACKETS = 500
"""Consecutive packets that may fail to decode."""

_LOW_DELAY = {"flags": "low_delay", "analyzeduration": "1000000", "probesize": "500000"}


class Lost(Exception):
    """The stream broke off."""


class Clock:
    """Maps time stamps of a stream to the time of arrival: spaced as in the stream, without drift from the clock."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._offset = 0.0
        self._last = -1

    def reset(self) -> None:
        """Forget the stream's time stamps, after a reconnection."""
        self._offset = float("inf")

    def early(self, seconds: float | None, now: float) -> float:
        """Seconds until a frame is due; 0 if it is late, or if the time stamps have jumped."""
        if self._start is None or seconds is None:
            return 0.0
        ahead = seconds + self._offset - (now - self._start)
        return ahead if 0 < ahead < JUMP_SECONDS else 0.0

    def pts(self, seconds: float | None, now: float) -> int:
        """Presentation time of a frame in units of CLOCK, from 0 and strictly rising; `seconds` is its time stamp."""
        if self._start is None:
            self._start, self._offset = now, float("inf")
        elapsed = now - self._start
        if seconds is None:
            time_shown = elapsed
        else:
            # No frame arrives before its time: the one with the least delay aligns the two clocks.
            if not 0 <= elapsed - (seconds + self._offset) < JUMP_SECONDS:
                self._offset = elapsed - seconds
            time_shown = seconds + self._offset
        self._last = max(round(time_shown / CLOCK), self._last + 1)
        return self._last


class Address(NamedTuple):
    """Arguments for `av.open`."""

    url: str
    format: str | None
    options: dict[str, str]
    read_seconds: float = READ_SECONDS
    comes_in_bursts: bool = False
    """Frames arrive several seconds at once, and are delivered when they are due."""

    def open(self) -> AbstractContextManager[InputContainer]:
        """Open the container, which the caller closes. Raises av.FFmpegError, ValueError, OSError or DeviceError."""
        if self.format == "x11grab":
            return open_screen(self.url, self.options)
        seconds = (OPEN_SECONDS, self.read_seconds)
        return av.open(self.url, "r", format=self.format, options=self.options, timeout=seconds)


class StreamCamera(Closing):
    """Frames received by FFmpeg. A lost network stream is reconnected; a device is not."""

    def __init__(
        self, address: Address, name: str, options: CameraOptions, fault: Callable[[str], VdeblurError]
    ) -> None:
        """Open it and wait for the first frame. `fault` makes the error of a camera that fails."""
        self.name = name
        self.is_lost, self.reconnects = False, 0
        self.concealed, self.damaged = 0, False
        self.warnings: list[str] = []
        self._address, self._fault = address, fault
        self._reconnects = "://" in name
        self.longest_silence = math.inf if self._reconnects else DEVICE_SILENCE
        self._patience = options.patience_seconds
        self._closed, self._is_read = Event(), False
        self._clock = Clock()
        try:
            self._frames = self._connect()
            self._first = next(self._frames)
        except (Lost, StopIteration) as error:
            raise fault(f"no frames: {error}") from error
        width, height = self._first.size
        self.info = StreamInfo(
            width, height, self._first.layout, self._first.color, CLOCK, frame_rate=self._rate, codec=self._codec
        )

    @classmethod
    def from_url(cls, url: str, options: CameraOptions = DEFAULTS) -> StreamCamera:
        """Open a network stream: rtsp, rtmp, srt, tcp, udp, rtp, http or https. Raises InputError."""
        scheme = url.partition("://")[0].lower()
        settings = dict(_LOW_DELAY)
        if scheme == "rtsp":
            settings["rtsp_transport"] = "tcp"
        if scheme == "file":
            raise InputError(f"{url}: name the file by its path")
        is_http = scheme in ("http", "https")
        address = Address(url, None, settings, HTTP_READ_SECONDS if is_http else READ_SECONDS, is_http)
        return cls(address, url, options, lambda why: InputError(f"{url}: {why}"))

    @classmethod
    def from_device(
        cls, file: str, kind: str, settings: dict[str, str], name: str, options: CameraOptions
    ) -> StreamCamera:
        """Open a device through FFmpeg's input format `kind`. Raises DeviceError."""
        settings = dict(settings)
        if options.size:
            settings["video_size"] = "{}x{}".format(*options.size)
        if options.frame_rate:
            settings["framerate"] = str(options.frame_rate)
        address = Address(file, kind, settings)
        return cls(address, name, options, lambda why: DeviceError(f"camera {name}: {why}"))

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the camera is closed. Raises InputError or DeviceError when it fails."""
        self._is_read = True
        frame: Frame | None = self._first
        try:
            while frame is not None and not self._closed.is_set():
                yield frame
                try:
                    frame = next(self._frames, None)
                    if frame is None and not self._closed.is_set():
                        raise Lost("the stream has ended")
                except Lost as error:
                    frame = self._reconnect(str(error))
        finally:
            self._frames.close()

    def close(self) -> None:
        """End the iteration; the thread that reads the connection closes it."""
        self._closed.set()
        if not self._is_read:
            self._frames.close()

    def _connect(self) -> Generator[Frame, None, None]:
        """Yield the frames of one connection. Raises Lost."""
        with ExitStack() as stack:
            try:
                container = stack.enter_context(self._address.open())
            except (av.FFmpegError, ValueError, OSError, DeviceError) as error:
                raise Lost(_reason(error)) from error
            video = container.streams.best("video")
            if not isinstance(video, VideoStream) or video.codec_context is None:
                raise Lost("it has no video stream")
            video.thread_type = "SLICE"  # frame threading would delay several frames
            self._rate = video.average_rate or video.guessed_rate or None
            self._codec = video.codec.canonical_name
            yield from self._decoded(container, video)

    def _decoded(self, container: InputContainer, video: VideoStream) -> Iterator[Frame]:
        bad = 0
        packets = container.demux(video)
        while not self._closed.is_set():
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.FFmpegError, OSError) as error:
                raise Lost(_reason(error)) from error
            try:
                frames = packet.decode()
            except av.EOFError:
                return
            except av.FFmpegError as error:
                bad += 1
                if bad > BAD_PACKETS:
                    raise Lost("cannot be decoded") from error
                continue
            for frame in frames:
                bad = 0
                if frame.is_corrupt:
                    self.concealed += 1
                seconds = frame.time
                if self._address.comes_in_bursts and self._closed.wait(self._clock.early(seconds, time.perf_counter())):
                    return
                pts = self._clock.pts(seconds, time.perf_counter())
                yield frame_of(frame, pts, CLOCK, color_of(frame))

    def _reconnect(self, reason: str) -> Frame | None:
        """The first frame after reconnecting a lost stream; None if the camera was closed meanwhile."""
        if not self._reconnects:
            raise self._fault(f"delivers no more frames ({reason}); is it still plugged in?")
        self.is_lost = True
        log.warning("%s: lost (%s); reconnecting", self.name, reason)
        delay, until = FIRST_DELAY, time.perf_counter() + self._patience
        while time.perf_counter() < until:
            if self._closed.wait(delay):
                return None
            delay = min(2 * delay, LONGEST_DELAY)
            try:
                self._clock.reset()
                self._frames = self._connect()
                frame = next(self._frames, None)
            except Lost as error:
                reason = str(error)
                continue
            if frame is not None:
                self.is_lost = False
                self.reconnects += 1
                log.warning("%s: reconnected", self.name)
                return frame
        raise self._fault(f"lost, and not reconnected within {self._patience:g} s ({reason})")


def _reason(error: Exception) -> str:
    if isinstance(error, av.ExitError):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or error).rstrip(".") or type(error).__name__
