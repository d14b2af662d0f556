"""Progress of a batch: two bars (all files, the current ones) for people, JSON lines for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..progress import UPDATE_SECONDS, clock
from .scheduler import BatchRun
from .task import Task, pixels


class BatchProgress(Protocol):
    """Shows the state of a batch, which it is told regularly within a `with` block."""

    def __enter__(self) -> BatchProgress: ...

    def __exit__(self, *_: object) -> None: ...

    def update(self, batch: BatchRun) -> None:
        """Show the current state."""
        ...


class TimeLeft:
    """Share done, in pixels, and the time left at the speed of this run."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._first: float | None = None

    def __call__(self, batch: BatchRun) -> tuple[float, float | None]:
        """(share 0..1, seconds left or None)."""
        whole = sum(pixels(task) for task in batch.tasks if task.status not in ("skipped", "foreign", "failed"))
        done = sum(pixels(task) * share_of(task) for task in batch.tasks if task.status not in ("skipped", "failed"))
        share = min(done / whole, 1.0) if whole else 1.0
        self._first = share if self._first is None else self._first
        gained = share - self._first
        seconds = time.perf_counter() - self._start
        return share, seconds * (1 - share) / gained if gained > 0 else None


def share_of(task: Task) -> float:
    """Share of a file that is done, 0..1."""
    if task.is_over:
        return 1.0
    return min(task.frames_so_far / task.frames, 1.0) if task.frames else 0.0


class NoBatchProgress:
    """Shows nothing."""

    def __enter__(self) -> NoBatchProgress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, batch: BatchRun) -> None:
        """Show nothing."""


class BatchLines:
    """One JSON object per line: files, files_over, failures, frames, share (0..1), seconds_left (or null), current."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._pace = TimeLeft()
        self._due = 0.0
        self._batch: BatchRun | None = None

    def __enter__(self) -> BatchLines:
        return self

    def __exit__(self, *_: object) -> None:
        if self._batch is not None:
            self._line(self._batch)

    def update(self, batch: BatchRun) -> None:
        """Write a line when one is due."""
        self._batch = batch
        if time.perf_counter() >= self._due:
            self._due = time.perf_counter() + UPDATE_SECONDS
            self._line(batch)

    def _line(self, batch: BatchRun) -> None:
        share, left = self._pace(batch)
        line = {
            "files": len(batch.tasks),
            "files_over": sum(task.is_over for task in batch.tasks),
            "failures": batch.failures,
            "frames": sum(task.frames_so_far for task in batch.tasks if task.status != "skipped"),
            "share": round(share, 4),
            "seconds_left": None if left is None else round(left, 1),
            "current": [
                {"input": task.item.input, "share": round(share_of(task), 4)}
                for task in batch.tasks
                if task.status == "running"
            ],
        }
        self._write(json.dumps(line))


class BatchBars:
    """Two bars on the terminal at stderr: all files, and the file started first."""

    def __init__(self, *, force: bool = False) -> None:
        """`force` draws even if stderr is not a terminal."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._bars = Progress(
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}% {task.fields[text]}", markup=False),
            console=Console(stderr=True, force_terminal=force or None),
            transient=True,
        )
        self._all = self._bars.add_task("", total=1.0, text="")
        self._current = self._bars.add_task("", total=1.0, text="")
        self._pace = TimeLeft()
        self._due = 0.0

    def __enter__(self) -> BatchBars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def update(self, batch: BatchRun) -> None:
        """Update the bars, at most every UPDATE_SECONDS since it iterates over all files."""
        if time.perf_counter() < self._due:
            return
        self._due = time.perf_counter() + UPDATE_SECONDS
        share, left = self._pace(batch)
        over = sum(task.is_over for task in batch.tasks)
        failed = f", {batch.failures} failed" if batch.failures else ""
        remaining = "" if left is None else f", {clock(left)} left"
        self._bars.update(self._all, completed=share, text=f"{over}/{len(batch.tasks)} files{failed}{remaining}")
        running = [task for task in batch.tasks if task.status == "running"]
        if running:
            first = min(running, key=lambda task: task.started or 0.0)
            more = f" and {len(running) - 1} more" if len(running) > 1 else ""
            text = f"{Path(first.item.input).name}, {first.frames_so_far}/{first.frames} frames{more}"
            self._bars.update(self._current, completed=share_of(first), text=text)
