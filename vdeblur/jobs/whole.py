"""Restores one input in one piece."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from ..errors import InputError
from ..frames import StreamInfo
from ..loading import load_restorer
from ..media.paths import output_of
from ..media.sinks import open_sink
from ..media.sources import open_source
from ..pipeline import restore_stream
from ..restorer import Restorer
from ..restorers.blend import side_by_side_info
from ..scenes import SceneCuts
from ..threads import prefetch, write_behind
from .job import Job, OnFrame, Summary
from .wrapped import Observed, with_fallback, with_settings


def restore_whole(
    job: Job,
    on_frame: OnFrame | None = None,
    around: Callable[[Restorer, StreamInfo], Restorer] | None = None,
) -> Summary:
    """Restore one file, pattern or pipe in one piece. The output appears under its name only when it is complete.

    `around` may wrap the restorer, outside of what the settings of the job add. Raises what `open_source`, `open_sink`
    and `load_restorer` raise; after any exception, also from `on_frame`, neither threads nor an output remain.
    """
    output = output_of(job.input, job.output)
    with ExitStack() as stack:
        file = open_source(job.input, job.source)
        source = stack.enter_context(prefetch(file))
        info = side_by_side_info(file.info) if job.compare == "side" else file.info
        sink = stack.enter_context(write_behind(open_sink(output, file, job.sink, info)))

        retreats: list[str] = []
        loaded = load_restorer(job.model, on_retreat=retreats.append)
        fallback = with_fallback(loaded, retreats.append)
        restorer = with_settings(job, fallback, info)
        if around is not None:
            restorer = around(restorer, info)
        if on_frame is not None:
            restorer = Observed(restorer, info, on_frame)

        start = time.perf_counter()
        tally = restore_stream(source, restorer, sink, SceneCuts() if job.scene_cuts else None)
        if not tally.frames:
            raise no_frames(job)
    return Summary(
        frames=tally.frames,
        seconds=time.perf_counter() - start,
        model=restorer.name,
        device=loaded.device,
        precision=loaded.precision,
        fallbacks=fallback.fallbacks,
        scene_cuts=max(tally.scenes - 1, 0),
        concealed=source.concealed,
        damaged=source.damaged,
        output=output,
        warnings=(*source.warnings, *sink.warnings),
        retreats=tuple(retreats),
    )


def no_frames(job: Job) -> InputError:
    """The error for an input, or a part of it, without frames."""
    start, end = job.source.start_seconds, job.source.end_seconds
    if start is None and end is None:
        return InputError(f"{job.input}: no frame in it")
    part = f"between {start or 0:g} s and " + ("its end" if end is None else f"{end:g} s")
    length = ""
    if job.input != "-":
        whole = replace(job.source, start_seconds=None, end_seconds=None)
        with open_source(job.input, whole) as source:
            length = f"; it is {source.info.duration_seconds:.2f} s long" if source.info.duration_seconds else ""
    return InputError(f"{job.input}: no frame {part}{length}", settings=("start_seconds", "end_seconds"))
