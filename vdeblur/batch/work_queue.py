"""The queue of a batch: units by priority, and failed ones that are to be tried again later."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field, replace
from itertools import count

from .task import Task
from .units import Unit


@dataclass(frozen=True, slots=True, order=True)
class Work:
    """A unit of a task; the lowest in order is run first."""

    stage: int
    """0 for joining, which frees disk space, 1 for all other units."""
    rank: int
    """Of the task; the longest file has rank 0."""
    number: int
    task: Task = field(compare=False)
    unit: Unit = field(compare=False)
    tries: int = field(default=0, compare=False)
    """Failed attempts so far."""


class WorkQueue:
    """Waiting work. Not thread-safe."""

    def __init__(self) -> None:
        self._ready: list[Work] = []
        self._later: list[tuple[float, Work]] = []
        self._number = count()

    def __bool__(self) -> bool:
        return bool(self._ready or self._later)

    def add(self, task: Task, unit: Unit, rank: int, *, stage: int = 1) -> None:
        """Add a new unit."""
        heapq.heappush(self._ready, Work(stage, rank, next(self._number), task, unit))

    def add_again(self, work: Work, seconds: float = 0.0) -> None:
        """Add failed work, to be taken again after `seconds`."""
        work = replace(work, number=next(self._number))
        heapq.heappush(self._later, (time.monotonic() + seconds, work))

    def take(self) -> Work | None:
        """Remove and return the next unit; None if none is due."""
        while self._later and self._later[0][0] <= time.monotonic():
            heapq.heappush(self._ready, heapq.heappop(self._later)[1])
        return heapq.heappop(self._ready) if self._ready else None
