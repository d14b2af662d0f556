"""A batch: many files, whoever does the work. Faults stay with their file, and done work is never done again.

    collect -> record: what is done already? -> per file: Prepare -> Restore each segment -> Join -> record -> report

The loop here gives units to an `Executor` (processes on this machine, or actors of a cluster) and takes their results.
All that a unit leaves is on the disk under idempotent names, so the loop can be killed at any moment and run again.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, ModelError, OutputError, UsageError, VdeblurError
from ..jobs.folder import JobFolder, folder_of
from ..jobs.job import Job
from ..jobs.plan import Cutting
from ..jobs.restore import DEFAULT_CUTTING
from ..media.options import SinkOptions
from ..media.paths import is_image_input, is_image_output
from ..media.sources import open_source
from .collect import Item
from .journal import stat_of
from .record import Record
from .task import Task, pixels
from .units import Finished, Join, Prepare, Prepared, Restore, Unit, Whole
from .work import Work, WorkQueue
from .workers import Executor, WorkerDied

log = logging.getLogger(__name__)

STATE_FOLDER = ".vdeblur-batch"
"""Inside the output folder: the journal and the thumbnails of done files."""
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a batch treats its files."""

    overwrite: bool = False
    """Restore anew what is done, and replace outputs that are not this batch's."""
    tries: int = 3
    """How often a unit is tried before it is set aside."""
    back_off_seconds: float = 2.0
    """Before the second try; twice as long before each further one."""
    min_free_bytes: int = 1 << 30
    """Of the disk that stay free: nothing new is started below; 0 turns all checks of the disk off."""
    cutting: Cutting = DEFAULT_CUTTING


