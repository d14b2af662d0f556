"""Many videos in one ZIP archive, made while it is sent: it never lies anywhere as a whole."""

from __future__ import annotations

import asyncio
import itertools
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import BinaryIO, cast

CHUNK_BYTES = 1 << 20


def unique_names(names: list[str]) -> list[str]:
    """a.mp4, a.mp4 -> a.mp4, a (2).mp4."""
    taken: list[str] = []
    for name in names:
        path = Path(name)
        numbered = (f"{path.stem} ({number}){path.suffix}" for number in itertools.count(2))
        taken.append(next(free for free in itertools.chain([name], numbered) if free not in taken))
    return taken


class _Pieces:
    """A file that only takes: what was written since the last `take` waits there."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it."""

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


async def zipped(files: Mapping[str, Path]) -> AsyncIterator[bytes]:
    """The files as a ZIP archive, uncompressed (video does not shrink), a piece at a time."""
    pieces = _Pieces()
    with zipfile.ZipFile(cast(BinaryIO, pieces), "w") as archive:
        for name, path in files.items():
            with path.open("rb") as file, archive.open(name, "w", force_zip64=True) as entry:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    entry.write(chunk)
                    yield pieces.take()
    yield pieces.take()
