"""Estimates how long a job will take by restoring its first frames."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ..frames import Frame, StreamInfo
from ..media.paths import is_image_input, is_image_output, output_of
from ..media.sources import open_source
from .job import Job
from .whole import restore_whole

ENOUGH_SECONDS = 3.0
"""A trial ends after this time,"""
LEAST_FRAMES = 6
"""but not before this number of frames, since the first ones also warm up the network and fill the queues."""
WARM_UP_FRAMES = 2


class FrameClock:
    """Measures the speed of a job as its `OnFrame` callback; the first frames do not count."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self.times: list[float] = []
        self.info: StreamInfo | None = None

    def __call__(self, info: StreamInfo, _: Frame) -> None:
        """Record a frame."""
        self.info = info
        self.times.append(time.perf_counter())

    @property
    def start_seconds(self) -> float:
        """Time to the first frame: loading libraries and weights, opening files."""
        return self.times[0] - self._start if self.times else 0.0

    def fps(self) -> float | None:
        """Frames per second so far, counting those still queued or in the encoder; None for too few frames."""
        counted = len(self.times) - WARM_UP_FRAMES
        if counted < 1:
            return None
        return counted / max(time.perf_counter() - self.times[WARM_UP_FRAMES - 1], 1e-9)


@dataclass(frozen=True, slots=True)
class Trial:
    """Speed measured in a trial."""

    start_seconds: float
    pixels_per_second: float
    """Decoding, restoring and encoding together."""


class _Enough(Exception):
    """Ends the trial."""


def try_out(job: Job) -> Trial | None:
    """Restore the first frames of a job into a temporary file. None for an input that is too short.

    Raises what `restore_whole` raises.
    """
    clock = FrameClock()

    def on_frame(info: StreamInfo, frame: Frame) -> None:
        clock(info, frame)
        if len(clock.times) >= LEAST_FRAMES and clock.times[-1] - clock.times[0] > ENOUGH_SECONDS:
            raise _Enough

    with TemporaryDirectory(prefix="vdeblur-") as folder, suppress(_Enough):
        images = is_image_output(output_of(job.input, job.output), is_image_input(job.input))
        output = str(Path(folder) / "trial") + (os.sep if images else ".mkv")
        restore_whole(replace(job, output=output, sink=replace(job.sink, container=None)), on_frame)
    fps = clock.fps()
    if fps is None or clock.info is None:
        return None
    return Trial(clock.start_seconds, fps * clock.info.width * clock.info.height)


def estimate(job: Job) -> float | None:
    """Estimated seconds of a job; None if its length is unknown. Raises what `restore_whole` raises."""
    with open_source(job.input, job.source) as source:
        info = source.info
    trial = try_out(job)
    if trial is None or not info.frames:
        return None
    return trial.start_seconds + info.frames * info.width * info.height / trial.pixels_per_second
