"""Chooses the step of a live stream's ladder that keeps it in real time. Pure control logic, without frames or threads.

Step 0 is the wanted quality, and each further step costs less. `Pace` observes every frame and goes down only when
frames are repeatedly missed or late, however long the work takes. It goes up when the next better step should keep up,
and occasionally, less and less often, when that is merely possible: the cost of a step is an estimate until it has been
tried, and small frames cost more than in proportion to their pixels.
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
"""Frames in the median work of a step."""
SETTLING = 2
"""First frames of a step, which do not count: in them memory is allocated and kernels are chosen."""
JUDGED, BAD = 60, 3
"""A step is left when BAD of the last JUDGED frames were missed or late: one in twenty."""
INNOCENT = 0.25
"""Frames missed while the work took less than this share of the interval do not count: they came in a burst."""
GRACE = 1.0
"""Seconds before a step can be left, to allow for a slow start."""
FULL, ROOMY, POSSIBLE = 0.92, 0.75, 2.0
"""Limits of the estimated work as a share of the available time: for a lower step to be chosen, for a better one to be
tried soon, and for it to be tried at all."""
PATIENCE, LONGEST_PATIENCE = 3.0, 60.0
"""Seconds for which a better step must look feasible before it is tried; doubled each time it could not be kept."""
DOUBT = 5.0
"""Factor on the patience for a step that is merely possible."""
PROBATION = 60.0
"""Seconds after which a better step counts as kept."""
SURPRISE = 1.25
"""Measured work is limited to this multiple of its estimate: anything above has another cause."""


@dataclass(frozen=True, slots=True)
class LadderStep:
    """One step of the ladder: model, working size and frame skipping."""

    model: str
    scale: Fraction = Fraction(1)
    """Working size over frame size; below 1 the residual is enlarged."""
    every: int = 1
    """Restore one frame in this many, and drop the others."""

    def __str__(self) -> str:
        """As in the overlay: `fast at 1/2 size, every 2nd frame`."""
        size = f" at {self.scale} size" if self.scale != 1 else ""
        return f"{self.model}{size}" + (", every 2nd frame" if self.every == 2 else "")


class Pace:
    """Chooses the step of a ladder, with hysteresis. All times are in seconds of one monotonic clock."""

    def __init__(self, costs: Sequence[float], every: Sequence[int] | None = None, max_latency: float = 0.2) -> None:
        """`costs` estimates the work per frame of each step, in any unit; `every` is LadderStep.every of each."""
        self._every = list(every or [1] * len(costs))
        self._max_latency = max_latency
        self._estimated = [better / worse for better, worse in pairwise(costs)]
        self._ratios = list(self._estimated)  # work of a step over that of the next lower one, as far as known
        self._patience = [PATIENCE] * len(costs)
        self._work_below: float | None = None  # of the step below, if this one was reached by going up
        self._begin_step(0)

    def _begin_step(self, step: int) -> None:
        self.index = step
        """The current step."""
        self._work: deque[float] = deque(maxlen=RECENT)
        self._bad: deque[bool] = deque(maxlen=JUDGED)
        self._seen = 0
        self._began = inf  # time at which the step had settled
        self._roomy_since = self._possible_since = inf

    def observe(self, work: float, interval: float, latency: float, missed: int, now: float) -> bool:
        """Observe one restored frame; True if the step changes.

        `work` is the time to restore it, `interval` that between two captured frames, `latency` that from capture to
        result; `missed` counts the frames before this one that should have been restored and were not.
        """
        self._seen += 1
        if self._seen <= SETTLING:
            return False
        self._began = min(self._began, now)
        meanwhile = self._work[-1] if self._work else work  # work of the previous frame, during which this one waited
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
        if self._work_below is not None:  # back to the step that kept up before, whatever its estimate
            self._update_ratio()
            self._patience[self.index] = min(2 * self._patience[self.index], LONGEST_PATIENCE)
            self._work_below = None
            self._begin_step(self.index + 1)
            return True
        below = range(self.index + 1, last + 1)
        self._begin_step(next((step for step in below if self._share(step, interval) <= FULL), last))
        return True

    def _go_up(self, interval: float, now: float) -> bool:
        if self._work_below is not None and now - self._began >= PROBATION:
            self._update_ratio()
            self._patience[self.index] = PATIENCE
            self._work_below = None
        better = self.index - 1
        if better < 0 or len(self._work) < RECENT:
            return False
        share, patience = self._share(better, interval), self._patience[better]
        is_calm = sum(self._bad) <= 1
        self._roomy_since = _since(self._roomy_since, now, is_calm and share <= ROOMY)
        self._possible_since = _since(self._possible_since, now, is_calm and share <= POSSIBLE)
        if now - self._roomy_since < patience and now - self._possible_since < DOUBT * patience:
            return False
        self._work_below = median(self._work)
        self._begin_step(better)
        return True

    def _share(self, step: int, interval: float) -> float:
        """Estimated work of a step as a share of the time available per frame."""
        low, high = sorted((step, self.index))
        factor = prod(self._ratios[low:high])
        work = median(self._work) * (factor if step < self.index else 1 / factor)
        return work / min(interval * self._every[step], self._max_latency)

    def _update_ratio(self) -> None:
        """Replace the estimated ratio of this step to the one below by the measured one."""
        assert self._work_below is not None
        measured = median(self._work) / max(self._work_below, 1e-9)
        self._ratios[self.index] = min(measured, SURPRISE * self._estimated[self.index])


def _since(before: float, now: float, holds: bool) -> float:
    """Time since which a condition holds; infinity if it does not."""
    return min(before, now) if holds else inf
