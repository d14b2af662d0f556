"""Schedules a batch. A failure affects one file only, and finished work is never repeated.

    collect -> record: already done? -> per file: Prepare -> Restore each segment -> Join -> record -> report

The loop submits units to an `Executor` (processes on this machine, or actors on a cluster) and collects their results.
Units leave their results on disk under deterministic names, so the loop can be killed at any moment and run again.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError, ModelError, OutputError, UsageError, VdeblurError
from ..jobs.folder import JobFolder, folder_of
from ..jobs.job import Job
from ..jobs.plan import Cutting
from ..jobs.restore import DEFAULT_CUTTING
from ..media.options import SinkOptions
from ..media.paths import is_image_input, is_image_output
from ..media.sources import open_source
from ..progress import size_text
from .collect import Item
from .journal import stat_of
from .record import Record
from .task import Task, pixels
from .units import Finished, Join, Prepare, Prepared, Restore, Unit, UnitResult, Whole
from .work_queue import Work, WorkQueue
from .workers import Executor, WorkerDied

log = logging.getLogger(__name__)

STATE_FOLDER = ".vdeblur-batch"
"""Inside the output folder: the journal and the thumbnails of finished files."""
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Settings of a batch."""

    overwrite: bool = False
    """Restore finished files again, and replace outputs that this batch did not write."""
    tries: int = 3
    """Attempts at a unit before it counts as failed."""
    back_off_seconds: float = 2.0
    """Delay before the second attempt; doubled before each further one."""
    min_free_bytes: int = 10**9
    """Disk space to leave free: nothing is started below it; 0 disables all checks of disk space."""
    cutting: Cutting = DEFAULT_CUTTING


