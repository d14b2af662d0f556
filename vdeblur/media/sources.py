"""`open_source`: the source for a path."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..errors import InputError, UsageError
from ..protocols import Source
from .image_source import ImageSource
from .options import SourceOptions
from .paths import is_image_input
from .video_source import VideoSource

DEFAULTS = SourceOptions()


def open_source(path: str | os.PathLike[str], options: SourceOptions = DEFAULTS) -> Source:
    """Open a media file, `-` (standard input), or images: a folder, `frames/*.png`, `frames/%04d.png` or one file.

    Raises InputError for an input that is missing, empty, unreadable or without frames, and UsageError for invalid
    settings.
    """
    path = os.fspath(path)
    if not path:
        raise UsageError("the name of the input is empty; name a file, or `-` for standard input")
    start, end = options.start_seconds, options.end_seconds
    if (start is not None and start < 0) or (end is not None and end <= (start or 0)):
        message = f"the range from {start or 0:g} s to {end} s is empty; the end must lie after the start"
        raise UsageError(message, settings=("start_seconds", "end_seconds"))
    if path == "-":
        return VideoSource(sys.stdin.buffer, "standard input", options)
    try:
        exists = Path(path).exists()
    except OSError as error:  # an invalid file name
        raise InputError(f"{path[:80]}: cannot be opened: {error.strerror}") from error
    if "://" in path and not exists:
        raise InputError(f"{path}: a URL, not a file; `vdeblur live` opens streams")
    if is_image_input(path):
        return ImageSource(path, options)
    file = Path(path)
    if not exists:
        raise InputError(f"{path}: no such file")
    if file.is_fifo():
        raise InputError(f"{path}: is a pipe, which can be read only once; send it to standard input, and read `-`")
    if file.is_file() and file.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    return VideoSource(path, path, options)
