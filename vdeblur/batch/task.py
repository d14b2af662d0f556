"""One file of a batch and its state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..frames import StreamInfo
from ..jobs.job import Job
from .collect import Item
from .journal import FileFigures

TaskStatus = Literal["waiting", "running", "done", "damaged", "passed", "failed", "skipped", "foreign"]


@dataclass(slots=True)
class Task:
    """One file and its state."""

    item: Item
    job: Job
    status: TaskStatus = "waiting"
    info: StreamInfo | None = None
    frames: int = 0
    """First from the header, later counted from the packets."""
    done_frames: int = 0
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)
    """Segments still to be restored."""
    input_sha256: str = ""
    running: dict[int, int] = field(default_factory=dict)
    """Frames done so far by each running unit, by index of the segment."""
    started: float | None = None
    result: FileFigures = field(default_factory=FileFigures)
    thumbnails: tuple[str, str] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be done for it."""
        return self.status not in ("waiting", "running")

    @property
    def frames_so_far(self) -> int:
        """Frames done, including those of running units."""
        return self.done_frames + sum(self.running.values())

    @property
    def failed(self) -> bool:
        """Whether it counts as a failure in the exit code."""
        return self.status in ("failed", "passed")


def pixels(task: Task) -> int:
    """Size of a task: frames times pixels per frame; 0 if it could not be opened."""
    return task.frames * task.info.width * task.info.height if task.info else 0
