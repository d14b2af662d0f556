"""Atomic writing of files and folders, hashes of files, and the order of their names."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError, OutputError, reason_of

_NO_WAIT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""How file systems say that they cannot wait for the disk."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name next to `path`, renamed to `path` at the end of the block, or deleted after an exception.

    Readers of `path`, also after a power cut, see the complete old or new file. Raises OSError.
    """
    part = path.with_name(f".{path.name}-{secrets.token_hex(4)}.part")
    try:
        yield part
        flush(part)
        os.replace(part, path)
        flush(path.parent)
    finally:
        part.unlink(missing_ok=True)


def check_replaceable(path: Path) -> None:
    """Raise now the OSError that `replacing(path)` would raise after the work of which `path` is to tell."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    part = path.with_name(f".{path.name}-{secrets.token_hex(4)}.part")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    part.unlink()


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill within the block, which gets its name only if the block succeeds.

    Raises OutputError if the name is taken or cannot be written.
    """
    if folder.exists():
        raise OutputError(f"{folder}: already exists; choose another folder")
    part = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}.part")
    try:
        part.mkdir(parents=True)
        yield part
        part.rename(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {reason_of(error)}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def writing(what: str, path: str | Path) -> Iterator[None]:
    """In place of an OSError the block raises OutputError: `what`, such as "the page", cannot be written to `path`."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot write {what} ({reason_of(error)})") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically. Raises OSError."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically. Raises OSError."""
    write_text(path, json.dumps(value))


def flush(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk. Raises OSError."""
    is_folder = path.is_dir()
    if os.name == "nt" and is_folder:
        return
    try:
        handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)  # Windows flushes writable files only
    except PermissionError:
        if is_folder:  # writable but not listable
            return
        raise
    try:
        sync(handle)
    finally:
        os.close(handle)


def sync(handle: int) -> None:
    """Flush an open file to disk. Raises OSError.

    Many network file systems do not support this, or not for folders; that is ignored.
    """
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_WAIT:
            raise


def try_lock(file: int) -> bool:
    """Lock an open file until it is closed, also by a kill; False if another process, or this one, has locked it."""
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


def user_cache() -> Path:
    """The cache folder for vdeblur in XDG_CACHE_HOME, or where the system keeps caches. It may not exist yet."""
    if named := os.environ.get("XDG_CACHE_HOME"):
        parent = Path(named)
    elif sys.platform == "win32":
        parent = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif sys.platform == "darwin":
        parent = Path.home() / "Library/Caches"
    else:
        parent = Path.home() / ".cache"
    return parent / "vdeblur"


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises InputError if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """A sort key that puts frame10 after frame9."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), len(part), "") if part.isdecimal() else (-1, 0, part) for part in parts]
