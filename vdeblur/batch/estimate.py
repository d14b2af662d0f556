"""How long a batch will take: from what the journal says of this model's speed, or from a moment's trial."""

from __future__ import annotations

import time
from itertools import islice

from ..jobs.job import Job, load_for
from ..media.sources import open_source
from ..restorer import State
from ..windows import windows
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
    restorer = load_for(settings)
    with open_source(path, settings.source) as source:
        frames = list(islice(source, TRIAL_FRAMES))
    state: State = None
    done, seconds = 0, 0.0
    for number, window in enumerate(windows(frames, restorer.past, restorer.future)):
        start = time.perf_counter()
        _, state = restorer.restore(window, state)
        if number:  # the first one warms up
            seconds += time.perf_counter() - start
            done += window.centre.size[0] * window.centre.size[1]
    return done / seconds if seconds else None
