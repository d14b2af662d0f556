"""A frame of a video before and after, within seconds: what one wants to see before the whole is restored."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ..blurriness import blur_length
from ..errors import InputError
from ..frames import Frame, StreamInfo
from ..media.options import SourceOptions
from ..media.planes import convert, video_frame
from ..media.sources import open_source
from ..pipeline import restored
from ..restorer import Restorer
from ..scenes import SceneCuts
from .job import Video

Image = NDArray[np.uint8]
"""(height, width, 3), B, G, R."""

SAMPLES = 8
"""Places along a video where the blur is measured to find a frame worth seeing."""
WARM_UP = (2, 12)
"""Fewest and most frames that are restored before the one that is shown, so that a network's memory is warm..."""
WARM_UP_PIXELS = 12e6
"""... and, between the two, as many as have so many pixels together: a preview of large frames must be soon too."""
BACK_SECONDS = (0, 1, 10)
"""How far before a place that gives no frame others are looked for, one after the other; then from the start."""
STEP = 1 / 25
"""Seconds between two frames where the file does not say."""


class Preview:
    """A video, looked at here and there. Times are seconds from its first frame."""

    def __init__(self, path: Path) -> None:
        """Read the first frame. Raises InputError where there is none."""
        self._path = path
        with open_source(str(path)) as source:
            self.info = source.info
            first = next(iter(source), None)
        if first is None:
            raise InputError(f"{path}: holds no frame")
        self._first = first
        self._step = 1 / float(self.info.frame_rate) if self.info.frame_rate else STEP

    @property
    def video(self) -> Video:
        """Size, length and rate."""
        info, (width, height) = self.info, shown_size(self.info)
        return Video(width, height, info.duration_seconds, float(info.frame_rate) if info.frame_rate else None)

    def blurriest(self, start: float | None = None, end: float | None = None) -> float:
        """The time of the most blurred of some frames spread over `start`..`end` (None: the video's own)."""
        start = start or 0.0
        length = self.info.duration_seconds or 0.0
        stop = length if end is None else min(end, length)
        each = max(stop - start, 0.0) / SAMPLES
        times = [start + (index + 0.5) * each for index in range(SAMPLES)] if each else [start]
        return max(times, key=lambda at: blur_length(self.frame_at(at)))  # the first of equals

    def frame_at(self, seconds: float) -> Frame:
        """The first frame that is not before `seconds`, or the last one that can be read."""
        frames, centre = self._around(seconds, 0, 0)
        return frames[centre]

    def pair_at(self, seconds: float, restorer: Restorer) -> tuple[Image, Image]:
        """The frame at `seconds` before and after, as `image_of` gives them. Raises what restoring raises."""
        few, many = WARM_UP
        warm_up = int(min(max(WARM_UP_PIXELS / (self.info.width * self.info.height), few), many))
        frames, centre = self._around(seconds, warm_up + restorer.past, restorer.future)
        wanted = frames[centre]
        results = restored(frames, restorer, SceneCuts())
        after = next(result.after for result in results if result.before is wanted)
        return image_of(wanted, self.info), image_of(after, self.info)

    def _around(self, seconds: float, before: int, after: int) -> tuple[list[Frame], int]:
        """Up to `before` frames, the one at `seconds` and up to `after` more; and which of them it is."""
        seconds = min(seconds, self.info.duration_seconds or seconds)
        start = max(seconds - (before + 1) * self._step, 0.0)
        for back in BACK_SECONDS:  # past the end, or where the file is damaged, the last frames before that will do
            if start > back:
                try:
                    return self._read(start - back, seconds, before, after)
                except InputError:
                    continue
        return self._read(0.0, seconds, before, after)

    def _read(self, start: float, seconds: float, before: int, after: int) -> tuple[list[Frame], int]:
        with open_source(str(self._path), SourceOptions(start_seconds=start or None)) as source:
            frames: list[Frame] = []
            there = iter(source)
            for frame in there:
                frames = [*frames[-before:], frame] if before else [frame]
                # A source that starts at a cut counts from there, but for what the file itself begins with.
                if start + frame.seconds - self._first.seconds >= seconds - self._step / 2:
                    break
            if not frames:
                raise InputError(f"{self._path}: holds no frame after {start:.1f} s")
            return [*frames, *islice(there, after)], len(frames) - 1


def shown_size(info: StreamInfo) -> tuple[int, int]:
    """(width, height) in square pixels, turned upright."""
    width = max(round(info.width * (info.sample_aspect_ratio or 1)), 1)
    return (info.height, width) if info.rotation % 180 == 90 else (width, info.height)


def image_of(frame: Frame, info: StreamInfo) -> Image:
    """The frame as people see it: 8-bit, turned upright, with square pixels."""
    stored: Any = convert(video_frame(replace(frame, origin=None)), "bgr24").to_ndarray()
    width = max(round(info.width * (info.sample_aspect_ratio or 1)), 1)
    if width != info.width:
        stored = cv2.resize(stored, (width, info.height), interpolation=cv2.INTER_CUBIC)
    return cast(Image, np.ascontiguousarray(np.rot90(stored, round(info.rotation / 90) % 4)))


def jpeg(image: Image) -> bytes:
    """The image as JPEG whose losses do not show beside those of a video: quality 95, 4:4:4."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    good, data = cv2.imencode(".jpg", image, options)
    assert good
    return data.tobytes()
