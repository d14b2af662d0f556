"""The private folder of a server: temporary or persistent, and locked for one server."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import OutputError, reason_of
from ..files import try_lock, user_cache

LOCK_FILE = "in-use"
"""Is in every folder that has been a server's."""


@contextmanager
def private_folder(path: Path | None) -> Iterator[Path]:
    """Create `path`, accessible to its owner only, and lock it; None creates a temporary folder.

    A folder that was made for a server which then could not begin is removed: one that raised OutputError and has no
    videos. Raises OutputError if it cannot be created, another server uses it, or it holds files and was never a
    server's.
    """
    if path is None:
        made = Path(tempfile.mkdtemp(prefix="vdeblur-"))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return
    is_new = not path.exists()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (path / LOCK_FILE).exists() and any(path.iterdir()):
            empty = path / "vdeblur-serve"
            raise OutputError(f"{path}: holds files that are not of vdeblur serve; choose an empty folder, say {empty}")
        lock = open(path / LOCK_FILE, "a+b")  # noqa: SIM115
    except OSError as error:
        raise OutputError(f"{path}: cannot be created: {reason_of(error)}") from error
    try:
        with lock:
            if not try_lock(lock.fileno()):
                raise OutputError(f"{path}: in use by another vdeblur server; stop it, or choose another folder")
            yield path  # the system releases the lock, even after a kill
    except OutputError:
        if is_new and not any(inside.is_dir() for inside in path.iterdir()):
            shutil.rmtree(path, ignore_errors=True)
        raise


def default_folder() -> Path:
    """Folder for videos and the queue if the user names none."""
    return user_cache() / "serve"
