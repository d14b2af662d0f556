"""Settings of an explanation, and which frames they select."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import UsageError

CONTEXT = 8
"""Frames before and after the one at `at` that are explained too, so that the plots show what led to it."""


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """What to explain, and how. All frames by default, those around `at`, or a range of `frames`."""

    at: float | None = None
    """Seconds from the start of the input; the frame shown then is in focus."""
    frames: tuple[int, int] | None = None
    """First and last frame, counted from 0; the middle one is in focus."""
    point: tuple[int, int] | None = None
    """x, y in pixels: how far the network looked for the change there, in the frame in focus."""
    views: int = 4
    """Number of symmetric views to compare, 1 to 8; 1 measures no certainty."""
    device: str = "auto"
    scene_cuts: bool = True
    """Whether to reset the state at scene cuts."""
    exposure: float | None = None
    """Share of the frame time that the shutter was open, above 0 to 1; None: fitted to the footage."""
    pairs: str | None = None
    """Folder of blur/sharp pairs to calibrate certainty on; None: the input's own frames, shaken."""
    most_shown: int = 24
    """Approximate limit of the frames kept as images; figures cover every frame."""

    def check(self) -> None:
        """Raise UsageError for invalid settings."""
        if self.at is not None and self.frames is not None:
            raise UsageError("a time and a range of frames exclude each other: give one of them")
        if self.at is not None and self.at < 0:
            raise UsageError(f"{self.at:g} s: give a time of 0 or more, counted from the start of the input")
        if self.frames is not None and not 0 <= self.frames[0] <= self.frames[1]:
            first, last = self.frames
            raise UsageError(f"frames {first}-{last}: give the first and the last, counted from 0")
        if not 1 <= self.views <= 8:
            raise UsageError(f"{self.views} views: choose 1 to 8")
        if self.exposure is not None and not 0 < self.exposure <= 1:
            raise UsageError(f"exposure {self.exposure:g}: give the share of the frame time, above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which frames of an input are explained, and which one is in focus."""

    at: float | None
    """Seconds."""
    frames: tuple[int, int] | None
    rate: float
    """Frames per second."""
    middle: int
    """The frame in focus when all are explained."""

    @property
    def count(self) -> int:
        """About how many frames are explained."""
        if self.at is not None:
            return 2 * CONTEXT + 1
        return 2 * self.middle if self.frames is None else self.frames[1] - self.frames[0] + 1

    def explains(self, index: int, seconds: float) -> bool:
        """Whether this frame is explained."""
        if self.at is not None:
            return abs(seconds - self.at) <= (CONTEXT + 0.5) / self.rate
        return self.frames is None or self.frames[0] <= index <= self.frames[1]

    def is_over(self, index: int, seconds: float) -> bool:
        """Whether no later frame is explained."""
        if self.at is not None:
            return seconds > self.at + (CONTEXT + 0.5) / self.rate
        return self.frames is not None and index > self.frames[1]

    def is_focus(self, index: int, seconds: float, next_seconds: float | None) -> bool:
        """Whether this frame is the one that is shown at `at`, or the middle one."""
        if self.at is not None:
            end = seconds + 1.5 / self.rate if next_seconds is None else next_seconds
            return seconds <= self.at < end
        return index == (self.middle if self.frames is None else sum(self.frames) // 2)

    def starts(self, index: int, warm_up: int) -> bool:
        """Whether this frame is explained, or leads up to one that is."""
        return self.frames is None or index >= self.frames[0] - warm_up
