"""Units of work for the workers of a batch. They and their results are small: paths, numbers, thumbnails."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..frames import Frame, StreamInfo
from ..jobs.fingerprints import input_sha256
from ..jobs.folder import JobFolder, Manifest
from ..jobs.job import Job, OnFrame, Summary
from ..jobs.one_piece import finish, restore_piece
from ..jobs.plan import Cutting
from ..jobs.restore import prepare
from ..jobs.samples import Sampled
from ..jobs.whole import restore_whole
from ..restorer import Restorer

REPORT_SECONDS = 0.5
"""How often a worker reports its frame count."""

OnFrames = Callable[[int], None]
"""Called from time to time with the number of frames that a unit has done."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Cut a job into segments, or find that it must be restored in one piece."""

    job: Job
    output: str
    folder: str
    cutting: Cutting


@dataclass(frozen=True, slots=True)
class Restore:
    """Restore one segment of a prepared job."""

    folder: str
    index: int
    pass_through: bool = False


@dataclass(frozen=True, slots=True)
class Join:
    """Join the segments of a job, or restore it in one piece if they do not fit together (see `one_piece`).

    Removes the folder.
    """

    folder: str


@dataclass(frozen=True, slots=True)
class Whole:
    """Restore a job in one piece; the partial output lies in the folder where segments would be."""

    job: Job


Unit = Prepare | Restore | Join | Whole


@dataclass(frozen=True, slots=True)
class Prepared:
    """Frames of each segment, and the segments that are done; no segments for a job to be restored in one piece."""

    frames: tuple[int, ...]
    done: frozenset[int]
    input_sha256: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Results of a restored file."""

    summary: Summary
    segments: int
    passed_through: int
    """Segments that hold source frames because restoring them failed repeatedly."""
    touched: int
    """Frames that were changed."""
    blur_before: float | None
    blur_after: float | None
    thumbnails: tuple[str, str] | None


UnitResult = Prepared | Finished | int


def run_unit(unit: Unit, device: str, on_frames: OnFrames) -> UnitResult:
    """Run a unit. A `Restore` returns its number of frames, 0 if the segment is not needed any more."""
    match unit:
        case Prepare():
            return _prepare(unit)
        case Restore():
            folder = JobFolder.open(Path(unit.folder)).on(device)
            manifest = restore_piece(folder, unit.index, _frame_counter(on_frames), pass_through=unit.pass_through)
            return manifest.frames if manifest else 0
        case Join():
            return _join(JobFolder.open(Path(unit.folder)).on(device), on_frames)
        case Whole():
            return _restore_whole(unit.job, device, on_frames)


def _prepare(unit: Prepare) -> Prepared:
    folder = prepare(unit.job, unit.output, Path(unit.folder), unit.cutting)
    if folder is None:
        JobFolder.remove_at(Path(unit.folder))
        return Prepared((), frozenset(), input_sha256(unit.job.input))
    done = frozenset(s.index for s in folder.segments if folder.manifest(s.index) is not None)
    return Prepared(tuple(segment.frames for segment in folder.segments), done, folder.input_sha256)


def _join(folder: JobFolder, on_frames: OnFrames) -> Finished:
    manifests = [manifest for s in folder.segments if (manifest := folder.manifest(s.index)) is not None]
    # Restored in one piece, the frames that count as done are done again.
    held = sum(manifest.frames for manifest in manifests)
    on_frame = _frame_counter(lambda frames: on_frames(frames - held))
    warnings: list[str] = []
    whole = ReportSamples()
    summary = finish(folder, warnings.append, on_frame, whole)
    if warnings:
        finished = whole.finished(replace(summary, warnings=(*warnings, *summary.warnings)))
    else:
        finished = Finished(
            summary,
            len(manifests),
            sum(m.passed_through for m in manifests),
            sum(m.touched for m in manifests),
            _mean([v for m in manifests for v in m.blur_before]),
            _mean([v for m in manifests for v in m.blur_after]),
            _most_blurred(manifests),
        )
    folder.remove()
    return finished


def _most_blurred(manifests: list[Manifest]) -> tuple[str, str] | None:
    """Thumbnails of the most blurred segment."""
    shown = [manifest for manifest in manifests if manifest.thumbnails]
    return max(shown, key=lambda m: _mean(list(m.blur_before)) or 0.0).thumbnails if shown else None


def _restore_whole(job: Job, device: str, on_frames: OnFrames) -> Finished:
    samples = ReportSamples()
    job = replace(job, model=replace(job.model, device=device))
    return samples.finished(restore_whole(job, _frame_counter(on_frames), samples))


class ReportSamples:
    """Samples blur and thumbnails of a file that is restored in one piece, for the report."""

    def __call__(self, restorer: Restorer, info: StreamInfo) -> Restorer:
        """Wrap the restorer so that its frames are sampled."""
        self._sampled = Sampled(restorer, info.frames or 2)
        return self._sampled

    def finished(self, summary: Summary) -> Finished:
        """The results, once all frames are restored."""
        seen = self._sampled
        before, after = _mean(seen.blur_before), _mean(seen.blur_after)
        return Finished(summary, 1, 0, seen.touched, before, after, seen.thumbnails)


def _frame_counter(on_frames: OnFrames) -> OnFrame:
    due = time.monotonic() + REPORT_SECONDS
    count = 0

    def on_frame(_: StreamInfo, __: Frame) -> None:
        nonlocal due, count
        count += 1
        if time.monotonic() >= due:
            due = time.monotonic() + REPORT_SECONDS
            on_frames(count)

    return on_frame


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
