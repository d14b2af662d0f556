"""Several videos in one ZIP archive, made while it is sent and never stored."""

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


class _WriteBuffer:
    """A write-only file; `take` returns what was written since the last call."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing to flush."""

    def take(self) -> bytes:
        taken, self._chunks = b"".join(self._chunks), []
        return taken


async def zipped(files: Mapping[str, Path]) -> AsyncIterator[bytes]:
    """Yield the files as a ZIP archive in chunks, uncompressed since video does not shrink."""
    buffer = _WriteBuffer()
    with zipfile.ZipFile(cast(BinaryIO, buffer), "w") as archive:
        for name, path in files.items():
            with path.open("rb") as file, archive.open(name, "w", force_zip64=True) as entry:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    entry.write(chunk)
                    yield buffer.take()
    yield buffer.take()
