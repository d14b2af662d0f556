"""Source: the protocol of whatever frames come from, and what may be said about reading it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Protocol

from ..errors import InputError
from ..frames import Frame, StreamInfo

MAX_PIXELS = 1 << 28
"""Frames larger than this (30,000 x 8,947) are refused by what their header claims, before memory is taken."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What to read of an input, and how."""

    start_seconds: float | None = None
    """Skip what is shown before this, counted from the start of the file (`--ss`)."""
    end_seconds: float | None = None
    """Stop before this, counted from the start of the file (`--to`)."""
    keep_timestamps: bool = False
    """With a start: leave every pts as the file has it, instead of counting from the cut."""
    pts_range: tuple[int | None, int | None] | None = None
    """An exact cut instead of those in seconds: the first pts that is wanted and the first that is not any more, as the
    stream counts them; None is open. Every pts stays as the file has it."""
    frame_rate: Fraction | None = None
    """Frames per second of images and of raw streams; files that carry time stamps keep theirs."""
    deinterlace: str = "auto"
    """"auto" for pictures that the file flags as interlaced, "bwdif" for all, "off" for none."""
    hwaccel: str = "none"
    """"none", "auto", or a device type of FFmpeg's ("cuda", "videotoolbox", ...); software where there is none."""
    container: str | None = None
    """FFmpeg's name of the input format, where it cannot be guessed (`-` and raw streams)."""


class Source(Protocol):
    """Gives every frame of a stream once, in presentation order, with strictly rising pts.

    Iterate it once, from one thread. Leaving its `with` block closes it.
    """

    @property
    def info(self) -> StreamInfo:
        """What is known before the first frame."""
        ...

    @property
    def concealed(self) -> int:
        """Frames so far that were damaged or lost, and stand as the last good one or as the decoder mended them."""
        ...

    @property
    def damaged(self) -> bool:
        """The input is not whole: frames were concealed or are missing, or it ends before it says that it does."""
        ...

    @property
    def warnings(self) -> list[str]:
        """What a user should know, one line each; complete when the stream has ended."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Let go of the input. May be called twice."""
        ...

    def __enter__(self) -> Source: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def check_size(name: str, width: int, height: int) -> None:
    """Raise InputError for a picture that no honest file holds and no machine should try to."""
    if width * height > MAX_PIXELS:
        limit = f"{MAX_PIXELS / 1e6:.0f} million pixels"
        raise InputError(f"{name}: claims a picture of {width}x{height}; more than {limit} are not taken, cut it first")
