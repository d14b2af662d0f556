"""The ladder of a live stream: which step keeps it in time. Pure control; it knows neither pictures nor threads.

Step 0 is the wanted quality and every further step costs less. `Pace` is told of each frame and goes down when frames
are missed or late again and again: nothing else is a reason, however long the work takes. It goes up when the next
better step can be expected to keep up, and now and then, ever more rarely, when that is merely possible: what a step
costs is only estimated until it has been tried, and small pictures cost more than their share of the pixels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import inf, prod
from statistics import median

RECENT = 9
"""Frames whose median work speaks for a step."""
SETTLING = 2
"""First frames of a step that do not count: memory is laid out and kernels are chosen in them."""
JUDGED, BAD = 60, 3
"""A step is left when so many of the last so many frames were bad: one in twenty."""
INNOCENT = 0.25
"""Work below this share of the time there is makes nothing be missed: the frames came in a burst."""
GRACE = 1.0
"""Seconds that a step has at least, so that a slow start passes."""
FULL, ROOMY, POSSIBLE = 0.92, 0.75, 2.0
"""Estimated work over the time there is: what a lower step may need to be chosen, a better one to be tried soon, and
to be tried at all."""
PATIENCE, LONGEST_PATIENCE = 3.0, 60.0
"""Seconds that a better step must look good before it is tried; doubled whenever it could not be kept."""
DOUBT = 5.0
"""So many times the patience before a step is tried that is merely possible."""
PROBATION = 60.0
"""A better step that has held for so many seconds has proved itself."""
SURPRISE = 1.25
"""Measured work is believed up to so many times its estimate: what is above comes from something else."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of the ladder."""

    model: str
    scale: Fraction = Fraction(1)
    """Working size over the picture's size; below 1 the residual is enlarged."""
    every: int = 1
    """Restore one frame in this many, and leave out the others."""

    def __str__(self) -> str:
        """As the overlay says it: `fast at 1/2 size, every 2nd frame`."""
        size = f" at {self.scale} size" if self.scale != 1 else ""
        return f"{self.model}{size}" + (", every 2nd frame" if self.every == 2 else "")


class Pace:
    """Chooses the step of a ladder with hysteresis. All times are in seconds of one monotonic clock."""

    def __init__(self, costs: Sequence[float], every: Sequence[int] | None = None, max_latency: float = 0.2) -> None:
        """`costs` estimates each step's work per frame relative to the others; `every` is Step.every."""
        self._every = list(every or [1] * len(costs))
        self._max_latency = max_latency
        self._estimated = [better / worse for better, worse in pairwise(costs)]
        self._ratios = list(self._estimated)  # work of a step over that of the next lower one, as far as is known
        self._patience = [PATIENCE] * len(costs)
        self._work_below: float | None = None  # at the step from which this one was reached, when it was by going up
        self._begin_step(0)

    def _begin_step(self, step: int) -> None:
        self.index = step
        """The present step."""
        self._work: deque[float] = deque(maxlen=RECENT)
        self._bad: deque[bool] = deque(maxlen=JUDGED)
        self._seen = 0
        self._began = inf  # when it had settled
        self._roomy_since = self._possible_since = inf

    def observe(self, work: float, interval: float, latency: float, missed: int, now: float) -> bool:
        """Take note of one frame; True when the step changes with it.

        `work` is what restoring took, `interval` lies between two frames of the camera, `latency` from capture to
        result; `missed` counts the frames before this one that should have been restored and were not.
        """
        self._seen += 1
        if self._seen <= SETTLING:
            return False
        self._began = min(self._began, now)
        meanwhile = self._work[-1] if self._work else work  # what the frame before took, while this one was awaited
        self._work.append(work)
        is_to_blame = max(work, meanwhile) > INNOCENT * interval * self._every[self.index]
        self._bad.append((missed > 0 and is_to_blame) or latency > self._max_latency)
        if self._bad[-1] and sum(self._bad) >= BAD and now - self._began >= GRACE:
            return self._go_down(interval)
        return self._go_up(interval, now)

    def _go_down(self, interval: float) -> bool:
        last = len(self._every) - 1
        if self.index == last:
            return False
        if self._work_below is not None:  # back to the step that kept up a moment ago, whatever is expected of it
            self._learn()
            self._patience[self.index] = min(2 * self._patience[self.index], LONGEST_PATIENCE)
            self._work_below = None
            self._begin_step(self.index + 1)
            return True
        below = range(self.index + 1, last + 1)
        self._begin_step(next((step for step in below if self._share(step, interval) <= FULL), last))
        return True

    def _go_up(self, interval: float, now: float) -> bool:
        if self._work_below is not None and now - self._began >= PROBATION:
            self._learn()
            self._patience[self.index] = PATIENCE
            self._work_below = None
        better = self.index - 1
        if better < 0 or len(self._work) < RECENT:
            return False
        share, patience = self._share(better, interval), self._patience[better]
        is_calm = sum(self._bad) <= 1
        self._roomy_since = _lasting(self._roomy_since, now, is_calm and share <= ROOMY)
        self._possible_since = _lasting(self._possible_since, now, is_calm and share <= POSSIBLE)
        if now - self._roomy_since < patience and now - self._possible_since < DOUBT * patience:
            return False
        self._work_below = median(self._work)
        self._begin_step(better)
        return True

    def _share(self, step: int, interval: float) -> float:
        """Work that is expected of a step over the time that it has for a frame."""
        low, high = sorted((step, self.index))
        factor = prod(self._ratios[low:high])
        work = median(self._work) * (factor if step < self.index else 1 / factor)
        return work / min(interval * self._every[step], self._max_latency)

    def _learn(self) -> None:
        """Set right what this step, which was reached from below, needs in comparison."""
        assert self._work_below is not None
        measured = median(self._work) / max(self._work_below, 1e-9)
        self._ratios[self.index] = min(measured, SURPRISE * self._estimated[self.index])


def _lasting(before: float, now: float, holds: bool) -> float:
    """Since when something holds; infinity while it does not."""
    return min(before, now) if holds else inf
