"""A log on disk of what a batch has done, by which the next run recognises finished files: by content, not by name."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from ..errors import OutputError
from ..files import sync
from ..jobs.fingerprints import input_sha256
from ..media.image_files import images_of

Stat = tuple[int, int]
"""Size in bytes, and modification time in nanoseconds; for image sequences, in place of the time, a hash of the names,
sizes and times."""


class FileFigures(TypedDict, total=False):
    """Figures of a restored file."""

    frames: int
    fps: float
    model: str
    device: str
    concealed: int
    segments: int
    passed_through: int
    """Segments that hold source frames."""
    touched: int
    """Frames that were changed."""
    blur_before: float | None
    """Mean blur length in pixels."""
    blur_after: float | None
    pixels_per_second: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal."""

    event: str
    """"writing" before the output appears; then "done", or "passed" if some segments hold source frames and the next
    run tries again."""
    output: str
    key: str
    """Hashes of input, model and settings."""
    input: str
    input_stat: Stat
    input_sha256: str
    output_stat: Stat | None
    """Of the output; for "writing", of an earlier file of that name."""
    result: FileFigures
    """Figures for the report."""


class Journal:
    """An append-only file of JSON lines; lines truncated by a power cut are ignored when it is read."""

    def __init__(self, path: Path) -> None:
        """Read an existing journal. Raises OutputError if it cannot be read or written."""
        self._path = path
        self._last: dict[str, Entry] = {}
        self._hashes: dict[tuple[str, Stat], str] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
            if lines and lines[-1]:
                with path.open("a", encoding="utf-8") as file:  # end the truncated line
                    file.write("\n")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
        for line in lines:
            try:
                made = json.loads(line)
                stats = {name: made[name] and tuple(made[name]) for name in ("input_stat", "output_stat")}
                self._remember(Entry(**made | stats))
            except (ValueError, TypeError, KeyError):
                continue

    def _remember(self, entry: Entry) -> None:
        self._last[entry.output] = entry
        self._hashes[entry.input, entry.input_stat] = entry.input_sha256

    def add(self, entry: Entry) -> None:
        """Append a line and flush it to disk."""
        line = {name: getattr(entry, name) for name in Entry.__slots__}
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                sync(file.fileno())
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written: {error.strerror}") from error
        self._remember(entry)

    def input_sha256(self, path: str) -> str:
        """Hash of an input, from the journal if it has not changed since. Raises InputError."""
        return self._hashes.get((path, stat_of(path) or (0, 0))) or input_sha256(path)

    def last(self, output: str) -> Entry | None:
        """The last entry of an output."""
        return self._last.get(output)

    def own_output(self, output: str) -> Entry | None:
        """The entry of the file that now has this name; None if the batch did not write that file."""
        entry, now = self._last.get(output), stat_of(output)
        if entry is None or now is None:
            return None
        # Outputs appear by renaming: after "writing", a file that differs from the earlier one is the new output.
        ours = now != entry.output_stat if entry.event == "writing" else now == entry.output_stat
        return entry if ours else None


def stat_of(path: str) -> Stat | None:
    """Size and time of a file, or of all images of a sequence; None if there is none."""
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
