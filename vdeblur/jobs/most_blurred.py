"""The part of a video where it is blurred most."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from ..blurriness import blur_length
from ..errors import InputError
from ..frames import Frame
from ..media.options import SourceOptions
from ..media.paths import is_image_input
from ..media.sources import open_source

WHOLE_SECONDS = 60.0
"""What is no longer than this is decoded as a whole; longer videos are looked at here and there."""
EVERY_SECONDS = 0.25
LOOKS = 120
"""Frames that are looked at in a long video, at even distances."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a video, in seconds from the start of the file."""

    start: float
    seconds: float
    blur_px: float
    """Mean length of the blur in pixels, over the frames that were looked at."""


def most_blurred(path: str, options: SourceOptions, seconds: float) -> Part:
    """The stretch of `seconds` (or all, where there is less) whose mean blur is largest, within the part of `options`.

    Raises what `open_source` raises, and InputError where there is no frame.
    """
    begin = options.start_seconds or 0.0
    with open_source(path, options) as source:
        length = source.info.duration_seconds
    looks = list(_all(path, options) if length is None or length <= WHOLE_SECONDS or is_image_input(path)
                 else _here_and_there(path, options, length))  # fmt: skip
    if not looks:
        raise InputError(f"{path}: no frame in it")
    times = [time for time, _ in looks]
    length = max(length or 0.0, times[-1])
    best = Part(begin, min(seconds, length), -1.0)
    for first, time in enumerate(times):
        within = looks[first : max(bisect_right(times, time + seconds), first + 1)]
        mean = sum(blur for _, blur in within) / len(within)
        if mean > best.blur_px:
            lead = seconds / 2 if len(within) == 1 and len(times) > 1 else 0.0  # a single look is put in the middle
            start = max(min(time - lead, length - seconds), 0.0)
            best = Part(begin + start, min(seconds, length), mean)
    return best


def _all(path: str, options: SourceOptions) -> Iterator[tuple[float, float]]:
    """(seconds from the first frame, blur length in pixels), every so often."""
    with open_source(path, options) as source:
        origin = due = None
        for frame in source:
            origin = frame.seconds if origin is None else origin
            if due is None or frame.seconds >= due:
                due = frame.seconds + EVERY_SECONDS
                yield frame.seconds - origin, blur_length(frame)


def _here_and_there(path: str, options: SourceOptions, length: float) -> Iterator[tuple[float, float]]:
    for index in range(LOOKS):
        offset = (index + 0.5) * length / LOOKS
        frame = _frame_at(path, replace(options, start_seconds=(options.start_seconds or 0.0) + offset))
        if frame is not None:
            yield offset, blur_length(frame)


def _frame_at(path: str, options: SourceOptions) -> Frame | None:
    try:
        with open_source(path, options) as source:
            return next(islice(source, 1), None)
    except InputError:  # damaged there
        return None
