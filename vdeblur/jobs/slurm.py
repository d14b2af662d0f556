"""Segments one by one, for schedulers that start a process for each: Slurm arrays, Make, xargs on many machines."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from ..errors import UsageError
from .folder import JobFolder, folder_of
from .job import Job, Summary
from .one_piece import finish, restore_piece
from .restore import prepare

log = logging.getLogger(__name__)


def prepare_job(job: Job) -> int:
    """Cut a job into segments, and return how many there are. Raises UsageError for one that cannot be cut."""
    assert job.output is not None
    folder = prepare(replace(job, model=job.model.named()), job.output, folder_of(job.output))
    if folder is None:
        raise UsageError(f"{job.input}: is short, or cannot be cut at exact times; restore it with vdeblur {job.input}")
    return len(folder.segments)


def open_job(path: str) -> JobFolder:
    """The job of an output, or in a folder. Raises InputError where there is none."""
    given = Path(path)
    return JobFolder.open(given if (given / "job.json").exists() else folder_of(path))


def restore_one(path: str, index: int, device: str | None) -> str:
    """Restore a segment, and say so, or why it need not be done. Raises UsageError for one that the job has not."""
    folder = open_job(path)
    if index >= len(folder.segments):
        raise UsageError(f"{path}: has segments 0 to {len(folder.segments) - 1}, there is no {index}")
    if folder.manifest(index) is not None:
        return f"{folder.output}: segment {index} is done already"
    manifest = restore_piece(folder.on(device), index)
    if manifest is None:
        return _refused(folder)
    return f"{folder.output}: segment {index} is done, {manifest.frames} frames in {manifest.seconds:.1f} s"


def join_job(path: str, device: str | None) -> Summary:
    """Join all segments of a job and remove them; an input that they do not make up is restored in one piece.

    Raises OutputError where a segment is missing, and what `restore_whole` raises.
    """
    folder = open_job(path).on(device)
    summary = finish(folder, log.warning)
    folder.remove()
    return summary


def _refused(folder: JobFolder) -> str:
    return f"{folder.refusal}; joining restores it in one piece, whatever segments are done"


def state_of(path: str) -> str:
    """One line: which segments are done."""
    folder = open_job(path)
    if folder.refusal is not None:
        return _refused(folder)
    missing = [segment.index for segment in folder.segments if folder.manifest(segment.index) is None]
    still = f"; still to do: {','.join(map(str, missing))}" if missing else "; ready to be joined"
    return f"{len(folder.segments) - len(missing)} of {len(folder.segments)} segments are done{still}"
