"""A slot for one item between two threads, in which newer items replace older ones."""

from __future__ import annotations

import time
from threading import Condition
from typing import Generic, TypeVar

Kept = TypeVar("Kept")


class Newest(Generic[Kept]):
    """A slot for one item between two threads: `put` replaces an item that has not been taken."""

    def __init__(self) -> None:
        self._item: Kept | None = None
        self._ended = False
        self._error: BaseException | None = None
        self._changed = Condition()

    def put(self, item: Kept) -> bool:
        """Put an item; True if it replaced an older one."""
        with self._changed:
            dropped = self._item is not None
            self._item = item
            self._changed.notify_all()
            return dropped

    def take(self, timeout: float | None = None) -> Kept | None:
        """Wait for an item; None after `timeout` seconds or at the end. Raises the producer's error."""
        until = None if timeout is None else time.perf_counter() + timeout
        with self._changed:
            while self._item is None and not self._ended:
                left = 0.5 if until is None else min(0.5, until - time.perf_counter())
                if left <= 0:
                    return None
                self._changed.wait(left)
            item, self._item = self._item, None
            if item is None and self._error is not None:
                raise self._error
            return item

    def end(self, error: BaseException | None = None) -> None:
        """Mark the end, as the producer."""
        with self._changed:
            self._ended = True
            self._error = self._error or error
            self._changed.notify_all()

    @property
    def has_ended(self) -> bool:
        """Whether there is no item and none will follow."""
        with self._changed:
            return self._ended and self._item is None
