"""Watched folders: new or changed files are restored once they have stopped growing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from threading import Event

from ..errors import InputError, UsageError
from .collect import Item
from .journal import Stat, stat_of
from .report import write_reports
from .request import Request
from .scheduler import BatchRun
from .workers import Executor

SETTLED_SECONDS = 3.0
"""A file that has not changed for this long counts as complete."""
RESCAN_SECONDS = 5.0
"""Folders are scanned at least this often, since network shares do not report changes."""
POLL_SECONDS = 0.5


class Settling:
    """Tells files that are still being written from complete ones."""

    def __init__(self, seconds: float = SETTLED_SECONDS) -> None:
        self._seconds = seconds
        self._seen: dict[str, tuple[Stat | None, float]] = {}

    def is_settled(self, path: str) -> bool:
        """Whether the file has not changed for long enough, since it was first asked about."""
        stat, now = stat_of(path), time.monotonic()
        before, since = self._seen.get(path, (None, now))
        if stat != before or stat is None or stat[0] == 0:
            self._seen[path] = stat, now
            return False
        return now - since >= self._seconds


def watch(
    batch: BatchRun,
    request: Request,
    executor: Executor,
    on_progress: Callable[[BatchRun], None],
    settling: Settling | None = None,
) -> None:
    """Restore files that appear in the folders of a request, until `on_progress` raises.

    Raises UsageError if watchdog is not installed or there is no folder to watch.
    """
    folders = [path for path in request.paths if os.path.isdir(path)]
    if not folders:
        raise UsageError("nothing to watch; name at least one folder")
    if "{index}" in request.name:
        message = "{index} changes with every new file while watching; use {stem}"
        raise UsageError(message, settings=("name",))
    try:
        from watchdog.events import FileSystemEventHandler
        from watchdog.observers import Observer
    except ImportError as error:
        raise UsageError("watching needs watchdog: pip install 'vdeblur[watch]'") from error
    changed = Event()

    class Changes(FileSystemEventHandler):
        def on_any_event(self, event: object) -> None:
            changed.set()

    settling = settling or Settling()
    observer = Observer()
    for folder in folders:
        observer.schedule(Changes(), folder, recursive=request.recursive)
    observer.start()
    taken: dict[str, Stat | None] = {}
    try:
        scanned = 0.0
        while True:
            on_progress(batch)
            if changed.wait(POLL_SECONDS) or time.monotonic() - scanned > RESCAN_SECONDS:
                changed.clear()
                scanned = time.monotonic()
                new, growing = _new_files(request, settling, taken)
                if growing:
                    changed.set()
                    time.sleep(POLL_SECONDS)
                if new:
                    taken |= {item.input: stat_of(item.input) for item in new}
                    batch.add(new)
                    batch.run(executor, on_progress)
                    write_reports(batch)
    finally:
        observer.stop()
        observer.join()


def _new_files(request: Request, settling: Settling, taken: dict[str, Stat | None]) -> tuple[list[Item], bool]:
    """(complete files that are new or have changed since they were taken, whether others are still growing)."""
    try:
        items = [item for item in request.items() if taken.get(item.input) != stat_of(item.input)]
    except InputError:  # the folder is still empty
        items = []
    whole = [item for item in items if settling.is_settled(item.input)]
    return whole, len(whole) < len(items)
