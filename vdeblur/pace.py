"""The ladder of a live stream: which step keeps it in time. Pure control; it knows neither pictures nor threads.

Step 0 is the wanted quality and every further step costs less. `Pace` is told what each frame took, goes down as soon
as the present step does not keep up, and goes up again when the next better one can be expected to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

RECENT = 9
"""Frames whose median speaks for a step."""
SETTLING = 2
"""First frames of a step that do not count: memory is laid out and kernels are chosen in them."""
FULL, ROOMY = 0.92, 0.7
"""Share of the time per frame over which a step is too slow, and under which a better one must be expected to lie."""
PATIENCE, LONGEST_PATIENCE = 3.0, 60.0
"""Seconds that a better step must look possible before it is tried; doubled whenever trying it has failed."""
PROBATION = 10.0
"""A better step that is left again within these seconds has failed."""


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
        """`costs` estimates each step's work per frame relative to the others, falling; `every` is Step.every."""
        self._costs = list(costs)
        self._every = list(every or [1] * len(costs))
        self._max_latency = max_latency
        self._patience = [PATIENCE] * len(costs)
        self.index = 0
        """The present step."""
        self._work: deque[float] = deque(maxlen=RECENT)
        self._latency: deque[float] = deque(maxlen=RECENT)
        self._seen = 0
        self._roomy_since: float | None = None
        self._went_up_at: float | None = None

    def observe(self, work: float, interval: float, latency: float, now: float) -> bool:
        """Take note of one frame; True when the step changes with it.

        `work` is what restoring took, `interval` lies between two frames of the camera, `latency` from capture to
        result.
        """
        self._seen += 1
        if self._seen <= SETTLING:
            return False
        self._work.append(work)
        self._latency.append(latency)
        typical = median(self._work)
        if len(self._work) > RECENT // 2 and not self._keeps_up(self.index, typical, interval):
            return self._go_down(typical, interval, now)
        return self._may_go_up(typical, interval, now)

    def _keeps_up(self, step: int, work: float, interval: float) -> bool:
        if step == self.index and median(self._latency) > self._max_latency:
            return False
        return work <= FULL * interval * self._every[step] and work <= self._max_latency

    def _go_down(self, work: float, interval: float, now: float) -> bool:
        below = range(self.index + 1, len(self._costs))
        if not below:
            return False
        fitting = (step for step in below if self._expected(step, work) <= FULL * interval * self._every[step])
        if self._went_up_at is not None and now - self._went_up_at < PROBATION:
            self._patience[self.index] = min(2 * self._patience[self.index], LONGEST_PATIENCE)
        self._went_up_at = None
        self._change(next(fitting, below[-1]))
        return True

    def _may_go_up(self, work: float, interval: float, now: float) -> bool:
        if self._went_up_at is not None and now - self._went_up_at >= PROBATION:
            self._patience[self.index] = PATIENCE
            self._went_up_at = None
        better = self.index - 1
        if better < 0 or len(self._work) < RECENT:
            return False
        expected = self._expected(better, work)
        if expected > ROOMY * min(interval * self._every[better], self._max_latency):
            self._roomy_since = None
            return False
        if self._roomy_since is None:
            self._roomy_since = now
        if now - self._roomy_since < self._patience[better]:
            return False
        self._went_up_at = now
        self._change(better)
        return True

    def _expected(self, step: int, work: float) -> float:
        return work * self._costs[step] / self._costs[self.index]

    def _change(self, step: int) -> None:
        self.index = step
        self._work.clear()
        self._latency.clear()
        self._seen = 0
        self._roomy_since = None
