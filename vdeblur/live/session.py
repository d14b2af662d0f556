"""Live: capture -> newest frame -> restore -> show, in three threads with a slot for one frame between each two.

A frame that is still waiting when the next one arrives is dropped. So a shown frame is never older than one frame
interval plus the time to restore it, which the ladder keeps short.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock, Thread

from ..errors import DeviceError
from ..frames import Frame
from .camera import Camera
from .meter import LiveMeter, Stats, percentile
from .newest import Newest
from .recording import Recording
from .stream import LiveStream

log = logging.getLogger(__name__)

REPORT_SECONDS = 1.0
"""Interval between two reports of the statistics."""
JOIN_SECONDS = 4.0
"""A thread that blocks longer in a read (of a silent network stream) is abandoned until the process ends."""


@dataclass(frozen=True, slots=True)
class CapturedFrame:
    """A frame and its time of capture."""

    frame: Frame
    at: float
    """In seconds of time.perf_counter."""
    number: int
    """Index of the frame, counted from 0 by the camera."""


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A captured frame and its restoration."""

    captured: CapturedFrame
    restored: Frame


class Live:
    """Restores a camera. Entering starts it; leaving stops it and finishes all recordings."""

    def __init__(self, camera: Camera, stream: LiveStream) -> None:
        """Takes over the camera and closes it in `close`."""
        self.camera, self.stream, self.meter = camera, stream, LiveMeter()
        self._captured: Newest[CapturedFrame] = Newest()
        self._shown: Newest[ShownFrame] = Newest()
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
        with ExitStack() as finishing:  # so that each is tried, even if another raises
            for recording in self.recordings:
                if self._threads[-1].is_alive():  # it blocks on a pipe that nobody reads
                    finishing.callback(recording.sink.abort)
                else:
                    finishing.callback(self.stop_recording, recording)

    def next(self, timeout: float | None = None) -> ShownFrame | None:
        """The newest result, each only once; None after `timeout` seconds or at the end.

        Raises the error that ended the stream, and DeviceError if a device has been silent for too long: the thread
        that reads from it may never return.
        """
        shown = self._shown.take(timeout)
        if shown is None and not self.has_ended:
            silence = self.meter.silence(time.perf_counter())
            if silence > self.camera.longest_silence:
                raise DeviceError(f"camera {self.camera.name}: no frame for {silence:.0f} s; is it still plugged in?")
        return shown

    @property
    def has_ended(self) -> bool:
        """Whether no further result follows."""
        return self._shown.has_ended

    @property
    def recordings(self) -> list[Recording]:
        """Recordings in progress."""
        with self._recordings_lock:
            return list(self._recordings)

    def record(self, recording: Recording) -> None:
        """Write every restored frame to this recording from now on."""
        with self._recordings_lock:
            self._recordings.append(recording)

    def stop_recording(self, recording: Recording) -> None:
        """Finish a recording; its file is complete when this returns, and there is none if no frame was recorded."""
        with self._recordings_lock:
            if recording not in self._recordings:
                return
            self._recordings.remove(recording)
        recording.finish()
        for warning in recording.sink.warnings:
            log.warning("%s", warning)

    def stats(self) -> Stats:
        """Current statistics."""
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

    def _run(self, work: Callable[[], None], slot: Newest[CapturedFrame] | Newest[ShownFrame]) -> None:
        try:
            work()
        except BaseException as error:  # of any kind: it is raised again in `next`
            slot.end(error)
        else:
            slot.end()

    def _capture(self) -> None:
        for number, frame in enumerate(self.camera):
            at = time.perf_counter()
            self.meter.capture(at)
            if self._captured.put(CapturedFrame(frame, at, number)):
                self.meter.drop()

    def _restore(self) -> None:
        while (captured := self._captured.take()) is not None:
            if not self.stream.wants(captured.number):
                self.meter.drop()
                continue
            started = time.perf_counter()
            restored = self.stream.restore(captured.frame)
            for recording in self.recordings:
                recording.write(captured.frame, restored)
            done = time.perf_counter()
            self.meter.restore(done)
            self._shown.put(ShownFrame(captured, restored))
            self.stream.took(done - started, self.meter.interval, done - captured.at, done)


def run_without_window(live: Live, seconds: float = math.inf, on_stats: Callable[[Stats], None] | None = None) -> None:
    """Run a live stream without a window, until it ends or for some seconds; report statistics every second."""
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
