"""What a batch has done, line by line on the disk, so that the next one knows it again: by content, not by name."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..files import sync
from ..jobs.fingerprints import input_sha256
from ..media.image_files import images_of

Stat = tuple[int, int]
"""Size in bytes, and time of the last change in nanoseconds; for a folder of images a number made of their names,
sizes and times."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    event: str
    """"writing" before an output may appear; after it has, "done", or "passed" where some of it is still the source's
    own and the next run tries again."""
    output: str
    key: str
    """Hashes of input, model and settings."""
    input: str
    input_stat: Stat
    input_sha256: str
    output_stat: Stat | None
    """Of the output; with "writing", of what stood there before."""
    result: dict[str, Any]
    """What the report says of it."""


class Journal:
    """A file of JSON lines that is only ever added to; a line that a power cut tore is left out when it is read."""

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises OutputError where the journal cannot be kept."""
        self._path = path
        self._last: dict[str, Entry] = {}
        self._hashes: dict[tuple[str, Stat], str] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
            if lines and lines[-1]:
                with path.open("a", encoding="utf-8") as file:  # so that the next line starts on its own
                    file.write("\n")
        except OSError as error:
            raise OutputError(f"{path}: cannot be kept: {error.strerror}") from error
        for line in lines:
            try:
                made = json.loads(line)
                stats = {name: made[name] and tuple(made[name]) for name in ("input_stat", "output_stat")}
                self._take(Entry(**made | stats))
            except (ValueError, TypeError, KeyError):
                continue

    def _take(self, entry: Entry) -> None:
        self._last[entry.output] = entry
        self._hashes[entry.input, entry.input_stat] = entry.input_sha256

    def add(self, entry: Entry) -> None:
        """Write a line down to the disk."""
        line = {name: getattr(entry, name) for name in Entry.__slots__}
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                sync(file.fileno())
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be kept: {error.strerror}") from error
        self._take(entry)

    def input_sha256(self, path: str) -> str:
        """Of an input, from the journal where it has not changed since. Raises InputError."""
        return self._hashes.get((path, stat_of(path) or (0, 0))) or input_sha256(path)

    def last(self, output: str) -> Entry | None:
        """The last line about an output."""
        return self._last.get(output)

    def made(self, output: str) -> Entry | None:
        """The line that says that what stands under this name now is our work; None where it is not."""
        entry, now = self._last.get(output), stat_of(output)
        if entry is None or now is None:
            return None
        # An output appears whole: after "writing", another file than before is the one that was about to be done.
        ours = now != entry.output_stat if entry.event == "writing" else now == entry.output_stat
        return entry if ours else None


def stat_of(path: str) -> Stat | None:
    """Size and time of a file, or of all images in a folder or of a pattern; None where there is none."""
    try:
        if (images := images_of(path)) is None:
            stat = os.stat(path)
            return stat.st_size, stat.st_mtime_ns
        stats = [(image.name, (stat := image.stat()).st_size, stat.st_mtime_ns) for image in images]
    except OSError:
        return None
    if not stats:
        return None
    digest = hashlib.sha256(json.dumps(stats).encode()).digest()
    return sum(size for _, size, _ in stats), int.from_bytes(digest[:8])
