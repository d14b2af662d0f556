"""A batch as requested on the command line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError
from ..files import user_cache
from ..jobs.job import Job
from .collect import Item, collect
from .scheduler import BatchOptions
from .units import run_unit
from .workers import Executor, Workers, auto_jobs


@dataclass(frozen=True, slots=True)
class Request:
    """Inputs, outputs and settings of a batch."""

    paths: tuple[str, ...]
    output: str | None
    """Folder for outputs, journal and report. None: outputs next to their inputs, the journal beside them or in the
    user's cache, no report."""
    settings: Job
    options: BatchOptions
    recursive: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    name: str = "{stem}{suffix}"
    jobs: str = "auto"
    ray: str | None = None
    watch: bool = False

    def items(self) -> list[Item]:
        """Collect the files. Raises what `collect` raises."""
        return collect(
            self.paths,
            self.output,
            recursive=self.recursive,
            include=self.include,
            exclude=self.exclude,
            name=self.name,
            may_clash=self.watch,  # files appear one by one, and one of them must not end the others' restoration
        )

    def folder(self, items: Sequence[Item]) -> str:
        """Folder of the journal.

        Without an output folder it is that of the outputs. If they go into several, what these have in common may be /,
        or nothing at all, and is not ours to write to: the journal is in the user's cache, one for each common folder.
        """
        if self.output is not None:
            return self.output
        folders = {os.path.dirname(item.output.rstrip("/" + os.sep)) for item in items}
        if len(folders) == 1:
            return folders.pop()
        try:
            common = os.path.commonpath(folders)
        except ValueError:  # on several drives of Windows
            common = ""
        return str(user_cache() / "batch" / hashlib.sha256(common.encode()).hexdigest()[:16])

    def worker_count(self) -> int:
        """Number of worker processes. Raises UsageError for an invalid number."""
        if self.jobs == "auto":
            return auto_jobs(self.settings.model.device)
        if not self.jobs.isdecimal() or not 1 <= int(self.jobs) <= 1024:
            raise UsageError(f"{self.jobs}: not a number of processes from 1 to 1024, nor auto", settings=("jobs",))
        return int(self.jobs)

    def executor(self) -> Executor:
        """Start the workers. Raises UsageError if Ray is requested and not installed."""
        if self.ray is not None:
            from .cluster import RayActors

            return RayActors(self.ray, self.settings.model.device)
        return Workers(run_unit, self.worker_count(), self.settings.model.device)
