"""Cameras, screens and network streams through FFmpeg: read at once, never buffered, called again when lost."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack
from threading import Event
from typing import Any, NamedTuple

import av

from ..errors import DeviceError, InputError, VdeblurError
from ..frames import Frame, StreamInfo
from ..media.colors import color_of
from ..media.planes import frame_of
from .camera import CLOCK, DEFAULTS, DEVICE_SILENCE, CameraOptions
from .x11 import grabbed

log = logging.getLogger(__name__)

OPEN_SECONDS, READ_SECONDS = 5.0, 3.0
"""How long a stream may take to answer, and to send its next picture, before it counts as lost."""
HTTP_READ_SECONDS = 15.0
"""The same for HTTP and HLS, which send some seconds at once and then pause."""
FIRST_DELAY, LONGEST_DELAY = 0.25, 8.0
"""Seconds before a lost stream is called again, doubled each time."""
JUMP_SECONDS = 1.0
"""Time stamps that leave the clock by more than this have jumped, and are tied to it anew."""
BAD_PACKETS = 500
"""Packets in a row that may fail to decode."""

_LOW_DELAY = {"flags": "low_delay", "analyzeduration": "1000000", "probesize": "500000"}


class Lost(Exception):
    """The stream broke off."""


class Clock:
    """Time stamps of a stream, tied to when its pictures come: even as the stream counts, true to the clock."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._offset = 0.0
        self._last = -1

    def retie(self) -> None:
        """Forget the stream's own count: it has been called again."""
        self._offset = float("inf")

    def early(self, seconds: float | None, now: float) -> float:
        """Seconds until a picture is due; 0 where it is late, or where the stream's count has jumped."""
        if self._start is None or seconds is None:
            return 0.0
        ahead = seconds + self._offset - (now - self._start)
        return ahead if 0 < ahead < JUMP_SECONDS else 0.0

    def pts(self, seconds: float | None, now: float) -> int:
        """The time of a picture in units of CLOCK, from 0 and strictly rising; `seconds` is the stream's own."""
        if self._start is None:
            self._start, self._offset = now, float("inf")
        elapsed = now - self._start
        if seconds is None:
            place = elapsed
        else:
            # No picture comes before its time: the one that came with the least delay ties the two clocks together.
            if not 0 <= elapsed - (seconds + self._offset) < JUMP_SECONDS:
                self._offset = elapsed - seconds
            place = seconds + self._offset
        self._last = max(round(place / CLOCK), self._last + 1)
        return self._last


class Address(NamedTuple):
    """What `av.open` is given."""

    url: str
    format: str | None
    options: dict[str, str]
    read_seconds: float = READ_SECONDS
    comes_in_bursts: bool = False
    """Pictures arrive some seconds at once, and are handed on when they are due."""

    def open(self) -> AbstractContextManager[Any]:
        """The container, which is to be closed. Raises av.FFmpegError, ValueError, OSError or DeviceError."""
        if self.format == "x11grab":
            return grabbed(self.url, self.options)
        seconds = (OPEN_SECONDS, self.read_seconds)
        return av.open(self.url, "r", format=self.format, options=self.options, timeout=seconds)


