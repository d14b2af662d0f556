"""How long a batch will take: from what the journal says of this model's speed, or from a moment's trial."""

from __future__ import annotations

from ..jobs.trial import try_out
from .scheduler import Batch
from .task import pixels
from .workers import devices_for


def seconds_for(batch: Batch, jobs: int) -> float | None:
    """Estimated wall clock for all that waits, with `jobs` workers; None where nothing does, or nothing can be told.

    Raises what `restore_whole` raises, where a trial has to be made.
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
    # The trial had the whole machine: workers on one processor share that speed, each GPU adds its own.
    shares = len(set(devices_for(todo[0].job.model.device, jobs)))
    return trial.start_seconds + work / trial.pixels_per_second / shares
