"""A claim on the folder of a job in segments: one run at a time restores, prepares or joins it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from ..errors import OutputError, reason_of
from ..files import try_lock

LOCK_FILE = "in-use"
"""Is in the folder of a job while a run has it, and after a run that was killed."""


class Claim:
    """In a `with` block, keeps other runs away from the folder of an output, at once where there is such a folder.

    The system ends a claim with its process, even after a kill.
    """

    def __init__(self, path: Path, output: str) -> None:
        self._lock, self._output = path / LOCK_FILE, output
        self._held: BinaryIO | None = None

    def __enter__(self) -> Claim:
        """Raises what `take` raises."""
        if self._lock.parent.is_dir():
            self.take()
        return self

    def take(self) -> None:
        """Claim the folder, which is made if it is missing; nothing if this claim has it.

        Raises OutputError if another run has it, or it cannot be written.
        """
        try:
            while self._held is None:
                self._lock.parent.mkdir(exist_ok=True)
                file = self._lock.open("a+b")
                if not try_lock(file.fileno()):
                    file.close()
                    raise OutputError(f"{self._output}: another run is at work on it; wait for its end, or stop it")
                if _is_at(file, self._lock):
                    self._held = file
                else:  # the run that had it removed it meanwhile
                    file.close()
        except OSError as error:
            raise OutputError(f"{self._output}: cannot be written: {reason_of(error)}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the lock, and the folder if nothing else is in it."""
        if self._held is not None:
            _remove(self._lock, self._held)
            with suppress(OSError):  # finished segments stay
                self._lock.parent.rmdir()


def remove_stale(lock: Path) -> None:
    """Remove the lock of a run that was killed; one that a run holds stays."""
    with suppress(OSError):
        file = lock.open("a+b")
        if try_lock(file.fileno()):
            _remove(lock, file)
        file.close()


def _remove(lock: Path, file: BinaryIO) -> None:
    """Remove a lock that is held, and release it."""
    if os.name == "nt":  # Windows removes no open file
        file.close()
    with suppress(OSError):
        lock.unlink(missing_ok=True)
    file.close()


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
