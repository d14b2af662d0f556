"""Live: capture -> newest frame -> restore -> show. Three threads and a slot of one between each two.

The newest frame always wins: a frame that was not begun when the next one came is left out. So what is shown is never
older than one frame of the camera and the time that restoring it takes, and the ladder keeps that time short.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from ..errors import DeviceError, UsageError
from ..frames import Frame, StreamInfo
from ..restorers.blend import side_by_side_info, side_by_side_planes
from .cameras import Camera
from .stream import LiveStream

if TYPE_CHECKING:
    from ..media.sink import Sink

log = logging.getLogger(__name__)

T = TypeVar("T")

View = Literal["restored", "side"]
"""What is recorded."""

FPS_SECONDS = 2.0
"""Rates are counted over this long."""
LATENCIES = 300
"""Latest frames whose latencies make the percentiles."""
REPORT_SECONDS = 1.0
"""Between two reports of how it goes."""
JOIN_SECONDS = 4.0
"""A thread that hangs longer in a read (a silent network stream) is left to the end of the process."""
WATCHED_INTERVALS = 30
"""Latest frames of the camera whose median distance is its frame interval."""


class Newest(Generic[T]):
    """A slot of one between two threads: what is put replaces what has not been taken."""

    def __init__(self) -> None:
        self._item: T | None = None
        self._ended = False
        self._error: BaseException | None = None
        self._changed = Condition()

    def put(self, item: T) -> bool:
        """Hand over; True when an older item was dropped for it."""
        with self._changed:
            dropped = self._item is not None
            self._item = item
            self._changed.notify_all()
            return dropped

    def take(self, timeout: float | None = None) -> T | None:
        """Wait for an item; None when none came in `timeout` seconds or none follows. Raises the producer's error."""
        until = None if timeout is None else time.perf_counter() + timeout
        with self._changed:
            while self._item is None and not self._ended:
                left = 0.5 if until is None else min(0.5, until - time.perf_counter())
                if left <= 0:
                    return None
                self._changed.wait(left)
            item, self._item = self._item, None
            if item is None and self._error is not None:
                raise self._error
            return item

    def end(self, error: BaseException | None = None) -> None:
        """Say that nothing follows."""
        with self._changed:
            self._ended = True
            self._error = self._error or error
            self._changed.notify_all()

    @property
    def has_ended(self) -> bool:
        """Nothing waits and nothing follows."""
        with self._changed:
            return self._ended and self._item is None


@dataclass(frozen=True, slots=True)
class Captured:
    """A frame and when it came."""

    frame: Frame
    at: float
    """Seconds of time.perf_counter."""
    number: int
    """Frames that the camera gave before this one."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A captured frame and what it became."""

    captured: Captured
    restored: Frame


@dataclass(frozen=True, slots=True)
class Stats:
    """How a live stream is doing."""

    captured: int
    restored: int
    dropped: int
    """Captured and never restored, for want of time or because the step leaves out every second one."""
    capture_fps: float
    restored_fps: float
    latency_p50_ms: float
    """From capture to shown (or, where nothing shows it, to restored)."""
    latency_p95_ms: float
    step: str
    stepped_down: int
    device: str
    resets: int
    reconnects: int
    is_lost: bool
    silent_seconds: float
    """Since the camera's last picture."""

    def to_json(self) -> dict[str, object]:
        """The object of `--progress json` and `--json`."""
        return {k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(self).items()}

    def __str__(self) -> str:
        """The closing line."""
        return (
            f"{self.restored} of {self.captured} frames restored, {self.dropped} dropped; "
            f"latency {self.latency_p50_ms:.0f} ms (p95 {self.latency_p95_ms:.0f} ms) with {self.step} on {self.device}"
        )


