"""The queue of a server: its order, its workers, and the file from which it is restored after a restart."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OutputError, VdeblurError, reason_of
from ..files import write_json
from ..progress import Meter
from .archive import unique_names
from .choices import Settings
from .job import ServedJob, is_unwanted
from .restoring import Cancelled, error_text, is_full_disk, make_poster, restore_upload, unexpected
from .threads import Threads

if TYPE_CHECKING:
    from .options import ServeOptions

log = logging.getLogger(__name__)

QUEUE_FILE = "queue.json"
UNREADABLE_FILE = "queue.unreadable.json"
STOP_SECONDS = 10.0
"""How long to wait for running frames when the server ends."""
REMOVE_SECONDS = 60.0
"""How often to look for jobs that were finished long ago."""


class Queue:
    """All videos of a server. Workers restore them in order, make the posters of new ones, and remove old ones."""

    def __init__(self, options: ServeOptions, folder: Path) -> None:
        """Load the queue from the private `folder`; incomplete uploads are removed.

        Raises OutputError for a queue that can neither be read nor set aside.
        """
        self._options, self.folder = options, folder
        self._jobs: dict[str, ServedJob] = {}
        """By id, in the order in which they are restored."""
        self.is_paused = False
        """Whether no new job is started; a running one continues."""
        self.threads = Threads()
        """In which videos are restored and frames of them made."""
        self._changed = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []
        self._working: dict[str, asyncio.Future[None]] = {}
        """Job id -> future that is done when its thread has ended."""
        self._load()

    def start(self) -> None:
        """Start the workers."""
        works = (self._restore_all, self._prepare_all, self._remove_old)
        self._workers = [asyncio.create_task(work()) for work in works]

    async def close(self) -> None:
        """Stop the workers; unfinished jobs remain for the next server. What still runs after STOP_SECONDS is left."""
        for worker in self._workers:
            worker.cancel()
        for job in self.jobs:
            job.cancelled.set()
        try:
            await asyncio.gather(*self._workers, return_exceptions=True)
            await self.threads.end(STOP_SECONDS)
            await asyncio.sleep(0)  # `_restore` notes that a job has ended as its thread did
        finally:
            self._save()

    # -- what it holds ------------------------------------------------------------------------------------------------

    @property
    def jobs(self) -> list[ServedJob]:
        """All jobs, in order."""
        return list(self._jobs.values())

    def find(self, job_id: str) -> ServedJob | None:
        """The job with this id."""
        return self._jobs.get(job_id)

    def add(self, job: ServedJob) -> None:
        """Append a job; its upload may still be running."""
        self._jobs[job.id] = job

    def received(self, job: ServedJob) -> None:
        """Mark the upload of a job as complete."""
        job.status = "waiting"
        self._has_changed()
        job.keep_folder()  # only now: the queue names it

    async def remove(self, job: ServedJob) -> None:
        """Stop a job if it runs, and remove its files."""
        job.cancelled.set()
        self._jobs.pop(job.id, None)
        await self._wait_for_end(job)
        await asyncio.to_thread(job.remove_folder)
        self._has_changed()

    async def change(self, job: ServedJob, settings: Settings) -> None:
        """Restore a job with other settings: again if it is finished, from the start if it runs."""
        job.cancelled.set()
        await self._wait_for_end(job)
        job.requeue(settings)
        self._has_changed()

    def reorder(self, wanted: Sequence[str]) -> None:
        """Put the named jobs into this order, at the positions that they have now; unknown names are ignored."""
        named = [job_id for job_id in dict.fromkeys(wanted) if job_id in self._jobs]
        following = iter(named)
        order = [next(following) if job_id in set(named) else job_id for job_id in self._jobs]
        self._jobs = {job_id: self._jobs[job_id] for job_id in order}
        self._has_changed()

    def pause(self, is_paused: bool) -> None:
        """Pause or continue the queue."""
        self.is_paused = is_paused
        self._has_changed()

    async def _wait_for_end(self, job: ServedJob) -> None:
        if running := self._working.get(job.id):  # its thread ends with the next frame, and closes the files
            await asyncio.wait([running])

    # -- work ---------------------------------------------------------------------------------------------------------

    async def _restore_all(self) -> None:
        while True:
            job = await self._next(self._may_start)
            job.status, job.meter = "restoring", Meter()
            self._save()
            self._working[job.id] = running = asyncio.ensure_future(self._restore(job))
            try:
                await asyncio.shield(running)
            finally:
                self._working.pop(job.id, None)
            self._has_changed()

    def _may_start(self, job: ServedJob) -> bool:
        """Whether a job can be restored: its poster goes first, since it takes seconds and people wait for it.

        A cancelled one waits until `change` has given it its new settings: begun before, it would run as waiting.
        """
        if job.status != "waiting" or job.cancelled.is_set() or self.is_paused:
            return False
        return job.poster is not None or bool(job.poster_error)

    async def _restore(self, job: ServedJob) -> None:
        try:
            await self.threads.run(restore_upload, job, self._options)
        except Cancelled:
            job.status = "waiting"  # it was changed or removed, or the server is ending
        except VdeblurError as error:
            job.finish(error_text(error, job))
        except Exception as error:
            log.exception("job %s failed", job.id)
            job.finish(unexpected(error))
        else:
            job.finish()

    async def _prepare_all(self) -> None:
        while True:
            job = await self._next(
                lambda job: job.status != "uploading" and job.poster is None and not job.poster_error
            )
            try:
                job.poster = await self.threads.run(make_poster, job, self._options)
            except VdeblurError as error:
                job.poster_error = error_text(error, job)
            except Exception as error:
                if job.id in self._jobs:  # else its files were removed meanwhile
                    log.exception("poster of job %s failed", job.id)
                job.poster_error = unexpected(error)
            self._has_changed()

    async def _remove_old(self) -> None:
        while True:
            for job in self.jobs:
                if job.finished_at is not None and time.time() - job.finished_at > self._options.job_seconds:
                    await self.remove(job)
            await asyncio.sleep(REMOVE_SECONDS)

    async def _next(self, is_wanted: Callable[[ServedJob], bool]) -> ServedJob:
        while True:
            for job in self.jobs:
                if is_wanted(job):
                    return job
            self._changed.clear()
            await self._changed.wait()

    def _has_changed(self) -> None:
        self._save()
        self._changed.set()

    # -- after a restart ----------------------------------------------------------------------------------------------

    def _save(self) -> None:
        records = [job.to_record() for job in self.jobs if job.status != "uploading"]
        try:
            write_json(self.folder / QUEUE_FILE, {"is_paused": self.is_paused, "jobs": records})
        except OSError as error:
            reason = "the disk is full" if is_full_disk(error) else str(error)
            log.warning("the queue cannot be saved: %s", reason)

    def _load(self) -> None:
        try:
            kept = json.loads((self.folder / QUEUE_FILE).read_text(encoding="utf-8"))
            self.is_paused = bool(kept["is_paused"])
            found = [ServedJob.from_record(record, self.folder) for record in kept["jobs"]]
        except FileNotFoundError:
            found = []
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._set_aside(error)
            found = []
        self._jobs = {job.id: job for job in found if job is not None}
        for job in self.jobs:
            job.keep_folder()
        for folder in self.folder.iterdir():
            if folder.name not in self._jobs and is_unwanted(folder):
                shutil.rmtree(folder, ignore_errors=True)

    def _set_aside(self, reason: Exception) -> None:
        """Keep a queue that cannot be read under another name; the videos that it names stay where they are."""
        path = self.folder / QUEUE_FILE
        names = [*(one.name for one in self.folder.iterdir()), UNREADABLE_FILE]
        kept = self.folder / unique_names(names)[-1]
        try:
            path.rename(kept)
        except OSError as error:
            raise OutputError(f"{path}: neither readable nor renamable: {reason_of(error)}; move it away") from error
        log.warning("%s: cannot be read (%s); renamed to %s, and its videos are kept", path, reason, kept.name)
