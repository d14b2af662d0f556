"""Whether what was written can be read again: an encoder may make what no decoder opens."""

from __future__ import annotations

from pathlib import Path

import av

from ..errors import OutputError, reason_of


def check_readable(path: Path, index: int, name: str) -> None:
    """Open a finished file, later to be called `name`, and decode the first frame of stream `index`.

    Not that of other video streams, which were copied, damage and all. Raises OutputError.
    """
    try:
        with av.open(f"file:{path}", metadata_errors="replace") as container:
            frame = next(container.decode(container.streams[index]), None)
    except (av.FFmpegError, IndexError, OSError) as error:
        raise OutputError(
            f"{name}: what was written cannot be read again: {reason_of(error)}; try another codec"
        ) from error
    if frame is None:
        raise OutputError(f"{name}: what was written holds no frame that can be decoded; try another codec")
