"""One video on the server: the upload, its settings, its progress and its result."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Literal
from urllib.parse import unquote

from ..progress import Meter
from .choices import Settings

JobStatus = Literal["uploading", "waiting", "restoring", "done", "failed"]

JOB_ID = r"[A-Za-z0-9_-]{22}"
"""Pattern of ids."""
UNWANTED = ".vdeblur-serve-removes-this-folder"
"""A file in the folders of incomplete uploads and of removed jobs, in case the server ends before they are deleted."""
MAX_NAME = 100
"""Longest name, in characters."""


@dataclass(frozen=True, slots=True)
class Video:
    """Properties of an upload that the page shows."""

    width: int
    """In square pixels, after rotation."""
    height: int
    seconds: float | None
    fps: float | None


@dataclass
class ServedJob:
    """One video, whose files lie in `folder` under fixed names."""

    id: str
    folder: Path
    name: str
    """Name of the user's file, for display only."""
    settings: Settings
    status: JobStatus = "uploading"
    error: str = ""
    warnings: tuple[str, ...] = ()
    video: Video | None = None
    """None until the file has been opened."""
    poster: float | None = None
    """Time in seconds of the frame shown before and after in advance; None while there is none."""
    poster_error: str = ""
    """Why there is no poster."""
    frames: int = 0
    """Number of frames of the output."""
    seconds: float = 0.0
    """Time that restoring took."""
    finished_at: float | None = None
    """Seconds since the epoch."""
    meter: Meter = field(default_factory=Meter)
    cancelled: Event = field(default_factory=Event)

    @property
    def input(self) -> Path:
        """The upload; without suffix, since FFmpeg detects the format."""
        return self.folder / "input"

    @property
    def output(self) -> Path:
        """The restored video."""
        return self.folder / "output.mp4"

    def make_folder(self) -> None:
        """Make the folder, unwanted until the upload is complete. Raises OSError."""
        self.folder.mkdir(mode=0o700)
        (self.folder / UNWANTED).touch()

    def keep_folder(self) -> None:
        """Mark the folder as wanted."""
        with suppress(OSError):
            (self.folder / UNWANTED).unlink(missing_ok=True)

    def remove_folder(self) -> None:
        """Delete the folder; if the server ends before, the next one does."""
        with suppress(OSError):
            (self.folder / UNWANTED).touch()
        shutil.rmtree(self.folder, ignore_errors=True)

    def to_json(self) -> dict[str, object]:
        """As sent to the page."""
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

    def to_record(self) -> dict[str, object]:
        """As stored for a restarted server."""
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
        """A stored job; None if its upload was incomplete. Raises KeyError, TypeError, ValueError."""
        if not re.fullmatch(JOB_ID, record["id"]):
            raise ValueError(f"invalid id {record['id']!r}")
        job = cls(
            **{
                **record,
                "folder": parent / record["id"],
                "settings": Settings.from_record(record["settings"]),
                "warnings": tuple(record["warnings"]),
                "video": Video(**record["video"]) if record["video"] else None,
            }
        )
        if job.status == "restoring":  # when the server ended; finished segments are kept
            job.status = "waiting"
        if job.status == "done" and not job.output.is_file():
            job.status, job.error = "failed", "the restored video is gone"
        return job if job.status != "uploading" and job.input.is_file() else None

    def requeue(self, settings: Settings) -> None:
        """Queue again with other settings."""
        self.settings, self.status, self.error, self.warnings = settings, "waiting", "", ()
        self.finished_at, self.cancelled = None, Event()

    def finish(self, error: str = "") -> None:
        """Mark as done, or as failed with an error."""
        self.status, self.error, self.finished_at = "failed" if error else "done", error, time.time()

    def public(self, text: str) -> str:
        """A message with file names in place of paths on the server."""
        return text.replace(str(self.input), self.name).replace(str(self.output), download_name(self.name))


def new_id() -> str:
    """A secret id."""
    return secrets.token_urlsafe(16)


def is_unwanted(folder: Path) -> bool:
    """Whether a server made this folder for a job, and is to delete it."""
    return re.fullmatch(JOB_ID, folder.name) is not None and (folder / UNWANTED).is_file()


def display_name(header: str) -> str:
    """Make a percent-encoded file name displayable: one line, no folders, at most MAX_NAME characters."""
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
