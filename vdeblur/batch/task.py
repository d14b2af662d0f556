"""One file of a batch on its way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..frames import StreamInfo
from ..jobs.job import Job
from .collect import Item

Status = Literal["waiting", "running", "done", "damaged", "passed", "failed", "skipped", "foreign"]


@dataclass(slots=True)
class Task:
    """One file on its way."""

    item: Item
    job: Job
    status: Status = "waiting"
    info: StreamInfo | None = None
    frames: int = 0
    """Known from the header, then from the packets."""
    done_frames: int = 0
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)
    """Segments that are still to do."""
    input_sha256: str = ""
    running: dict[int, int] = field(default_factory=dict)
    """Frames done so far of units that run."""
    started: float | None = None
    result: dict[str, Any] = field(default_factory=dict)
    thumbnails: tuple[str, str] | None = None

    @property
    def is_over(self) -> bool:
        """Nothing more will be done for it."""
        return self.status not in ("waiting", "running")

    @property
    def frames_so_far(self) -> int:
        """Done, those of running units included."""
        return self.done_frames + sum(self.running.values())

    @property
    def failed(self) -> bool:
        """It counts for exit code 7."""
        return self.status in ("failed", "passed")


def pixels(task: Task) -> int:
    """How much there is to do for a task."""
    return task.frames * task.info.width * task.info.height if task.info else 0
