"""`restore`: one input, in one piece or in segments, resuming an interrupted run."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from pathlib import Path

from ..frames import StreamInfo
from ..media.paths import output_of
from ..signals import NOTICE
from .check import check_output, problems_of
from .claim import Claim
from .fingerprints import input_sha256, model_identity
from .folder import JobFolder, folder_of, settings_hash
from .job import Job, OnFrame, Summary
from .one_piece import finish, restore_piece
from .plan import Cutting, cut
from .whole import restore_whole

log = logging.getLogger(__name__)

DEFAULT_CUTTING = Cutting()


def restore(
    job: Job | str | os.PathLike[str],
    on_frame: OnFrame | None = None,
    *,
    resume: bool = True,
    keep_segments: bool = False,
    cutting: Cutting = DEFAULT_CUTTING,
) -> Summary:
    """Restore a file, a folder or pattern of images, or a pipe, as the command does; a path stands for `Job(path)`.

    A long file is restored in segments, and a second call continues with those of an interrupted one. Short inputs, and
    those that cannot be cut (see `plan.cut`) or whose segments do not fit together, are restored in one piece; so are
    all with `resume` False. `keep_segments` leaves the segments next to the output; those of an earlier run with other
    settings are removed once this job is known to be possible, or done in one piece.

    Raises what `restore_whole` raises, and OutputError if another run is at work on these segments; then, and after a
    signal, finished segments stay for the next call.
    """
    job = job if isinstance(job, Job) else Job(os.fspath(job))
    output = output_of(job.input, job.output)
    path = folder_of(output)
    if resume:
        check_output(job, output)
    with Claim(path, output) as claim:
        folder = prepare(job, output, path, cutting, claim) if resume else None
        if folder is not None:
            return _restore_segments(folder, on_frame, keep_segments)
        summary = restore_whole(job, on_frame)
        JobFolder.remove_at(path)
        return summary


def _restore_segments(folder: JobFolder, on_frame: OnFrame | None, keep_segments: bool) -> Summary:
    output, path = folder.output, folder.path
    folder.remove_temporaries()  # left by a killed run
    start = time.perf_counter()
    manifests = [folder.manifest(segment.index) for segment in folder.segments]
    missing = [segment for segment, manifest in zip(folder.segments, manifests, strict=True) if manifest is None]
    earlier = sum(manifest.frames for manifest in manifests if manifest)
    if len(missing) < len(folder.segments):
        done = len(folder.segments) - len(missing)
        log.log(NOTICE, "%s: resuming, %d of %d segments are done", output, done, len(folder.segments))
    seconds = sum(segment.seconds for segment in missing)
    try:
        for segment in missing:
            restore_piece(
                folder, segment.index, on_frame and (lambda info, frame: on_frame(remaining(info, seconds), frame))
            )
        summary = finish(folder, log.warning, on_frame)
    except Exception:  # also a signal, which a library may have turned into another exception
        folder.remove_temporaries()
        if folder.refusal is None and any(folder.manifest(segment.index) for segment in folder.segments):
            log.log(NOTICE, "%s: finished segments are kept in %s; run the same command to resume", output, path)
        else:
            folder.remove()
        raise
    if folder.refusal is not None:
        earlier = 0  # restored in one piece after all
    if not keep_segments:
        folder.remove()
    took = time.perf_counter() - start
    return replace(summary, seconds=took, earlier=earlier)


def prepare(
    job: Job, output: str, path: Path, cutting: Cutting = DEFAULT_CUTTING, claim: Claim | None = None
) -> JobFolder | None:
    """The folder of a job: the existing one if it belongs to the same job, else a new one; None for one piece.

    `claim`, on this folder, is taken before a new one is made.

    The segments of another job make way for a new one only when that can begin: a mistyped option costs no hours.

    Raises what `open_source` raises, ModelError for an unknown model, OutputError; and where another job would make
    way, the first of `problems_of`.
    """
    settings = settings_hash(job, cutting)
    model = model_identity(job.model)
    sha256 = None
    if existing := JobFolder.find(path):
        sha256 = input_sha256(job.input)
        compared = (
            ("input", existing.input_sha256, sha256),
            ("model", existing.model_sha256, model),
            ("settings", existing.settings, settings),
        )
        changed = [name for name, before, now in compared if before != now]
        if not changed:
            return replace(existing, job=replace(job, output=output))  # with the paths of this call
        if problems := problems_of(replace(job, output=output)):
            raise problems[0]
        what = " and ".join(changed)
        log.warning("%s: %s changed since the last run; its segments cannot be used", output, what)
    plan = cut(job, output, cutting)
    if plan is None:
        return None
    if claim is not None:
        claim.take()
    JobFolder.remove_at(path)
    return JobFolder.create(
        path, replace(job, output=output), output, plan, settings, sha256 or input_sha256(job.input)
    )


def remaining(info: StreamInfo, seconds: float) -> StreamInfo:
    """`info` for a progress display of the remaining segments."""
    return replace(info, duration_seconds=seconds or None, frames=None)
