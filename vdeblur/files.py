"""Hashes of files and of pictures in sequence, and JSON files that are there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from .errors import InputError
from .media.sources import is_image_input


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises InputError for one that cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def input_sha256(path: str) -> str:
    """SHA-256 of an input: a file, or the names and contents of all pictures of a folder or pattern. InputError."""
    pictures = pictures_of(path)
    if pictures is None:
        return file_sha256(path)
    listed = "".join(f"{picture.name}\0{file_sha256(picture)}\n" for picture in pictures)
    return hashlib.sha256(listed.encode()).hexdigest()


def bytes_of(path: str) -> int | None:
    """Size of a file, or of all images of a folder or pattern; None for a pipe, or where there is nothing."""
    images = pictures_of(path)
    try:
        return sum(os.path.getsize(image) for image in images) if images else os.path.getsize(path)
    except OSError:
        return None


def pictures_of(path: str) -> list[Path] | None:
    """The pictures in a folder or of a pattern; None for a file, or nothing at all."""
    if os.path.isfile(path) or not is_image_input(path):
        return None
    from .media.images import image_files

    return image_files(path)


def write_json(path: Path, value: Any) -> None:
    """Write JSON that is there whole or not at all, also after a power cut."""
    part = path.with_name(f".{path.name}-{secrets.token_hex(4)}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
