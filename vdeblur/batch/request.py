"""What a batch is asked to do."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..errors import UsageError
from ..jobs.job import Job
from .collect import Item, collect
from .scheduler import BatchOptions
from .units import do
from .workers import Executor, Workers, auto_jobs


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    paths: tuple[str, ...]
    output: str | None
    """Folder for outputs, journal and report. None: each output beside its input, the journal where all inputs are, and
    no report."""
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
        """The files. Raises what `collect` raises."""
        return collect(
            self.paths,
            self.output,
            recursive=self.recursive,
            include=self.include,
            exclude=self.exclude,
            name=self.name,
        )

    @property
    def folder(self) -> str:
        """Where the journal lies."""
        if self.output is not None:
            return self.output
        folders = [os.path.dirname(os.path.abspath(path)) for path in self.paths]
        return os.path.commonpath(folders)

    def worker_count(self) -> int:
        """How many processes. Raises UsageError for what is no number."""
        if self.jobs == "auto":
            return auto_jobs(self.settings.model.device)
        if not self.jobs.isdecimal() or not 1 <= int(self.jobs) <= 1024:
            raise UsageError(f"{self.jobs}: give a number of processes, or auto", settings=("jobs",))
        return int(self.jobs)

    def executor(self) -> Executor:
        """Whoever does the work. Raises UsageError where Ray is asked for and not installed."""
        if self.ray is not None:
            from .cluster import RayActors

            return RayActors(self.ray, self.settings.model.device)
        return Workers(do, self.worker_count(), self.settings.model.device)
