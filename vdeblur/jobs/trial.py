"""How long a job will take and how large its output will be: from restoring a moment of it, as the job would."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ..frames import Frame, StreamInfo
from ..media.paths import is_image_input, is_image_output, output_of
from .job import Job
from .whole import restore_whole

ENOUGH_SECONDS = 3.0
"""A trial ends after this much work..."""
LEAST_FRAMES = 6
"""... but not before so many frames: the first ones also prepare the network and fill the queues."""
WARM_UP_FRAMES = 2


@dataclass(frozen=True, slots=True)
class Trial:
    """What a moment's work came to."""

    start_seconds: float
    """From nothing to the first frame: libraries, weights, opening."""
    pixels_per_second: float
    """Decoding, restoring and encoding together."""


class _Enough(Exception):
    """Ends the trial, which leaves nothing behind."""


def try_out(job: Job) -> Trial | None:
    """Restore the first frames of a job into a temporary file. None for an input too short to tell by.

    Raises what `restore_whole` raises.
    """
    begin = time.perf_counter()
    done: list[float] = []
    area = 0

    def on_frame(info: StreamInfo, _: Frame) -> None:
        nonlocal area
        area = info.width * info.height
        done.append(time.perf_counter())
        if len(done) >= LEAST_FRAMES and done[-1] - done[0] > ENOUGH_SECONDS:
            raise _Enough

    with TemporaryDirectory(prefix="vdeblur-") as folder:
        images = is_image_output(output_of(job.input, job.output), is_image_input(job.input))
        output = str(Path(folder) / "trial") + (os.sep if images else ".mkv")
        with suppress(_Enough):
            restore_whole(replace(job, output=output, sink=replace(job.sink, container=None)), on_frame)
    end = time.perf_counter()  # with what waits in the queues and in the encoder
    if len(done) <= WARM_UP_FRAMES:
        return None
    frames, seconds = len(done) - WARM_UP_FRAMES, end - done[WARM_UP_FRAMES - 1]
    return Trial(done[0] - begin, frames * area / max(seconds, 1e-9))
