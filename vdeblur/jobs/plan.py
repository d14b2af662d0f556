"""The plan of a job in segments: where its input is cut, at exact times, from one reading of its packets."""

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
"""Frames read behind a segment, for windows that look into the future."""

JOINABLE = ("mp4", "mov", "matroska", "webm", "mpegts", "nut")
"""Containers whose outputs can be joined from segments."""


@dataclass(frozen=True, slots=True)
class Cutting:
    """How long segments are, and how they start. Part of the settings: other numbers start a job anew."""

    min_seconds: float = 10.0
    """A segment ends at the first keyframe after this (encoders set keyframes at scene cuts)..."""
    max_seconds: float = 30.0
    """... or here, where there is none."""
    warm_up: int | None = None
    """Frames restored before a segment and thrown away; None: as many as the model needs (`loading.warm_up_of`)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A range of pts, half open, in ticks of the input's stream; the ranges of a plan tile all of time."""

    index: int
    start: int | None
    """None for the first: whatever comes first."""
    end: int | None
    """None for the last: whatever is left."""
    read_from: int | None
    """Where reading starts, the warm-up's frames before."""
    read_until: int | None
    frames: int
    """Frames that the packets promise."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The segments of a file, and the time of every frame."""

    segments: tuple[Segment, ...]
    times: tuple[int, ...]
    time_base: Fraction


def cut(job: Job, output: str, cutting: Cutting) -> Plan | None:
    """The segments of an input, from one reading of its packets; None for a job that goes through in one piece.

    That is: pipes, images, an output that is no common container, a stream whose packets have no times or the same
    time twice (frames could not be told apart), and an input that makes a single segment.
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
        return None  # Matroska counts milliseconds: nothing closer together could be told apart
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
    for index, (first, behind) in enumerate(zip(starts, [*starts[1:], len(times)], strict=True)):
        is_last = behind == len(times)
        ahead = behind + LOOK_AHEAD_FRAMES
        segments.append(
            Segment(
                index,
                start=times[first] if first or ends else None,
                end=last_end if is_last else times[behind],
                read_from=times[max(first - warm_up, 0)] if first or ends else None,
                read_until=last_end if ahead >= len(times) else times[ahead],
                frames=behind - first,
                seconds=float((times[behind - 1] - times[first]) * time_base),
            )
        )
    return tuple(segments)