class Batch:
    """Many files, their journal, and what is still to be done for them."""

    def __init__(self, items: Sequence[Item], settings: Job, output_folder: str, options: BatchOptions) -> None:
        """`settings` is the job for all files; its input and output are not looked at.

        Finds out what is done already, and what each file holds. Raises ModelError for an unknown model and
        OutputError for a folder that cannot be written.
        """
        self.folder = Path(output_folder)
        self.options = options
        settings = replace(settings, model=settings.model.named())  # once for all, whatever devices the workers have
        self._record = Record(self.folder / STATE_FOLDER, settings, options.cutting)
        self._job = settings
        self.tasks = [self._task(item, settings) for item in items]
        self._queue = WorkQueue()
        self._running: dict[Future[Any], Work] = {}
        self._stopping = False
        self.seconds = 0.0

    # -- what there is to do ----------------------------------------------------------------------------------------

    def _task(self, item: Item, settings: Job) -> Task:
        images = is_image_output(item.output, is_image_input(item.input))
        sink = SinkOptions() if images else settings.sink  # images take no codec
        task = Task(item, replace(settings, input=item.input, output=item.output, sink=sink))
        overwrite = self.options.overwrite
        try:
            made = self._record.made(item.output)
            if stat_of(item.output) and not overwrite:
                if made is None:
                    task.status = "foreign"
                    task.notes.append("an output that this batch did not make stands there; overwriting replaces it")
                    return task
                unchanged = self._record.is_unchanged(made, item.input)
                if unchanged and made.event != "passed":
                    self._record.recall(task, made)
                    return task
                why = "was restored in part" if unchanged else "input, model or settings changed since it was restored"
                task.notes.append(f"{why}: restored anew")
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
        """Tasks that have something to do, longest first."""
        todo = [task for task in self.tasks if not task.is_over]
        return sorted(todo, key=lambda task: (-pixels(task), task.item.input))

    def past_speed(self) -> float | None:
        """Pixels a second that this model reached for the files in the journal; None where there are none."""
        return self._record.past_speed(self.tasks)

    def add(self, items: Sequence[Item]) -> None:
        """Take in more files, or anew those that have changed; the next `run` restores them."""
        anew = {item.input for item in items}
        self.tasks = [task for task in self.tasks if task.item.input not in anew]
        self.tasks += [self._task(item, self._job) for item in items]

    # -- the loop ---------------------------------------------------------------------------------------------------

    def run(self, executor: Executor, on_progress: Callable[[Batch], None] = lambda _: None) -> None:
        """Do all that is to be done; returns when nothing runs any more. Raises OutputError when the disk is full.

        What a signal raises (`signals.Stopped`) comes out with running units left to `finish` or `executor.stop`.
        """
        start = time.perf_counter()
        self._running.clear()
        for place, half in ((self.folder, ".report.*.part"), (self.folder / STATE_FOLDER, ".*.part")):
            for file in place.glob(half):  # of a batch that was killed while it wrote them
                file.unlink(missing_ok=True)
        for task in self.tasks:
            if task.status == "skipped":  # a kill may have come between the output and the end of its folder
                JobFolder.remove_at(folder_of(task.item.output))
        todo = self.waiting
        self._check_disk(sum(stat[0] for task in todo if (stat := stat_of(task.item.input))))
        for rank, task in enumerate(todo):
            unit = Prepare(task.job, task.item.output, str(folder_of(task.item.output)), self.options.cutting)
            self._queue.add(task, unit, rank)
        try:
            self._loop(executor, on_progress)
        except OutputError:  # the disk: what runs may end, nothing more is started
            self.finish(executor, on_progress)
            raise
        finally:
            self.seconds += time.perf_counter() - start

    def finish(self, executor: Executor, on_progress: Callable[[Batch], None] = lambda _: None) -> None:
        """After a signal: let running units end and start no others."""
        self._stopping = True
        self._loop(executor, on_progress)

    def sweep(self) -> None:
        """After `executor.stop`: remove the whole files that it met half written. Segments stay for the next run."""
        for work in self._running.values():
            self._sweep(work.task, work.unit)

    def _sweep(self, task: Task, unit: Unit) -> None:
        """Remove what a worker that was killed cannot; only whole files have nothing else in this folder."""
        if isinstance(unit, Whole):
            JobFolder.remove_at(folder_of(task.item.output))

    def _loop(self, executor: Executor, on_progress: Callable[[Batch], None]) -> None:
        while self._running or (self._queue and not self._stopping):
            while len(self._running) < executor.width and not self._stopping and (work := self._queue.take()):
                self._check_disk(0)
                self._submit(executor, work)
            if self._running:
                ended, _ = wait(self._running, POLL_SECONDS, FIRST_COMPLETED)
                for future in ended:
                    self._take(future)
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

    def _take(self, future: Future[Any]) -> None:
        work = self._running.pop(future)
        task, unit = work.task, work.unit
        task.running.pop(unit.index if isinstance(unit, Restore) else -1, None)
        self._sweep(task, unit)
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
                self._prepared(task, unit, work.rank, result)
            case Restore():
                task.done_frames += result
                task.missing.discard(unit.index)
                if not task.missing:
                    self._queue.add(task, Join(unit.folder), work.rank, stage=0)
            case _:
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
        """Again after a while, or, when it has been tried enough, without the network, or not at all."""
        task, unit = work.task, work.unit
        said = str(error) if isinstance(error, VdeblurError | WorkerDied) else f"{type(error).__name__}: {error}"
        hopeless = isinstance(error, InputError | UsageError | ModelError)
        if isinstance(unit, Whole) and self._record.made(task.item.output):  # it died after its output had appeared
            unit = Whole(replace(unit.job, sink=replace(unit.job.sink, overwrite=True)))
        if not hopeless and work.tries < self.options.tries:
            log.info("%s: %s; tried again", task.item.input, said)
            self._queue.add_again(replace(work, unit=unit), self.options.back_off_seconds * 2 ** (work.tries - 1))
        elif isinstance(unit, Restore) and not unit.pass_through and not hopeless:
            task.notes.append(f"segment {unit.index} keeps the source's frames: {said}")
            self._queue.add_again(replace(work, unit=replace(unit, pass_through=True), tries=work.tries - 1))
        else:
            task.status, task.error = "failed", " ".join(said.split())
            if hopeless and isinstance(unit, Restore | Join):
                JobFolder.remove_at(folder_of(task.item.output))

    def _finished(self, task: Task, finished: Finished) -> None:
        summary = finished.summary
        task.status = "passed" if finished.passed_through else "damaged" if summary.damaged else "done"
        task.done_frames = task.frames = summary.frames
        task.notes += summary.warnings
        task.thumbnails = finished.thumbnails
        info = task.info
        area = info.width * info.height if info else 0
        task.result = summary.to_json() | {
            "segments": finished.segments,
            "passed_through": finished.passed_through,
            "touched": finished.touched,
            "blur_before": finished.blur_before,
            "blur_after": finished.blur_after,
            "pixels_per_second": area * summary.fps,
        }
        self._record.write("passed" if finished.passed_through else "done", task)

    def _check_disk(self, wanted: int) -> None:
        least = self.options.min_free_bytes
        free = shutil.disk_usage(self.folder).free
        if least and free < least + wanted:
            need = f"about {_size(wanted)} and {_size(least)} to spare" if wanted else f"{_size(least)}"
            message = f"{self.folder}: {_size(free)} are free, {need} are needed; make room, or have less left free"
            raise OutputError(message, settings=("min_free",))

    @property
    def failures(self) -> int:
        """Files that failed, or hold stretches that could not be restored."""
        return sum(task.failed for task in self.tasks)


def _size(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