class Meter:
    """Counts what goes through, from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.captured = self.restored = self.dropped = 0
        self._captures: deque[float] = deque(maxlen=1000)
        self._restores: deque[float] = deque(maxlen=1000)
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._last_capture = time.perf_counter()

    def capture(self, at: float) -> None:
        """Count a frame of the camera."""
        with self._lock:
            self.captured += 1
            self._captures.append(at)
            self._last_capture = at

    def drop(self) -> None:
        """Count a frame that is left out."""
        with self._lock:
            self.dropped += 1

    def restore(self, at: float) -> None:
        """Count a restored frame."""
        with self._lock:
            self.restored += 1
            self._restores.append(at)

    def shown(self, latency: float) -> None:
        """Note a frame's time from capture to shown, in seconds."""
        with self._lock:
            self._latencies.append(latency)

    @property
    def interval(self) -> float:
        """Seconds between two frames of the camera; 1/30 while that is unknown."""
        with self._lock:
            times = list(self._captures)[-WATCHED_INTERVALS:]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        return median(gaps) if len(gaps) > 3 else 1 / 30

    @property
    def latencies(self) -> list[float]:
        """The latest latencies in seconds, sorted."""
        with self._lock:
            return sorted(self._latencies)

    def silence(self, now: float) -> float:
        """Seconds since the camera's last picture."""
        with self._lock:
            return max(now - self._last_capture, 0.0)

    def rates(self, now: float) -> tuple[float, float]:
        """Captured and restored frames per second, of late."""
        with self._lock:
            return _rate(self._captures, now), _rate(self._restores, now)


def _rate(times: deque[float], now: float) -> float:
    recent = [at for at in times if now - at <= FPS_SECONDS]
    return (len(recent) - 1) / (now - recent[0]) if len(recent) > 1 and now > recent[0] else 0.0


def percentile(ordered: list[float], share: float) -> float:
    """The value that `share` (0..1) of the sorted values do not exceed; 0 where there are none."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


class Live:
    """A camera being restored. Enter it to start; leave it to stop, with every recording whole under its name."""

    def __init__(self, camera: Camera, stream: LiveStream) -> None:
        """Takes over the camera and closes it."""
        self.camera, self.stream, self.meter = camera, stream, Meter()
        self._captured: Newest[Captured] = Newest()
        self._shown: Newest[Shown] = Newest()
        self._recordings: list[Recording] = []
        self._recordings_lock = Lock()
        self._threads = [
            Thread(target=self._run, args=(work, slot), name=f"vdeblur-{work.__name__.strip('_')}", daemon=True)
            for work, slot in ((self._capture, self._captured), (self._restore, self._shown))
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Live:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop, join the threads, and finish the recordings."""
        self.camera.close()
        self._captured.end()
        until = time.perf_counter() + JOIN_SECONDS
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(until - time.perf_counter(), 0.1))
        with ExitStack() as finishing:  # so that each is tried, whatever another raises
            for recording in self.recordings:
                if self._threads[-1].is_alive():  # it hangs in a pipe that nobody reads
                    finishing.callback(recording.sink.abort)
                else:
                    finishing.callback(self.stop_recording, recording)

    def next(self, timeout: float | None = None) -> Shown | None:
        """The newest result, once each; None after `timeout` seconds or at the end.

        Raises what ended the stream, and DeviceError where a device has given no picture for too long: the thread that
        waits for it may never return.
        """
        shown = self._shown.take(timeout)
        if shown is None and not self.has_ended:
            silence = self.meter.silence(time.perf_counter())
            if silence > self.camera.longest_silence:
                raise DeviceError(
                    f"camera {self.camera.name}: has given no picture for {silence:.0f} s; is it still plugged in?"
                )
        return shown

    @property
    def has_ended(self) -> bool:
        """No further result comes."""
        return self._shown.has_ended

    @property
    def recordings(self) -> list[Recording]:
        """Those under way."""
        with self._recordings_lock:
            return list(self._recordings)

    def record(self, recording: Recording) -> None:
        """Write every restored frame to this, from now on."""
        with self._recordings_lock:
            self._recordings.append(recording)

    def stop_recording(self, recording: Recording) -> None:
        """Finish a recording: it is whole under its name when this returns."""
        with self._recordings_lock:
            if recording not in self._recordings:
                return
            self._recordings.remove(recording)
        recording.sink.close()
        for warning in recording.sink.warnings:
            log.warning("%s", warning)

    def stats(self) -> Stats:
        """How it goes, now."""
        meter, stream = self.meter, self.stream
        capture_fps, restored_fps = meter.rates(time.perf_counter())
        latencies = meter.latencies
        return Stats(
            captured=meter.captured,
            restored=meter.restored,
            dropped=meter.dropped,
            capture_fps=capture_fps,
            restored_fps=restored_fps,
            latency_p50_ms=1000 * percentile(latencies, 0.5),
            latency_p95_ms=1000 * percentile(latencies, 0.95),
            step=str(stream.step),
            stepped_down=stream.stepped_down,
            device=stream.device,
            resets=stream.resets,
            reconnects=self.camera.reconnects,
            is_lost=self.camera.is_lost,
            silent_seconds=meter.silence(time.perf_counter()),
        )

    def _run(self, work: Callable[[], None], slot: Newest[Captured] | Newest[Shown]) -> None:
        try:
            work()
        except BaseException as error:  # of whatever kind: it is raised again where the results are awaited
            slot.end(error)
        else:
            slot.end()

    def _capture(self) -> None:
        for number, frame in enumerate(self.camera):
            at = time.perf_counter()
            self.meter.capture(at)
            if self._captured.put(Captured(frame, at, number)):
                self.meter.drop()

    def _restore(self) -> None:
        while (captured := self._captured.take()) is not None:
            if not self.stream.wants(captured.number):
                self.meter.drop()
                continue
            begun = time.perf_counter()
            restored = self.stream.restore(captured.frame)
            for recording in self.recordings:
                recording.write(captured.frame, restored)
            done = time.perf_counter()
            self.meter.restore(done)
            self._shown.put(Shown(captured, restored))
            self.stream.took(done - begun, self.meter.interval, done - captured.at, done)


