"""Progress of a job: a bar for people, JSON lines for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from .frames import Frame, StreamInfo

if TYPE_CHECKING:
    from rich.progress import TaskID

UPDATE_SECONDS = 0.5


class Progress(Protocol):
    """Is updated with each frame within a `with` block."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def update(self, info: StreamInfo, frame: Frame) -> None:
        """Count a restored frame."""
        ...


class Meter:
    """Counts frames, and computes rate and share done, from time stamps if the duration is known.

    Frame counts in headers are often missing or wrong, and misleading for variable frame rates.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.share: float | None = None
        """0..1, or None if the length is unknown."""
        self._first_seconds = 0.0
        self._start = time.perf_counter()

    def update(self, info: StreamInfo, frame: Frame) -> None:
        """Count a frame."""
        if self.frames == 0:
            self._first_seconds = frame.seconds
        self.frames += 1
        if info.duration_seconds:
            self.share = min(max((frame.seconds - self._first_seconds) / info.duration_seconds, 0.0), 1.0)
        elif info.frames:
            self.share = min(self.frames / info.frames, 1.0)

    @property
    def seconds(self) -> float:
        """Wall clock since the start."""
        return time.perf_counter() - self._start

    @property
    def fps(self) -> float:
        """Frames per second of wall clock."""
        return self.frames / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the speed so far; None if unknown."""
        return self.seconds * (1 - self.share) / self.share if self.share else None


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, info: StreamInfo, frame: Frame) -> None:
        """Do nothing."""


class JsonLines:
    """A JSON object per line: frames, seconds, fps, position_seconds, share (0..1 or null), seconds_left (or null)."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._meter = Meter()
        self._position: float | None = None
        self._due = 0.0

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._meter.frames:
            self._meter.share = 1.0
            self._line()

    def update(self, info: StreamInfo, frame: Frame) -> None:
        """Count a frame, and write a line when one is due."""
        self._meter.update(info, frame)
        self._position = frame.seconds
        if time.perf_counter() >= self._due:
            self._due = time.perf_counter() + UPDATE_SECONDS
            self._line()

    def _line(self) -> None:
        meter = self._meter
        left = meter.seconds_left
        line = {
            "frames": meter.frames,
            "seconds": round(meter.seconds, 3),
            "fps": round(meter.fps, 3),
            "position_seconds": self._position,
            "share": None if meter.share is None else round(meter.share, 4),
            "seconds_left": None if left is None else round(left, 1),
        }
        self._write(json.dumps(line))


class Bar:
    """A bar on the terminal at stderr, with frames, rate and time left."""

    def __init__(self, *, force: bool = False) -> None:
        """`force` draws even if stderr is not a terminal."""
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._meter = Meter()
        self._task: TaskID | None = None
        self._bar = RichProgress(
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}% {task.fields[text]}"),
            console=Console(stderr=True, force_terminal=force or None),
            transient=True,
        )

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def update(self, info: StreamInfo, frame: Frame) -> None:
        """Count a frame and move the bar."""
        self._meter.update(info, frame)
        meter = self._meter
        left = "" if meter.seconds_left is None else f", {clock(meter.seconds_left)} left"
        text = f"{meter.frames} frames, {meter.fps:.1f} fps{left}"
        if self._task is None:
            self._task = self._bar.add_task("", total=1.0, text=text)
        self._bar.update(self._task, total=1.0 if meter.share is not None else None, completed=meter.share, text=text)


def size_text(count: int) -> str:
    """640 kB, 12.5 MB or 3.2 GB, in powers of 1000; 0 kB only of nothing."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{max(round(count / 1e3), min(count, 1))} kB"


def clock(seconds: float) -> str:
    """0:42, 12:05 or 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