class StreamCamera:
    """Pictures that FFmpeg receives. A network stream that breaks off is called again; a device is not."""

    def __init__(
        self, address: Address, name: str, options: CameraOptions, fault: Callable[[str], VdeblurError]
    ) -> None:
        """Open, and wait for the first picture. `fault` makes the error of a camera that cannot go on."""
        self.name = name
        self.is_lost, self.reconnects = False, 0
        self.concealed, self.damaged = 0, False
        self.warnings: list[str] = []
        self._address, self._fault = address, fault
        self._calls_again = "://" in name
        self.longest_silence = math.inf if self._calls_again else DEVICE_SILENCE
        self._patience = options.patience_seconds
        self._closed, self._is_read = Event(), False
        self._clock = Clock()
        try:
            self._pictures = self._connect()
            self._first = next(self._pictures)
        except (Lost, StopIteration) as error:
            raise fault(f"gives no picture: {error}") from error
        width, height = self._first.size
        self.info = StreamInfo(
            width, height, self._first.layout, self._first.color, CLOCK, frame_rate=self._rate, codec=self._codec
        )

    @classmethod
    def from_url(cls, url: str, options: CameraOptions = DEFAULTS) -> StreamCamera:
        """A stream on the network: rtsp, rtmp, srt, tcp, udp, rtp, http or https. Raises InputError."""
        scheme = url.partition("://")[0].lower()
        settings = dict(_LOW_DELAY)
        if scheme == "rtsp":
            settings["rtsp_transport"] = "tcp"
        if scheme == "file":
            raise InputError(f"{url}: give the file by its plain path")
        is_http = scheme in ("http", "https")
        address = Address(url, None, settings, HTTP_READ_SECONDS if is_http else READ_SECONDS, is_http)
        return cls(address, url, options, lambda why: InputError(f"{url}: {why}"))

    @classmethod
    def from_device(
        cls, file: str, kind: str, settings: dict[str, str], name: str, options: CameraOptions
    ) -> StreamCamera:
        """A device that FFmpeg reads through its input format `kind`. Raises DeviceError."""
        settings = dict(settings)
        if options.size:
            settings["video_size"] = "{}x{}".format(*options.size)
        if options.frame_rate:
            settings["framerate"] = str(options.frame_rate)
        address = Address(file, kind, settings)
        return cls(address, name, options, lambda why: DeviceError(f"camera {name}: {why}"))

    def __iter__(self) -> Iterator[Frame]:
        """Frames as they come, until the camera is closed. Raises the error of its kind when it cannot go on."""
        self._is_read = True
        frame: Frame | None = self._first
        try:
            while frame is not None and not self._closed.is_set():
                yield frame
                try:
                    frame = next(self._pictures, None)
                    if frame is None and not self._closed.is_set():
                        raise Lost("the stream has ended")
                except Lost as error:
                    frame = self._call_again(str(error))
        finally:
            self._pictures.close()

    def close(self) -> None:
        """End the frames; a connection that is being read is closed by the thread that reads it."""
        self._closed.set()
        if not self._is_read:
            self._pictures.close()

    def __enter__(self) -> StreamCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> Generator[Frame, None, None]:
        """Pictures of one connection. Raises Lost."""
        with ExitStack() as stack:
            try:
                container = stack.enter_context(self._address.open())
            except (av.FFmpegError, ValueError, OSError, DeviceError) as error:
                raise Lost(_reason(error)) from error
            video: Any = container.streams.best("video")
            if video is None or video.codec_context is None:
                raise Lost("it holds no picture")
            video.thread_type = "SLICE"  # threads by frame would hold several frames back
            self._rate = video.average_rate or video.guessed_rate or None
            self._codec = video.codec.canonical_name
            yield from self._received(container, video)

    def _received(self, container: Any, video: Any) -> Iterator[Frame]:
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
                pictures = packet.decode()
            except av.EOFError:
                return
            except av.FFmpegError as error:
                bad += 1
                if bad > BAD_PACKETS:
                    raise Lost("nothing of it can be decoded") from error
                continue
            for picture in pictures:
                bad = 0
                if picture.is_corrupt:
                    self.concealed += 1
                seconds = None if picture.pts is None else float(picture.pts * picture.time_base)
                if self._address.comes_in_bursts and self._closed.wait(self._clock.early(seconds, time.perf_counter())):
                    return
                pts = self._clock.pts(seconds, time.perf_counter())
                yield frame_of(picture, pts, CLOCK, color_of(picture))

    def _call_again(self, reason: str) -> Frame | None:
        """The first picture after the stream was lost; None when the camera was closed meanwhile."""
        if not self._calls_again:
            raise self._fault(f"has stopped giving pictures ({reason}); is it still plugged in?")
        self.is_lost = True
        log.warning("%s: lost (%s); calling again", self.name, reason)
        delay, until = FIRST_DELAY, time.perf_counter() + self._patience
        while time.perf_counter() < until:
            if self._closed.wait(delay):
                return None
            delay = min(2 * delay, LONGEST_DELAY)
            try:
                self._clock.retie()
                self._pictures = self._connect()
                frame = next(self._pictures, None)
            except Lost as error:
                reason = str(error)
                continue
            if frame is not None:
                self.is_lost = False
                self.reconnects += 1
                log.warning("%s: back again", self.name)
                return frame
        raise self._fault(f"is lost and did not come back within {self._patience:g} s ({reason})")


def _reason(error: Exception) -> str:
    if isinstance(error, av.ExitError):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or error).rstrip(".") or type(error).__name__