@dataclass(frozen=True, eq=False)
class Recording:
    """A sink for the restored frames, or for both pictures side by side."""

    name: str
    sink: Sink
    view: View = "restored"

    def write(self, before: Frame, restored: Frame) -> None:
        """Encode behind; waits only when the encoder is tens of frames late."""
        if self.view == "side":
            restored = replace(restored, planes=side_by_side_planes(before, restored), origin=None)
        self.sink.write(restored)


def open_recording(path: str, camera: Camera, view: View = "restored", *, overwrite: bool = False) -> Recording:
    """Record to a file, or `-` for standard output, at the times of the camera's pictures.

    The encoder is set to be quick rather than small, since the model needs the time. Raises what `open_sink` raises.
    """
    from ..media.containers import format_of
    from ..media.encoders import choose_encoder
    from ..media.paths import is_image_output
    from ..media.sink import SinkOptions
    from ..media.sinks import open_sink
    from ..threads import write_behind

    if path != "-" and Path(path).exists() and Path(camera.name).exists() and Path(path).samefile(camera.name):
        raise UsageError(f"{path}: is the camera's own file; record to another")
    info = recorded_info(camera.info, view)
    # A transport stream carries each picture as it comes, where Matroska would gather a second of them.
    options = SinkOptions(overwrite=overwrite, container="mpegts" if path == "-" else None)
    if path == "-" or not is_image_output(path, of_images=False):
        encoder = choose_encoder("mpegts" if path == "-" else format_of(path), info, options, path)
        if encoder in ("libx264", "libx265"):
            tune = {"tune": "zerolatency"} if path == "-" else {}
            options = replace(options, preset="veryfast", encoder_options=tune)
    return Recording(path, write_behind(open_sink(path, camera, options, info)), view)


def recorded_info(info: StreamInfo, view: View) -> StreamInfo:
    """The stream as it is recorded: in H.264, whatever the camera speaks."""
    info = replace(info, codec="h264", bit_rate=None, frames=None, duration_seconds=None)
    return side_by_side_info(info) if view == "side" else info


def watch(live: Live, seconds: float = math.inf, on_stats: Callable[[Stats], None] | None = None) -> None:
    """Let a live stream run without a window, until it ends or for some seconds; tell of it every second."""
    start = due = time.perf_counter()
    while not live.has_ended:
        shown = live.next(timeout=0.2)
        now = time.perf_counter()
        if shown is not None:
            live.meter.shown(now - shown.captured.at)
        if on_stats is not None and now >= due:
            due = now + REPORT_SECONDS
            on_stats(live.stats())
        if now - start >= seconds:
            return
    live.next(timeout=0)  # raises what ended it
