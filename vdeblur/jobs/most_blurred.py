"""Finds the most blurred part of a video, or its most blurred frame."""

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
"""Videos up to this length are decoded completely; longer ones are sampled."""
EVERY_SECONDS = 0.25
"""Interval of the measured frames of a video that is decoded completely."""
SAMPLES = 120
"""Number of measured frames of a longer video, evenly spaced."""


@dataclass(frozen=True, slots=True)
class BlurredPart:
    """A part of a video, in seconds from the start of the file."""

    start: float
    seconds: float
    blur_px: float
    """Mean blur length in pixels over the measured frames."""


def most_blurred(path: str, options: SourceOptions, seconds: float) -> BlurredPart:
    """The part of at most `seconds` with the largest mean blur, within the range of `options`.

    Raises what `open_source` raises, and InputError if there is no frame.
    """
    begin = options.start_seconds or 0.0
    with open_source(path, options) as source:
        length = source.info.duration_seconds
    if length is None or length <= WHOLE_SECONDS or is_image_input(path):
        measured = list(_measure_all(path, options))
    else:
        measured = list(_measure_samples(path, options, length, SAMPLES))
    if not measured:
        raise InputError(f"{path}: no frame in it")
    times = [time for time, _ in measured]
    length = max(length or 0.0, times[-1])
    best = BlurredPart(begin, min(seconds, length), -1.0)
    for first, time in enumerate(times):
        within = measured[first : max(bisect_right(times, time + seconds), first + 1)]
        mean = sum(blur for _, blur in within) / len(within)
        if mean > best.blur_px:
            lead = seconds / 2 if len(within) == 1 and len(times) > 1 else 0.0  # a single sample goes into the middle
            start = max(min(time - lead, length - seconds), 0.0)
            best = BlurredPart(begin + start, min(seconds, length), mean)
    return best


def _measure_all(path: str, options: SourceOptions) -> Iterator[tuple[float, float]]:
    """Yield (seconds from the first frame, blur length in pixels) every EVERY_SECONDS."""
    with open_source(path, options) as source:
        origin = due = None
        for frame in source:
            origin = frame.seconds if origin is None else origin
            if due is None or frame.seconds >= due:
                due = frame.seconds + EVERY_SECONDS
                yield frame.seconds - origin, blur_length(frame)


def most_blurred_frame(path: str, options: SourceOptions, samples: int) -> float:
    """The time of the most blurred of `samples` evenly spaced frames, in seconds from the start of the file.

    The first of equals; the start of the range where no frame can be measured. Raises what `open_source` raises.
    """
    with open_source(path, options) as source:
        length = source.info.duration_seconds
    measured = list(_measure_samples(path, options, length, samples)) if length else []
    offset, _ = max(measured, key=lambda sample: sample[1], default=(0.0, 0.0))
    return (options.start_seconds or 0.0) + offset


def _measure_samples(path: str, options: SourceOptions, length: float, samples: int) -> Iterator[tuple[float, float]]:
    """Yield (seconds from the start of the range, blur length in pixels) for evenly spaced frames."""
    for index in range(samples):
        offset = (index + 0.5) * length / samples
        frame = _frame_at(path, replace(options, start_seconds=(options.start_seconds or 0.0) + offset))
        if frame is not None:
            yield offset, blur_length(frame)


def _frame_at(path: str, options: SourceOptions) -> Frame | None:
    try:
        with open_source(path, options) as source:
            return next(islice(source, 1), None)
    except InputError:  # damaged at this place
        return None
