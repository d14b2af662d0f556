"""The folder of a job in segments: its plan, and the manifest of every finished segment, as files."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

from ..errors import InputError, OutputError, reason_of
from ..files import write_json
from .claim import LOCK_FILE, remove_stale
from .fingerprints import job_from_json, job_to_json, model_identity, settings_sha256
from .job import Job
from .plan import Cutting, Plan, Segment

FORMAT = 2
"""Version of the files in a job folder."""

REFUSAL = "refusal.json"
"""File in a job folder with the reason why the input cannot be restored in segments."""


def folder_of(output: str) -> Path:
    """The hidden folder next to an output that holds its segments until they are joined."""
    path = Path(output)
    return path.with_name(f".{path.name}.vdeblur")


@dataclass(frozen=True, slots=True)
class Manifest:
    """Results of one segment; written only when the segment is complete."""

    index: int
    fingerprint: str
    """Hashes of input, model and settings."""
    pts: tuple[int, ...]
    """Of every frame in the segment, in ticks of the input."""
    last_duration: int
    sha256: str
    """Of the segment's file."""
    model: str
    device: str
    precision: str
    fallbacks: int
    scene_starts: int
    concealed: int
    damaged: bool
    passed_through: bool
    """Whether it holds source frames because restoring them failed repeatedly."""
    seconds: float
    touched: int
    """Number of frames that were changed."""
    blur_before: tuple[float, ...]
    """Blur lengths in pixels of sampled frames, before and after."""
    blur_after: tuple[float, ...]
    thumbnails: tuple[str, str] | None
    """JPEG images in base64, before and after."""
    warnings: tuple[str, ...]
    retreats: tuple[str, ...]
    """How the network continued when memory ran out."""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.pts)


@dataclass(frozen=True, slots=True)
class JobFolder:
    """A job that is cut into segments, as files in one folder: all that a worker on any machine needs."""

    path: Path
    job: Job
    output: str
    input_sha256: str
    model_sha256: str
    settings: str
    time_base: Fraction
    segments: tuple[Segment, ...]

    @property
    def fingerprint(self) -> str:
        """Identifies everything that determines the frames."""
        return f"{self.input_sha256}-{self.model_sha256}-{self.settings}"

    def on(self, device: str | None) -> JobFolder:
        """The same job on another device; None keeps the device of the job."""
        model = self.job.model
        return replace(self, job=replace(self.job, model=replace(model, device=device or model.device)))

    @classmethod
    def create(cls, path: Path, job: Job, output: str, plan: Plan, settings: str, input_sha256: str) -> JobFolder:
        """Write the plan. Raises OutputError if the folder cannot be written."""
        model = model_identity(job.model)
        folder = cls(path, job, output, input_sha256, model, settings, plan.time_base, plan.segments)
        made = {
            "format": FORMAT,
            "job": job_to_json(job),
            "output": output,
            "input_sha256": input_sha256,
            "model_sha256": model,
            "settings": settings,
            "time_base": str(plan.time_base),
            "segments": [asdict(segment) for segment in plan.segments],
        }
        try:
            path.mkdir(exist_ok=True)
            write_json(path / "times.json", plan.times)
            write_json(path / "job.json", made)
        except OSError as error:
            cls.remove_at(path)
            raise OutputError(f"{output}: cannot be written: {reason_of(error)}") from error
        return folder

    @classmethod
    def open(cls, path: Path) -> JobFolder:
        """Read a plan. Raises InputError if there is none, or it is invalid."""
        try:
            made = json.loads((path / "job.json").read_text(encoding="utf-8"))
            if made["format"] != FORMAT:
                raise InputError(f"{path}: written by another version of vdeblur; remove it and start again")
            segments = tuple(Segment(**segment) for segment in made["segments"])
            return cls(
                path,
                job_from_json(made["job"]),
                made["output"],
                made["input_sha256"],
                made["model_sha256"],
                made["settings"],
                Fraction(made["time_base"]),
                segments,
            )
        except FileNotFoundError as error:
            raise InputError(f"{path}: no prepared job found; prepare it first", settings=("source",)) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not the folder of a job in segments ({error})") from error

    def video(self, index: int) -> Path:
        """The file of a finished segment."""
        return self.path / f"{index:05}.mkv"

    def times(self) -> list[int]:
        """The pts of every frame according to the packets of the input."""
        times: list[int] = json.loads((self.path / "times.json").read_text(encoding="utf-8"))
        return times

    def manifest(self, index: int) -> Manifest | None:
        """The manifest of a finished segment; None if it is not finished or belongs to another job."""
        try:
            made = json.loads(self.video(index).with_suffix(".json").read_text(encoding="utf-8"))
            thumbnails = made["thumbnails"]
            lists = {key: tuple(made[key]) for key in ("pts", "blur_before", "blur_after", "warnings", "retreats")}
            manifest = Manifest(**made | lists | {"thumbnails": tuple(thumbnails) if thumbnails else None})
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return manifest if manifest.fingerprint == self.fingerprint and self.video(index).is_file() else None

    @property
    def refusal(self) -> str | None:
        """Why this input cannot be restored in segments (see `one_piece`); None if no reason is known."""
        try:
            why: str = json.loads((self.path / REFUSAL).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return why

    def refuse(self, why: str) -> None:
        """Tell all workers on this job that it cannot be restored in segments. Raises OutputError."""
        try:
            write_json(self.path / REFUSAL, why)
        except OSError as error:
            raise OutputError(f"{self.output}: cannot be written: {reason_of(error)}") from error

    def remove(self) -> None:
        """Delete the files of the job."""
        self.remove_at(self.path)

    def remove_temporaries(self) -> None:
        """Delete partial files; only while no other process works on this job."""
        for file in self.path.glob(".*.part"):
            file.unlink(missing_ok=True)

    @classmethod
    def find(cls, path: Path) -> JobFolder | None:
        """The job in a folder; None if there is none, or it is invalid."""
        try:
            return cls.open(path)
        except InputError:
            return None

    @staticmethod
    def remove_at(path: Path) -> None:
        """Delete segments, manifests, the plan and temporary files in a folder, and nothing else."""
        if not path.is_dir():
            return
        for file in path.iterdir():
            if file.suffix == ".part" and file.is_dir():  # a partial image sequence
                shutil.rmtree(file, ignore_errors=True)
            elif file.suffix in (".mkv", ".json", ".part"):
                file.unlink(missing_ok=True)
            elif file.name == LOCK_FILE:
                remove_stale(file)
        if not any(path.iterdir()):
            path.rmdir()


def settings_hash(job: Job, cutting: Cutting) -> str:
    """Hash of all settings of a job in segments."""
    return settings_sha256(job, cutting=asdict(cutting), format=FORMAT)
