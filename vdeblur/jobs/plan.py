"""The plan of a job in segments: where to cut its input, at exact times, from one pass over its packets."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from ..loading import warm_up_of
from ..media.containers import FORMATS
from ..media.paths import is_image_input
from ..media.sources import open_source
from ..media.video_source import VideoSource
from .job import Job

LOOK_AHEAD_FRAMES = 4
"""Frames read after a segment, for windows with future frames."""

JOINABLE = ("mp4", "mov", "matroska", "webm", "mpegts", "nut")
"""Output containers into which segments can be joined."""


@dataclass(frozen=True, slots=True)
class Cutting:
    """Length and warm-up of segments. Part of the settings: a change discards segments of earlier runs."""

    min_seconds: float = 10.0
    """A segment ends at the first keyframe after this time (encoders put keyframes at scene cuts);"""
    max_seconds: float = 30.0
    """without a keyframe, after this time."""
    warm_up: int | None = None
    """Frames restored before a segment and discarded; None: as many as the model needs (`loading.warm_up_of`)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A half-open range of pts in ticks of the input stream; the ranges of a plan are contiguous."""

    index: int
    start: int | None
    """None for the first segment: no lower bound."""
    end: int | None
    """None for the last segment: no upper bound."""
    read_from: int | None
    """Start of reading, including the warm-up."""
    read_until: int | None
    frames: int
    """Number of frames according to the packets."""
    seconds: float

    def holds(self, pts: int) -> bool:
        """Whether a frame of this time belongs to it."""
        return (self.start is None or pts >= self.start) and (self.end is None or pts < self.end)


@dataclass(frozen=True, slots=True)
class Plan:
    """The segments of a file, and the time of every frame."""

    segments: tuple[Segment, ...]
    times: tuple[int, ...]
    time_base: Fraction


def cut(job: Job, output: str, cutting: Cutting) -> Plan | None:
    """Plan the segments of an input from one pass over its packets; None for a job to be restored in one piece.

    That applies to pipes, images, output containers not in JOINABLE, streams whose packets lack times or repeat them
    (frames could not be told apart), and inputs that are shorter than two segments.
    """
    suffix = Path(output).suffix.lower()
    if "-" in (job.input, output) or is_image_input(job.input) or FORMATS.get(suffix) not in JOINABLE:
        return None
    with open_source(job.input, job.source) as source:
        if not isinstance(source, VideoSource):
            return None
        start, end, _ = source.cut
        time_base = source.info.time_base
        found = source.packet_times()
    if found is None:
        return None
    times, keyframes = found
    times = [t for t in times if (start is None or t * time_base >= start) and (end is None or t * time_base < end)]
    if not times or min((b - a for a, b in pairwise(times)), default=1) * time_base < Fraction(1, 1000):
        return None  # Matroska has a resolution of milliseconds: closer frames could not be told apart
    if (times[-1] - times[0]) * time_base <= cutting.max_seconds:
        return None
    warm_up = warm_up_of(job.model) if cutting.warm_up is None else cutting.warm_up
    segments = _segments(times, keyframes, time_base, cutting, warm_up, end is not None)
    if len(segments) < 2:
        return None
    return Plan(segments, tuple(times), time_base)


def _segments(
    times: list[int], keyframes: set[int], time_base: Fraction, cutting: Cutting, warm_up: int, ends: bool
) -> tuple[Segment, ...]:
    """Cut rising times at keyframes. `ends`: the last segment must not read to the end of the file."""
    shortest, longest = round(cutting.min_seconds / time_base), round(cutting.max_seconds / time_base)
    starts = [0]
    for number, pts in enumerate(times):
        length = pts - times[starts[-1]]
        if times[-1] - pts >= shortest // 2 and ((length >= shortest and pts in keyframes) or length >= longest):
            starts.append(number)
    segments = []
    last_end = times[-1] + 1 if ends else None
    for index, (first, after) in enumerate(zip(starts, [*starts[1:], len(times)], strict=True)):
        is_last = after == len(times)
        ahead = after + LOOK_AHEAD_FRAMES
        segments.append(
            Segment(
                index,
                start=times[first] if first or ends else None,
                end=last_end if is_last else times[after],
                read_from=times[max(first - warm_up, 0)] if first or ends else None,
                read_until=last_end if ahead >= len(times) else times[ahead],
                frames=after - first,
                seconds=float((times[after - 1] - times[first]) * time_base),
            )
        )
    return tuple(segments)
