"""The private folder of a server: a temporary one, or one that stays, for one server alone."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import OutputError, reason_of
from ..files import user_cache

LOCK_FILE = "in-use"


@contextmanager
def private_folder(path: Path | None) -> Iterator[Path]:
    """Make `path`, which only its owner may enter, and hold it; None is a temporary one.

    Raises OutputError where it cannot be made, or another server holds it.
    """
    if path is None:
        made = Path(tempfile.mkdtemp(prefix="vdeblur-"))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = open(path / LOCK_FILE, "a+b")  # noqa: SIM115
    except OSError as error:
        raise OutputError(f"{path}: cannot be used for videos: {reason_of(error)}") from error
    with lock:
        if not _hold(lock.fileno()):
            raise OutputError(f"{path}: another vdeblur server uses this folder; stop it, or name another folder")
        yield path  # the system lets go of the lock, also after a kill


def kept_folder() -> Path:
    """Where videos and the queue lie for a user who names no other place."""
    return user_cache() / "serve"


def _hold(file: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a network folder without locks
        return True
    return True
