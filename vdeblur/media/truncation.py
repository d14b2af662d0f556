"""Detects truncated files, which FFmpeg reads without an error."""

from __future__ import annotations

import io
import struct

from ..frames import Frame
from .opening import Pipe
from .reader import Reader
from .timeline import Timeline
from .transport import TAIL_BYTES, truncation_of


def check_end(reader: Reader, timeline: Timeline, file: str | Pipe, last: Frame | None, is_from_start: bool) -> None:
    """After the `last` frame, compare with the stated length, or examine the end of the file, and warn if it is short.

    `is_from_start`: all frames were read, so they can be counted.
    """
    stream = reader.video
    if last is None or not stream.time_base:
        return
    format_name = reader.container.format.name
    if format_name == "mpegts":
        lost = _transport_end(reader, timeline, file)
    elif format_name == "avi":
        # AVI counts empty chunks, which repeat the previous frame, and may end with some.
        lost = None if _is_whole_riff(file) else _missing_text(stream.frames - last.pts - 1, stream.frames)
    elif is_from_start and stream.frames and format_name.startswith("mov"):
        # Not compared with the header's frame count and duration, since an edit list may hide frames.
        lost = _missing_text(reader.indexed - reader.read, reader.indexed)
    elif is_from_start and stream.frames > reader.read:
        lost = _missing_text(stream.frames - reader.read, stream.frames)
    else:
        lost = _stated_end_missed(reader, timeline, last)
    if lost:
        reader.condition.damaged = True
        reader.condition.warnings.append(f"{reader.name}: truncated, {lost}")


def _missing_text(count: int, of: int) -> str | None:
    return f"{count} of {of} frames are missing at its end" if count > 0 else None


def _is_whole_riff(file: str | Pipe) -> bool:
    """Whether a file is as long as its RIFF chunks state (large AVI files have several)."""
    if isinstance(file, Pipe):
        return False
    try:
        with open(file, "rb") as opened:
            length, end = opened.seek(0, io.SEEK_END), 0
            while end + 8 <= length:
                opened.seek(end)
                name, size = struct.unpack("<4sI", opened.read(8))
                if name != b"RIFF":
                    break
                end += 8 + size
            return 0 < end <= length
    except OSError:  # gone since it was opened
        return False


def _transport_end(reader: Reader, timeline: Timeline, file: str | Pipe) -> str | None:
    """Evidence that a transport stream is truncated; it states no length to compare with."""
    is_cut, why = truncation_of(_tail(file))
    if not is_cut and timeline.cadence.broke_at_the_end:
        # Frames shown before the last one but coded after it were cut off.
        is_cut, why = True, "frames are missing before its last one"
    if not is_cut and why:
        reader.condition.warnings.append(f"{reader.name}: {why}; a transport stream does not state its length")
    return why if is_cut else None


def _tail(file: str | Pipe) -> bytes:
    if isinstance(file, Pipe):
        return bytes(file.tail)
    try:
        with open(file, "rb") as opened:
            opened.seek(max(opened.seek(0, io.SEEK_END) - TAIL_BYTES, 0))
            return opened.read()
    except OSError:  # gone since it was opened
        return b""


def _stated_end_missed(reader: Reader, timeline: Timeline, last: Frame) -> str | None:
    end = reader.stated_end()
    if end is None:
        return None
    tick = last.time_base
    seconds = float(end - (last.pts + max(last.duration, timeline.nominal)) * tick)
    if seconds <= max(2 * float(timeline.nominal * tick), 0.1):
        return None
    return f"it ends {seconds:.1f} s before its stated end"
