"""What earlier runs of a batch have done: its journal, and the keys by which finished files are recognised."""

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
from .collect import Item
from .journal import Entry, Journal, stat_of
from .task import Task


class Record:
    """The journal of one batch, seen with one model and its settings."""

    def __init__(self, folder: Path, settings: Job, cutting: Cutting) -> None:
        """Read the journal in `folder`. Raises ModelError for an unknown model, OutputError if it cannot be written."""
        self._folder = folder
        self._model, self._settings = model_identity(settings.model), settings_hash(settings, cutting)
        self._journal = Journal(folder / "journal.jsonl")

    def own_output(self, output: str) -> Entry | None:
        """The entry of the file that now has this name; None if the batch did not write that file."""
        return self._journal.own_output(output)

    def has_made(self, item: Item) -> bool:
        """Whether the output was written from this input."""
        entry = self.own_output(item.output)
        return entry is not None and entry.input == item.input

    def is_unchanged(self, entry: Entry, path: str) -> bool:
        """Whether input, model and settings are those of an entry. Raises InputError."""
        return entry.key == self._key(self._journal.input_sha256(path))

    def recall(self, task: Task, entry: Entry) -> None:
        """Mark a task as done by an earlier run, with the results of that run."""
        if entry.event != "done":  # killed between writing the output and its entry
            self._journal.add(replace(entry, event="done", output_stat=stat_of(task.item.output)))
        task.status = "skipped"
        task.result = entry.result
        task.frames = task.done_frames = entry.result.get("frames") or 0
        try:
            task.thumbnails = tuple(json.loads(self._thumbnails(task).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            task.thumbnails = None

    def write(self, event: str, task: Task) -> None:
        """Add an entry for a task: "writing", "done" or "passed".

        Raises InputError if the input is gone before its output is written. If it is gone afterwards, the output is
        whole all the same, and the entry holds what the input was when it was written.
        """
        stat, sha256, output_stat = stat_of(task.item.input), task.input_sha256, stat_of(task.item.output)
        if stat is None and event != "writing" and (begun := self._journal.last(task.item.output)):
            stat = begun.input_stat
        if stat is None:
            raise InputError(f"{task.item.input}: the file is gone")
        if event != "writing" and task.thumbnails:
            write_json(self._thumbnails(task), task.thumbnails)
        key = self._key(sha256)
        self._journal.add(Entry(event, task.item.output, key, task.item.input, stat, sha256, output_stat, task.result))

    def past_speed(self, tasks: Iterable[Task]) -> float | None:
        """Median speed of earlier runs with this model on these tasks, in pixels per second; None if there are none."""
        speeds = [
            entry.result["pixels_per_second"]
            for task in tasks
            if (entry := self._journal.last(task.item.output))
            and entry.key.partition("-")[2].rpartition("-")[0] == self._model  # see `_key`
            and entry.result.get("pixels_per_second")
        ]
        return sorted(speeds)[len(speeds) // 2] if speeds else None

    def _key(self, input_sha256: str) -> str:
        return f"{input_sha256}-{self._model}-{self._settings}"

    def _thumbnails(self, task: Task) -> Path:
        return self._folder / f"{hashlib.sha256(task.item.output.encode()).hexdigest()[:24]}.json"
