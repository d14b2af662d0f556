"""What is done already: the journal of a batch, and how its files are known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from ..files import write_json
from ..jobs.fingerprints import model_identity
from ..jobs.folder import settings_hash
from ..jobs.job import Job
from ..jobs.plan import Cutting
from .journal import Entry, Journal, stat_of
from .task import Task


class Record:
    """The journal of one batch, for one model and settings."""

    def __init__(self, folder: Path, settings: Job, cutting: Cutting) -> None:
        """Read what `folder` holds. Raises ModelError for an unknown model, OutputError where it cannot be written."""
        self._folder = folder
        self._model, self._settings = model_identity(settings.model), settings_hash(settings, cutting)
        self._journal = Journal(folder / "journal.jsonl")

    def made(self, output: str) -> Entry | None:
        """The line that says that what stands under this name is our work; None where it is not."""
        return self._journal.made(output)

    def is_unchanged(self, made: Entry, path: str) -> bool:
        """Whether input, model and settings are those that an output was made from. Raises InputError."""
        return made.key == self._key(self._journal.input_sha256(path))

    def recall(self, task: Task, made: Entry) -> None:
        """Mark a task as done by an earlier run, with what that run found out."""
        if made.event != "done":  # a kill came between the output and its line
            self._journal.add(replace(made, event="done", output_stat=stat_of(task.item.output)))
        task.status = "skipped"
        task.result = made.result
        task.frames = task.done_frames = made.result.get("frames") or 0
        try:
            task.thumbnails = tuple(json.loads(self._thumbnails(task).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            task.thumbnails = None

    def write(self, event: str, task: Task) -> None:
        """Note what happens to a task: "writing", "done" or "passed". Raises InputError where its input is gone."""
        stat, sha256, output_stat = stat_of(task.item.input), task.input_sha256, stat_of(task.item.output)
        if stat is None:
            raise InputError(f"{task.item.input}: is gone")
        if event != "writing" and task.thumbnails:
            write_json(self._thumbnails(task), task.thumbnails)
        key = self._key(sha256)
        self._journal.add(Entry(event, task.item.output, key, task.item.input, stat, sha256, output_stat, task.result))

    def past_speed(self, tasks: Iterable[Task]) -> float | None:
        """Median of the pixels a second that outputs of these tasks were restored at; None where none was."""
        speeds = [
            entry.result["pixels_per_second"]
            for task in tasks
            if (entry := self._journal.last(task.item.output)) and entry.result.get("pixels_per_second")
        ]
        return sorted(speeds)[len(speeds) // 2] if speeds else None

    def _key(self, input_sha256: str) -> str:
        return f"{input_sha256}-{self._model}-{self._settings}"

    def _thumbnails(self, task: Task) -> Path:
        return self._folder / f"{hashlib.sha256(task.item.output.encode()).hexdigest()[:24]}.json"
