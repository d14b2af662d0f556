"""Options for reading an input and writing an output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from .quality import Quality


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Which part of an input to read, and how."""

    start_seconds: float | None = None
    """Skip frames shown before this time, counted from the start of the file (`--ss`)."""
    end_seconds: float | None = None
    """Stop before this time, counted from the start of the file (`--to`)."""
    keep_timestamps: bool = False
    """With a start: keep the pts of the file, instead of counting from the start."""
    pts_range: tuple[int | None, int | None] | None = None
    """An exact half-open range in ticks of the stream, in place of seconds; None is unbounded. Keeps the pts of the
    file."""
    frame_rate: Fraction | None = None
    """Frames per second of images and raw streams; files with time stamps keep them."""
    deinterlace: str = "auto"
    """"auto" for frames flagged as interlaced, "bwdif" for all, "off" for none."""
    hwaccel: str = "none"
    """"none", "auto", or a device type of FFmpeg ("cuda", "videotoolbox", ...); falls back to software."""
    container: str | None = None
    """FFmpeg's name of the input format, if it cannot be detected (pipes and raw streams)."""


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """How to write an output; None follows the source."""

    codec: str | None = None
    """An encoder ("libx265") or a codec ("hevc")."""
    crf: float | None = None
    """Constant quality on the encoder's scale; lower is better."""
    preset: str | None = None
    """The encoder's speed preset."""
    pix_fmt: str | None = None
    """FFmpeg's name of the pixel format to encode ("yuv420p10le"); None: the encoder's closest to the source."""
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    """Passed to the encoder (`-e key=value`)."""
    overwrite: bool = False
    """Replace an existing output; False: refuse to."""
    container: str | None = None
    """FFmpeg's name of the format, if the file name does not determine it."""
    video_only: bool = False
    """Write no other streams, chapters and tags: for segments, which are joined with them later."""
    partial_folder: str | None = None
    """Folder for the incomplete output, on the same file system; created if needed. None: the folder of the output."""
    quality: Quality = "good"
    """Defaults of the encoder (see `media.quality`), which the settings above override."""
    hwaccel: str = "none"
    """"none", "auto" or an FFmpeg device type: use its encoder for h264, hevc and av1 if it works, else software."""
