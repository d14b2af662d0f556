"""How long a batch will take: from what the journal says of this model's speed, or from a moment's trial."""

from __future__ import annotations

from itertools import islice

from ..jobs.job import Job
from ..loading import load_restorer
from ..media.sources import open_source
from ..pipeline import restored
from ..restorers.timed import Timed
from .scheduler import Batch, pixels

TRIAL_FRAMES = 4


def seconds_for(batch: Batch, settings: Job, jobs: int) -> float | None:
    """Estimated wall clock for all that waits, with `jobs` workers on as many shares of the machine; None: nothing."""
    todo = batch.waiting
    if not todo:
        return None
    speed = batch.past_speed() or trial_speed(settings, todo[0].item.input)
    return sum(pixels(task) for task in todo) / speed / jobs if speed else None


def trial_speed(settings: Job, path: str) -> float | None:
    """Pixels a second of the model on the first frames of a file; coding and decoding come beside it."""
    restorer = Timed(load_restorer(settings.model))
    with open_source(path, settings.source) as source:
        frames = list(islice(source, TRIAL_FRAMES))
    sizes = [result.before.size for result in restored(frames, restorer)]
    seconds = sum(restorer.seconds[1:])  # the first one warms up
    return sum(width * height for width, height in sizes[1:]) / seconds if seconds else None
