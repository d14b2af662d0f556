"""Checks that a written file can be decoded: some encoders produce streams that no decoder reads."""

from __future__ import annotations

from pathlib import Path

import av

from ..errors import OutputError, reason_of


def check_readable(path: Path, index: int, name: str) -> None:
    """Open a finished file, named `name` in errors, and decode the first frame of stream `index`.

    Other video streams are not checked: they are copies, including any damage. Raises OutputError.
    """
    try:
        with av.open(f"file:{path}", metadata_errors="replace") as container:
            frame = next(container.decode(container.streams[index]), None)
    except (av.FFmpegError, IndexError, OSError) as error:
        raise OutputError(
            f"{name}: the written file cannot be decoded: {reason_of(error)}; try another codec"
        ) from error
    if frame is None:
        raise OutputError(f"{name}: no frame of the written file can be decoded; try another codec")
