"""Whether what was written can be read again: an encoder may make what no decoder opens."""

from __future__ import annotations

from pathlib import Path

import av

from ..errors import OutputError, reason_of


def check_readable(path: Path, name: str) -> None:
    """Open a finished file, later to be called `name`, and decode its first frame. Raises OutputError."""
    try:
        with av.open(f"file:{path}", metadata_errors="replace") as container:
            frame = next(container.decode(video=0), None)
    except (av.FFmpegError, IndexError, OSError) as error:
        raise OutputError(
            f"{name}: what was written cannot be read again: {reason_of(error)}; try another codec"
        ) from error
    if frame is None:
        raise OutputError(f"{name}: what was written holds no frame that can be decoded; try another codec")
