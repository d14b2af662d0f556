"""Single segments for external schedulers that start one process each: Slurm arrays, Make, xargs."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from ..errors import OutputError, UsageError
from .check import check_output
from .claim import Claim
from .folder import JobFolder, folder_of
from .job import Job, Summary
from .one_piece import finish, restore_piece
from .restore import DEFAULT_CUTTING, prepare

log = logging.getLogger(__name__)


def prepare_job(job: Job) -> int:
    """Cut a job into segments, and return their number.

    Raises UsageError if it cannot be cut, OutputError for an output that joining would refuse or that another run is at
    work on.
    """
    assert job.output is not None
    check_output(job, job.output)
    path = folder_of(job.output)
    with Claim(path, job.output) as claim:
        folder = prepare(replace(job, model=job.model.named()), job.output, path, DEFAULT_CUTTING, claim)
    if folder is None:
        raise UsageError(f"{job.input}: too short, or cannot be cut at exact times; run vdeblur {job.input}")
    return len(folder.segments)


def open_job(path: str) -> JobFolder:
    """The job of an output, or in a folder. Raises InputError if there is none."""
    given = Path(path)
    return JobFolder.open(given if (given / "job.json").exists() else folder_of(path))


def restore_one(path: str, index: int, device: str | None) -> str:
    """Restore a segment and return a message. Raises UsageError for an invalid index."""
    folder = open_job(path)
    if index >= len(folder.segments):
        raise UsageError(f"{path}: no segment {index}; choose 0 to {len(folder.segments) - 1}")
    if folder.manifest(index) is not None:
        return f"{folder.output}: segment {index} is already done"
    manifest = restore_piece(folder.on(device), index)
    if manifest is None:
        return _refusal_text(folder)
    return f"{folder.output}: segment {index} is done, {manifest.frames} frames in {manifest.seconds:.1f} s"


def join_job(path: str, device: str | None, overwrite: bool | None) -> Summary:
    """Join all segments of a job and remove them, or restore the input in one piece if that fails.

    `overwrite` says whether to replace an existing output; None: as the job was prepared.

    Raises OutputError if a segment is missing or another run is at work on them, and what `restore_whole` raises.
    """
    folder = open_job(path).on(device)
    if folder.refusal is None and (missing := _missing(folder)):
        raise OutputError(f"{folder.output}: segments not restored yet: {_listed(missing)}", settings=("index",))
    if overwrite is not None:
        folder = replace(folder, job=replace(folder.job, sink=replace(folder.job.sink, overwrite=overwrite)))
    with Claim(folder.path, folder.output):
        summary = finish(folder, log.warning)
        folder.remove()
    return summary


def _refusal_text(folder: JobFolder) -> str:
    return f"{folder.refusal}; joining will restore it in one piece"


def status_text(path: str) -> str:
    """One line on the segments that are done."""
    folder = open_job(path)
    if folder.refusal is not None:
        return _refusal_text(folder)
    missing = _missing(folder)
    rest = f"; remaining: {_listed(missing)}" if missing else "; ready to be joined"
    return f"{len(folder.segments) - len(missing)} of {len(folder.segments)} segments are done{rest}"


def _missing(folder: JobFolder) -> list[int]:
    """The segments to be restored."""
    return [segment.index for segment in folder.segments if folder.manifest(segment.index) is None]


def _listed(numbers: list[int]) -> str:
    return ",".join(map(str, numbers))