class BatchRun:
    """Files to restore, their journal, and the queue of remaining work."""

    def __init__(self, items: Sequence[Item], settings: Job, output_folder: str, options: BatchOptions) -> None:
        """`settings` is the job for all files; its input and output are ignored.

        Opens each file, and skips those that are done. Raises ModelError for an unknown model and OutputError for a
        folder that cannot be written.
        """
        self.folder = Path(output_folder)
        self.options = options
        # The same model for all, whatever device a worker has.
        settings = replace(settings, model=settings.model.named())
        self._record = Record(self.folder / STATE_FOLDER, settings, options.cutting)
        self._job = settings
        self.tasks: list[Task] = []
        self.add(items)
        self._queue = WorkQueue()
        self._running: dict[Future[UnitResult], Work] = {}
        self._stopping = False
        self.seconds = 0.0

    # -- tasks ------------------------------------------------------------------------------------------------------

    def _task(self, item: Item, settings: Job) -> Task:
        images = is_image_output(item.output, is_image_input(item.input))
        sink = SinkOptions() if images else settings.sink  # images have no codec
        task = Task(item, replace(settings, input=item.input, output=item.output, sink=sink))
        overwrite = self.options.overwrite
        try:
            entry = self._record.own_output(item.output)
            if stat_of(item.output) and not overwrite:
                if entry is None:
                    task.status = "foreign"
                    task.notes.append("the output exists and was not written by this batch; overwriting replaces it")
                    return task
                unchanged = self._record.is_unchanged(entry, item.input)
                if unchanged and entry.event != "passed":
                    self._record.recall(task, entry)
                    return task
                why = "was restored in part" if unchanged else "input, model or settings have changed"
                task.notes.append(f"{why}; restored again")
                overwrite = True
            task.job = replace(task.job, sink=replace(sink, overwrite=overwrite))
            with open_source(item.input, settings.source) as source:
                task.info = source.info
            task.frames = task.info.frames or 0
        except (InputError, OSError) as error:
            task.status, task.error = "failed", str(error)
        return task

    @property
    def waiting(self) -> list[Task]:
        """Unfinished tasks, longest first."""
        todo = [task for task in self.tasks if not task.is_over]
        return sorted(todo, key=lambda task: (-pixels(task), task.item.input))

    def past_speed(self) -> float | None:
        """Speed of this model in earlier runs, in pixels per second; None if there are none."""
        return self._record.past_speed(self.tasks)

    def add(self, items: Sequence[Item]) -> None:
        """Add new or changed files; the next `run` restores them.

        Of files with the same output, the one that came first keeps it, also after a restart; the others fail.
        """
        added = {item.input for item in items}
        self.tasks = [task for task in self.tasks if task.item.input not in added]
        kept = [task.item for task in self.tasks if task.status != "failed" and stat_of(task.item.input)]
        firsts: dict[str, str] = {}
        for item in [*kept, *sorted(items, key=lambda item: not self._record.has_made(item))]:
            firsts.setdefault(item.output, item.input)
        for item in items:
            if (first := firsts[item.output]) == item.input:
                self.tasks.append(self._task(item, self._job))
            else:
                error = f"{item.input}: would be written to {item.output}, as is {first}; rename it"
                log.warning("%s", error)
                self.tasks.append(Task(item, self._job, "failed", error=error))

    # -- the loop ---------------------------------------------------------------------------------------------------

    def run(self, executor: Executor, on_progress: Callable[[BatchRun], None] = lambda _: None) -> None:
        """Restore all waiting tasks. Raises OutputError when the disk is full.

        `signals.Stopped` passes through; running units are then left to `finish` or `executor.stop`.
        """
        start = time.perf_counter()
        self._running.clear()
        for place, pattern in ((self.folder, ".report.*.part"), (self.folder / STATE_FOLDER, ".*.part")):
            for file in place.glob(pattern):  # of a batch that was killed while it wrote them
                file.unlink(missing_ok=True)
        for task in self.tasks:
            if task.status == "skipped":  # an earlier run may have been killed before it removed this folder
                JobFolder.remove_at(folder_of(task.item.output))
        todo = self.waiting
        self._check_disks(todo)
        for rank, task in enumerate(todo):
            unit = Prepare(task.job, task.item.output, str(folder_of(task.item.output)), self.options.cutting)
            self._queue.add(task, unit, rank)
        try:
            self._loop(executor, on_progress)
        except OutputError:  # the disk is full: let running units end, start no others
            self.finish(executor, on_progress)
            raise
        finally:
            self.seconds += time.perf_counter() - start

    def finish(self, executor: Executor, on_progress: Callable[[BatchRun], None] = lambda _: None) -> None:
        """After a signal: let running units end and start no others."""
        self._stopping = True
        self._loop(executor, on_progress)

    def remove_leftovers(self) -> None:
        """After `executor.stop`: remove files that were being written in one piece. Segments stay for the next run."""
        for work in self._running.values():
            self._remove_partial(work.task, work.unit)

    def _remove_partial(self, task: Task, unit: Unit) -> None:
        """Remove what a killed worker left of a `Whole`; other units share this folder with finished segments."""
        if isinstance(unit, Whole):
            JobFolder.remove_at(folder_of(task.item.output))

    def _loop(self, executor: Executor, on_progress: Callable[[BatchRun], None]) -> None:
        while self._running or (self._queue and not self._stopping):
            while len(self._running) < executor.width and not self._stopping and (work := self._queue.take()):
                self._check_disk(_existing_folder(work.task), 0)
                self._submit(executor, work)
            if self._running:
                ended, _ = wait(self._running, POLL_SECONDS, FIRST_COMPLETED)
                for future in ended:
                    self._collect_result(future)
            elif self._queue and not self._stopping:
                time.sleep(POLL_SECONDS)
            on_progress(self)

    def _submit(self, executor: Executor, work: Work) -> None:
        task, unit = work.task, work.unit
        if task.is_over:
            return
        if isinstance(unit, Prepare):
            task.status, task.started = "running", time.perf_counter()
            Path(task.item.output).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(unit, Whole | Join):
            try:
                self._record.write("writing", task)
            except InputError as error:
                task.status, task.error = "failed", str(error)
                return
        place = unit.index if isinstance(unit, Restore) else -1
        future = executor.submit(unit, lambda frames: task.running.__setitem__(place, frames))
        self._running[future] = work

    def _collect_result(self, future: Future[UnitResult]) -> None:
        work = self._running.pop(future)
        task, unit = work.task, work.unit
        task.running.pop(unit.index if isinstance(unit, Restore) else -1, None)
        self._remove_partial(task, unit)
        if task.is_over:
            return
        error = future.exception()
        if error is not None:
            if not isinstance(error, Exception):
                raise error
            self._retry(replace(work, tries=work.tries + 1), error)
            return
        result = future.result()
        match unit:
            case Prepare():
                assert isinstance(result, Prepared)
                self._prepared(task, unit, work.rank, result)
            case Restore():
                assert isinstance(result, int)
                task.done_frames += result
                task.missing.discard(unit.index)
                if not task.missing:
                    self._queue.add(task, Join(unit.folder), work.rank, stage=0)
            case _:
                assert isinstance(result, Finished)
                self._finished(task, result)

    def _prepared(self, task: Task, unit: Prepare, rank: int, prepared: Prepared) -> None:
        task.input_sha256 = prepared.input_sha256
        if not prepared.frames:
            sink = replace(task.job.sink, partial_folder=unit.folder)
            self._queue.add(task, Whole(replace(task.job, sink=sink)), rank)
            return
        task.frames = sum(prepared.frames)
        task.done_frames = sum(prepared.frames[index] for index in prepared.done)
        task.missing = set(range(len(prepared.frames))) - prepared.done
        for index in sorted(task.missing):
            self._queue.add(task, Restore(unit.folder, index), rank)
        if not task.missing:
            self._queue.add(task, Join(unit.folder), rank, stage=0)

    def _retry(self, work: Work, error: Exception) -> None:
        """Try again later; after the last attempt keep the source frames of a segment, or fail the task."""
        task, unit = work.task, work.unit
        reason = str(error) if isinstance(error, VdeblurError | WorkerDied) else f"{type(error).__name__}: {error}"
        is_final = isinstance(error, InputError | UsageError | ModelError)
        if isinstance(unit, Whole) and self._record.own_output(task.item.output):  # it died after its output appeared
            unit = Whole(replace(unit.job, sink=replace(unit.job.sink, overwrite=True)))
        if not is_final and work.tries < self.options.tries:
            log.info("%s: %s; trying again", task.item.input, reason)
            self._queue.add_again(replace(work, unit=unit), self.options.back_off_seconds * 2 ** (work.tries - 1))
        elif isinstance(unit, Restore) and not unit.pass_through and not is_final:
            task.notes.append(f"segment {unit.index} keeps the source frames: {reason}")
            self._queue.add_again(replace(work, unit=replace(unit, pass_through=True), tries=work.tries - 1))
        else:
            task.status, task.error = "failed", " ".join(reason.split())
            if is_final and isinstance(unit, Restore | Join):
                JobFolder.remove_at(folder_of(task.item.output))

    def _finished(self, task: Task, finished: Finished) -> None:
        summary = finished.summary
        task.status = "passed" if finished.passed_through else "damaged" if summary.damaged else "done"
        task.done_frames = task.frames = summary.frames
        task.notes += summary.warnings
        task.thumbnails = finished.thumbnails
        info = task.info
        area = info.width * info.height if info else 0
        task.result = {
            "frames": summary.frames,
            "fps": round(summary.fps, 3),
            "model": summary.model,
            "device": summary.device,
            "concealed": summary.concealed,
            "segments": finished.segments,
            "passed_through": finished.passed_through,
            "touched": finished.touched,
            "blur_before": finished.blur_before,
            "blur_after": finished.blur_after,
            "pixels_per_second": area * summary.fps,
        }
        self._record.write("passed" if finished.passed_through else "done", task)

    def _check_disks(self, tasks: Sequence[Task]) -> None:
        """Check each disk that gets outputs, taking them to be as large as their inputs."""
        disks: dict[int, tuple[Path, int]] = {}
        for task in tasks:
            folder = _existing_folder(task)
            disk = folder.stat().st_dev
            first, wanted = disks.get(disk, (folder, 0))
            disks[disk] = first, wanted + (stat_of(task.item.input) or (0, 0))[0]
        for folder, wanted in disks.values():
            self._check_disk(folder, wanted)

    def _check_disk(self, folder: Path, wanted: int) -> None:
        least = self.options.min_free_bytes
        free = shutil.disk_usage(folder).free
        if least and free < least + wanted:
            reserve = size_text(least)
            need = f"about {size_text(wanted)} plus {reserve} in reserve" if wanted else reserve
            message = f"{folder}: {size_text(free)} free, {need} needed; free some disk space, or leave less of it free"
            raise OutputError(message, settings=("min_free",))

    @property
    def failures(self) -> int:
        """Number of files that failed or could be restored only in part."""
        return sum(task.failed for task in self.tasks)


def _existing_folder(task: Task) -> Path:
    """The folder of an output, or the one in which it will be made."""
    folder = Path(task.item.output).parent
    while not os.path.isdir(folder) and folder != folder.parent:
        folder = folder.parent
    return folder
