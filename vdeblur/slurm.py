"""Segments one by one, for schedulers that start a process for each: Slurm arrays, Make, xargs on many machines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .errors import UsageError
from .job import Job, Summary, default_model, load_for
from .joining import join
from .resume import folder_of, prepare
from .segments import JobFolder, restore_segment


def prepare_job(source: str, output: str, model: str | None, device: str) -> int:
    """Cut a job into segments, and return how many there are. Raises UsageError for one that cannot be cut."""
    folder = prepare(Job(source, output, model or default_model(device), device), output, folder_of(output))
    if folder is None:
        raise UsageError(f"{source}: is short, or cannot be cut at exact times; restore it with vdeblur {source}")
    return len(folder.segments)


def open_job(path: str) -> JobFolder:
    """The job of an output, or in a folder. Raises InputError where there is none."""
    given = Path(path)
    return JobFolder.open(given if (given / "job.json").exists() else folder_of(path))


def restore_one(path: str, index: int, device: str | None) -> str:
    """Restore a segment, and say so. Raises UsageError for a segment that the job has not."""
    folder = open_job(path)
    if index >= len(folder.segments):
        raise UsageError(f"{path}: has segments 0 to {len(folder.segments) - 1}, there is no {index}")
    if folder.manifest(index) is not None:
        return f"{folder.output}: segment {index} is done already"
    job = replace(folder.job, device=device or folder.job.device)
    manifest = restore_segment(folder, index, load_for(job))
    return f"{folder.output}: segment {index} is done, {manifest.frames} frames in {manifest.seconds:.1f} s"


def join_job(path: str) -> Summary:
    """Join all segments of a job and remove them. Raises OutputError where one is missing."""
    folder = open_job(path)
    summary = join(folder)
    folder.remove()
    return summary


def state_of(path: str) -> str:
    """One line: which segments are done."""
    folder = open_job(path)
    missing = [segment.index for segment in folder.segments if folder.manifest(segment.index) is None]
    still = f"; still to do: {','.join(map(str, missing))}" if missing else "; ready to be joined"
    return f"{len(folder.segments) - len(missing)} of {len(folder.segments)} segments are done{still}"
