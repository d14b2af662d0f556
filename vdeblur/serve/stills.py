"""Single frames of a video before and after, within seconds, before the whole is restored."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from ..errors import InputError
from ..frames import Frame, Image, StreamInfo
from ..jobs.most_blurred import most_blurred_frame
from ..media.options import SourceOptions
from ..media.planes import convert, video_frame
from ..media.sources import open_source
from ..pipeline import restored
from ..restorer import Restorer
from ..scenes import SceneCuts
from .job import Video

SAMPLES = 8
"""Frames among which the most blurred one is chosen."""
WARM_UP = (2, 12)
"""Fewest and most frames to restore before the wanted one, to warm up the state;"""
WARM_UP_PIXELS = 12e6
"""between these limits, as many as have this number of pixels, so that large frames are ready soon too."""
BACK_SECONDS = (0, 1, 10)
"""How far before a time without a readable frame to search, in turn; finally from the start of the file."""
STEP = 1 / 25
"""Assumed frame interval in seconds if the file states none."""


class Stills:
    """Single frames of a video. Times are seconds from its first frame."""

    def __init__(self, path: Path) -> None:
        """Read the first frame. Raises InputError if there is none."""
        self._path = path
        with open_source(str(path)) as source:
            self.info = source.info
            first = next(iter(source), None)
        if first is None:
            raise InputError(f"{path}: no frames")
        self._first = first
        self._step = 1 / float(self.info.frame_rate) if self.info.frame_rate else STEP

    @property
    def video(self) -> Video:
        """Size, length and rate."""
        info, (width, height) = self.info, display_size(self.info)
        return Video(width, height, info.duration_seconds, float(info.frame_rate) if info.frame_rate else None)

    def most_blurred(self, options: SourceOptions) -> float:
        """The time of the most blurred of SAMPLES frames spread over the part to read."""
        return most_blurred_frame(str(self._path), options, SAMPLES)

    def frame_at(self, seconds: float) -> Frame:
        """The first frame at or after `seconds`, or else the last readable one."""
        frames, centre = self._around(seconds, 0, 0)
        return frames[centre]

    def pair_at(self, seconds: float, restorer: Restorer) -> tuple[Image, Image]:
        """The frame at `seconds` before and after, as images of `image_of`. Raises what restoring raises."""
        few, many = WARM_UP
        warm_up = int(min(max(WARM_UP_PIXELS / (self.info.width * self.info.height), few), many))
        frames, centre = self._around(seconds, warm_up + restorer.past, restorer.future)
        wanted = frames[centre]
        results = restored(frames, restorer, SceneCuts())
        after = next(result.after for result in results if result.before is wanted)
        return image_of(wanted, self.info), image_of(after, self.info)

    def _around(self, seconds: float, before: int, after: int) -> tuple[list[Frame], int]:
        """Up to `before` frames, the one at `seconds` and up to `after` more; and its index among them."""
        seconds = min(seconds, self.info.duration_seconds or seconds)
        start = max(seconds - (before + 1) * self._step, 0.0)
        for back in BACK_SECONDS:  # past the end or in a damaged part: take the last frames before
            if start > back:
                try:
                    return self._read(start - back, seconds, before, after)
                except InputError:
                    continue
        return self._read(0.0, seconds, before, after)

    def _read(self, start: float, seconds: float, before: int, after: int) -> tuple[list[Frame], int]:
        with open_source(str(self._path), SourceOptions(start_seconds=start or None)) as source:
            frames: list[Frame] = []
            remaining = iter(source)
            for frame in remaining:
                frames = [*frames[-before:], frame] if before else [frame]
                # Times of a source with a start count from that start, plus the file's own offset.
                if start + frame.seconds - self._first.seconds >= seconds - self._step / 2:
                    break
            if not frames:
                raise InputError(f"{self._path}: no frame after {start:.1f} s")
            return [*frames, *islice(remaining, after)], len(frames) - 1


def display_size(info: StreamInfo) -> tuple[int, int]:
    """(width, height) in square pixels, after rotation."""
    width = max(round(info.width * (info.sample_aspect_ratio or 1)), 1)
    return (info.height, width) if info.rotation % 180 == 90 else (width, info.height)


def image_of(frame: Frame, info: StreamInfo) -> Image:
    """The frame for display: 8-bit, rotated upright, with square pixels."""
    stored = cast(Image, convert(video_frame(replace(frame, origin=None)), "bgr24").to_ndarray())
    width = max(round(info.width * (info.sample_aspect_ratio or 1)), 1)
    if width != info.width:
        stored = cast(Image, cv2.resize(stored, (width, info.height), interpolation=cv2.INTER_CUBIC))
    return np.ascontiguousarray(np.rot90(stored, round(info.rotation / 90) % 4))


def jpeg(image: Image) -> bytes:
    """The image as JPEG of quality 95, 4:4:4, so that its losses do not show."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    good, data = cv2.imencode(".jpg", image, options)
    assert good
    return data.tobytes()
