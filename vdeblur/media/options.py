"""What may be said about reading an input and writing an output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from .quality import Quality


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


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """How to write an output. What is None follows the source."""

    codec: str | None = None
    """An encoder ("libx265") or a codec ("hevc")."""
    crf: float | None = None
    """Constant quality in the encoder's own scale, smaller is better."""
    preset: str | None = None
    """The encoder's name or number for a trade of time against size."""
    pix_fmt: str | None = None
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    """Passed on to the encoder as they are (`-e key=value`)."""
    overwrite: bool = False
    container: str | None = None
    """FFmpeg's name of the format, where the file name does not say it (`-`)."""
    video_only: bool = False
    """Leave out all other streams, chapters and tags of the file: for a segment, which is joined with them later."""
    partial_folder: str | None = None
    """Where the output lies until it is whole, on its file system; made if need be. None: beside the output."""
    quality: Quality = "good"
    """What the encoder starts from (see `media.quality`); the settings above win."""
    hwaccel: str = "none"
    """"none", "auto" or an FFmpeg device type: its encoder of h264, hevc and av1 where that works, else software."""
