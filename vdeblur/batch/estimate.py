"""Estimates how long a batch will take, from the speed recorded in the journal or from a short trial."""

from __future__ import annotations

from ..jobs.trial import try_out
from .scheduler import BatchRun
from .task import pixels
from .workers import devices_for


def estimate_seconds(batch: BatchRun, jobs: int) -> float | None:
    """Estimated wall clock seconds for all waiting tasks with `jobs` workers; None if there are none or it is unknown.

    Raises what `restore_whole` raises, if a trial is needed.
    """
    todo = batch.waiting
    if not todo:
        return None
    work = sum(pixels(task) for task in todo)
    if speed := batch.past_speed():
        return work / speed / jobs
    trial = try_out(todo[0].job)
    if trial is None:
        return None
    # The trial had the whole machine to itself: workers on the CPU share that speed, each GPU adds its own.
    shares = len(set(devices_for(todo[0].job.model.device, jobs)))
    return trial.start_seconds + work / trial.pixels_per_second / shares
