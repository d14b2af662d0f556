"""The times of decoded frames: exact and in order, with lost frames replaced by the last good one."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import av

from ..frames import Color, Frame
from .colors import color_of
from .planes import frame_of, readable
from .reader import Reader
from .side_data import SideData, kinds

REORDER_DEPTH = 4
"""Frames held back to sort wrongly ordered pts."""
MAX_CONCEALED_SECONDS = 10
"""Longer gaps are left open: the pts keep sound in sync, and a long freeze frame helps nobody."""


class Timeline:
    """Turns the decoded frames of a Reader into frames with rising pts, and conceals lost ones."""

    def __init__(self, reader: Reader, time_base: Fraction, rate: Fraction, is_counted: bool, color: Color) -> None:
        """`is_counted`: times are counted by `rate`, regardless of the container (raw streams)."""
        self.nominal = max(round(1 / (rate * time_base)), 1)
        """Duration of a frame at the rate of the stream, in ticks."""
        self.cadence = Cadence()
        self._side_data = SideData()
        self._reader, self._time_base, self._is_counted, self._color = reader, time_base, is_counted, color

    def frames(self, decoded: Iterable[av.VideoFrame]) -> Iterator[Frame]:
        """Yield frames in order with pts and duration, and replacements for lost frames.

        A frame lasts until the next one. (The duration that containers state is that to the next packet in decoding
        order.)
        """
        last: Frame | None = None
        for frame in self._complete(decoded):
            if last is not None:
                yield replace(last, duration=frame.pts - last.pts)
            last = frame
        if last is not None:
            yield replace(last, duration=self._last_duration(last))

    def _last_duration(self, last: Frame) -> int:
        """Until the stated end of the file, if that is about a frame away."""
        end = self._reader.stated_end()
        left = 0 if end is None else round(end / self._time_base) - last.pts
        usual = max(self.nominal, self.cadence.latest, last.duration)
        return left if 0 < left <= 2 * usual else last.duration

    def _complete(self, decoded: Iterable[av.VideoFrame]) -> Iterator[Frame]:
        last: Frame | None = None
        for frame in _in_order(self._stamped(decoded)):
            if last is not None:
                self.cadence.add(frame.pts - last.pts)
                yield from self._replacements(last, frame.pts)
            yield frame
            last = frame
        if last is not None and self._reader.condition.damaged:
            yield from self._replacements(last, None)

    def _stamped(self, frames: Iterable[av.VideoFrame]) -> Iterator[Frame]:
        """Yield frames with pts; without any (raw streams), they are counted on from the last one by the rate."""
        following = 0
        for decoded in map(readable, frames):
            pts = decoded.pts if decoded.pts is not None else decoded.dts
            # (FFmpeg makes up times for raw streams, by the rate that the codec states)
            if pts is None or self._is_counted:
                pts = following
            lasts = decoded.duration or self.nominal
            if self._is_counted or (self._reader.may_hold_fields and lasts < self.nominal):  # a field's duration
                lasts = self.nominal
            following = pts + lasts
            if decoded.is_corrupt and self._reader.is_wanted(pts):
                # Concealed by the decoder: better than repeating the previous frame.
                self._reader.condition.concealed_pts.add(pts)
                self._reader.condition.damaged = True
            color = color_of(decoded, self._color.chroma_location)
            carried = kinds(self._side_data.of(decoded))
            yield frame_of(decoded, pts, self._time_base, color, decoded.duration, carried)

    def _replacements(self, last: Frame, until: int | None) -> Iterator[Frame]:
        """Repeat `last` for frames lost between it and the frame at `until` (None: the end).

        A packet without a decoded frame counts as lost if it is most of a frame duration away from both neighbours:
        those that show nothing by design (hidden reference frames, second fields) lie close to one. After failed
        packets, gaps without packets are also filled, at the rate of the stream.
        """
        near = int(self.nominal * 0.6)
        expected, condition = self._reader.expected, self._reader.condition
        missing: list[int] = []
        while expected and (until is None or expected[0] < until):
            pts = heapq.heappop(expected)
            if pts - (missing[-1] if missing else last.pts) > near and (until is None or until - pts > near):
                missing.append(pts)
        while expected and expected[0] == until:
            heapq.heappop(expected)
        if until is not None:
            reach = REORDER_DEPTH * self.nominal
            if any(last.pts - reach <= pts <= until + reach for pts in self._reader.failed):
                ends = [last.pts, *missing, until]
                holes = [range(a + self.nominal, b - near, self.nominal) for a, b in pairwise(ends)]
                missing = sorted({*missing, *(pts for hole in holes for pts in hole)})
            self._reader.failed = [pts for pts in self._reader.failed if pts > until - reach]
        if not missing:
            return
        condition.damaged = True
        seconds = float((missing[-1] - last.pts) * self._time_base)
        if seconds > MAX_CONCEALED_SECONDS:
            condition.warnings.append(f"{self._reader.name}: {seconds:.1f} s of frames are lost; the gap is not filled")
            return
        condition.concealed_pts.update(missing)
        for pts in missing:
            yield replace(last, pts=pts)


def _in_order(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Sort times and not frames: decoders return frames in presentation order, but files may have wrong times."""
    times: list[int] = []
    waiting: deque[Frame] = deque()
    for frame in frames:
        waiting.append(frame)
        heapq.heappush(times, frame.pts)
        if len(waiting) > REORDER_DEPTH:
            yield replace(waiting.popleft(), pts=heapq.heappop(times))
    while waiting:
        yield replace(waiting.popleft(), pts=heapq.heappop(times))


class Cadence:
    """Tracks whether frames are evenly spaced, and whether some of the last ones are missing."""

    def __init__(self) -> None:
        self._steps: deque[int] = deque()
        self._usual = 0
        self._is_even = True

    def add(self, step: int) -> None:
        """Add the time between two frames."""
        self._steps.append(step)
        if len(self._steps) > REORDER_DEPTH:
            settled = self._steps.popleft()
            self._usual = self._usual or settled
            self._is_even &= abs(settled - self._usual) <= 1

    @property
    def latest(self) -> int:
        """The time between the last two frames, in ticks; 0 for fewer frames."""
        return self._steps[-1] if self._steps else 0

    @property
    def broke_at_the_end(self) -> bool:
        """Whether all frames were evenly spaced except the last ones, of which some are missing."""
        return self._is_even and self._usual > 1 and max(self._steps) >= 2 * self._usual - 1
