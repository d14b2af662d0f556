"""One video on the server: what was sent, what was asked for, and how far it is."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Literal
from urllib.parse import unquote

from ..errors import VdeblurError
from ..progress import Meter
from .choices import Settings

Status = Literal["uploading", "waiting", "restoring", "done", "failed"]

MAX_NAME = 100
"""Characters of a name that are kept."""


@dataclass(frozen=True, slots=True)
class Video:
    """What an upload is, as the page shows it."""

    width: int
    """As shown: turned upright, with square pixels."""
    height: int
    seconds: float | None
    fps: float | None


@dataclass
class ServedJob:
    """One video: its files lie in `folder` under names of our own."""

    id: str
    folder: Path
    name: str
    """What the user's file is called: shown, and never a path."""
    settings: Settings
    status: Status = "uploading"
    error: str = ""
    warnings: tuple[str, ...] = ()
    video: Video | None = None
    """None until it has been looked at."""
    poster: float | None = None
    """The time of the frame that is shown before and after in advance, in seconds; None where there is none yet."""
    poster_error: str = ""
    """Why there is no such frame."""
    frames: int = 0
    """Of the output."""
    seconds: float = 0.0
    """That restoring took."""
    finished_at: float | None = None
    """Seconds since the epoch."""
    meter: Meter = field(default_factory=Meter)
    cancelled: Event = field(default_factory=Event)

    @property
    def input(self) -> Path:
        """Without suffix: FFmpeg looks at what it holds."""
        return self.folder / "input"

    @property
    def output(self) -> Path:
        """The restored video."""
        return self.folder / "output.mp4"

    @property
    def is_finished(self) -> bool:
        """Done, or failed."""
        return self.status in ("done", "failed")

    def to_json(self) -> dict[str, Any]:
        """What the page is told."""
        running = self.status == "restoring"
        left = self.meter.seconds_left if running else None
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "error": self.error,
            "warnings": list(self.warnings),
            "settings": self.settings.to_json(),
            "video": asdict(self.video) if self.video else None,
            "poster": self.poster,
            "poster_error": self.poster_error,
            "frames": self.meter.frames if running else self.frames,
            "fps": round(self.meter.fps, 2) if running else None,
            "share": 1.0 if self.status == "done" else self.meter.share if running else None,
            "seconds_left": None if left is None else round(left, 1),
            "seconds": round(self.seconds, 1),
            "input_bytes": _size(self.input),
            "output_bytes": _size(self.output) if self.status == "done" else None,
            "download": download_name(self.name),
        }

    def to_record(self) -> dict[str, Any]:
        """What a restarted server needs to know."""
        return {
            "id": self.id,
            "name": self.name,
            "settings": self.settings.to_json(),
            "status": self.status,
            "error": self.error,
            "warnings": list(self.warnings),
            "video": asdict(self.video) if self.video else None,
            "poster": self.poster,
            "poster_error": self.poster_error,
            "frames": self.frames,
            "seconds": self.seconds,
            "finished_at": self.finished_at,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any], parent: Path) -> ServedJob | None:
        """A job as it was; None for one that was never received whole. Raises KeyError, TypeError, ValueError."""
        job = cls(
            **{
                **record,
                "folder": parent / record["id"],
                "settings": Settings(**record["settings"]),
                "warnings": tuple(record["warnings"]),
                "video": Video(**record["video"]) if record["video"] else None,
            }
        )
        if job.status == "restoring":  # when the server ended; what it had done of it is there yet
            job.status = "waiting"
        if job.status == "done" and not job.output.is_file():
            job.status, job.error = "failed", "the restored video is not there any more"
        return job if job.status != "uploading" and job.input.is_file() else None

    def requeue(self, settings: Settings) -> None:
        """Wait once more, with other settings."""
        self.settings, self.status, self.error, self.warnings = settings, "waiting", "", ()
        self.finished_at, self.cancelled = None, Event()

    def finish(self, error: str = "") -> None:
        """Done, or failed with a line that says why."""
        self.status, self.error, self.finished_at = "failed" if error else "done", error, time.time()

    def public(self, text: str) -> str:
        """A message with the user's names in place of this machine's paths."""
        return text.replace(str(self.input), self.name).replace(str(self.output), download_name(self.name))

    def public_error(self, error: VdeblurError) -> str:
        """An error's line without paths of this machine."""
        return self.public(str(error))


def shown_name(header: str) -> str:
    """A file name from outside, percent-encoded, made fit to be shown: one line, no folders, at most 100 characters."""
    name = unquote(header).replace("\\", "/").rpartition("/")[2]
    name = "".join(character for character in name if character.isprintable()).strip(" .")
    return name[:MAX_NAME] or "video"


def download_name(name: str) -> str:
    """holiday.mov -> holiday.deblur.mp4."""
    return f"{Path(name).stem or 'video'}.deblur.mp4"


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
