"""What is in a file, and what would be kept of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..blurriness import blur_length
from ..frames import StreamInfo
from .containers import (
    can_hold,
    codec_name,
    format_of,
    holds_chapters,
    is_set_aside,
    maker,
    pipe_format,
    repeats_timecode,
    text_codec,
)
from .image_files import bytes_of
from .paths import default_output
from .side_data import kinds, words
from .sources import open_source
from .video_source import VideoSource

_TECHNICAL = ("major_brand", "minor_version", "compatible_brands")
"""Tags that say something of the format, not of the film."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One stream of a file and what becomes of it in the zero-config output."""

    index: int
    type: str
    """"video", "audio", "subtitle", "attachment" or "data"."""
    codec: str | None
    language: str | None
    fate: str
    """"restored", "copied", "kept as chapters" or "as time code", "converted to NAME" or "dropped"."""
    details: str = ""
    """For people: bit rate, channels, time code, or who made it."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """The restored stream, and every stream of the file; a folder of pictures has only the first."""

    path: str
    output: str
    """Where `vdeblur PATH` would write."""
    video: StreamInfo
    streams: tuple[Kept, ...]
    chapters: int
    title: str | None
    container: str = ""
    """FFmpeg's description of the format."""
    size_bytes: int | None = None
    """Of the file, or of all images; None for a pipe."""
    bit_rate: int | None = None
    """Of all streams together, bits per second."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Tags of the whole file."""
    side_data: tuple[str, ...] = ()
    """What the first frame carries beside its samples, in words (closed captions, HDR10+ metadata, a second view)."""


def probe(path: str) -> FileInfo:
    """Look into a file. Raises InputError as `open_source` does."""
    output = default_output(path)
    with open_source(path) as source:
        size = bytes_of(path)
        if not isinstance(source, VideoSource):
            only = Kept(0, "video", source.info.codec, None, "restored")
            return FileInfo(path, output, source.info, (only,), 0, None, "images", size)
        container = source.container
        return FileInfo(
            path=path,
            output=output,
            video=source.info,
            streams=tuple(_kept(stream, stream.index == source.video.index, output) for stream in container.streams),
            chapters=len(container.chapters()),
            title=container.metadata.get("title") or None,
            container=container.format.long_name,
            size_bytes=size,
            bit_rate=container.bit_rate or None,
            metadata={key: value for key, value in container.metadata.items() if key.lower() not in _TECHNICAL},
            side_data=tuple(words(kinds(source.side_data))),
        )


def _kept(stream: Any, is_picture: bool, output: str) -> Kept:
    container = pipe_format("") if output == "-" else format_of(output)
    if is_picture:
        fate = "restored"
    elif holds_chapters(stream):
        fate = "kept as chapters"
    elif repeats_timecode(stream):
        fate = "kept as time code"
    elif is_set_aside(stream):
        fate = "dropped"
    elif can_hold(container, stream):
        fate = "copied"
    else:
        codec = text_codec(container, stream)
        fate = f"converted to {codec}" if codec else "dropped"
    language = stream.metadata.get("language")
    language = None if language == "und" else language
    return Kept(stream.index, stream.type, codec_name(stream), language, fate, _details(stream))


def _details(stream: Any) -> str:
    """What tells a stream from others of its type."""
    context = stream.codec_context
    parts = []
    if stream.type == "audio":
        parts += [f"{context.sample_rate / 1000:g} kHz", context.layout.name]
    if stream.type in ("audio", "video") and (rate := stream.bit_rate or context.bit_rate):
        parts.append(f"{rate / 1000:.0f} kb/s")
    if stream.type in ("video", "data") and (code := stream.metadata.get("timecode")):
        parts.append(f"time code {code}")
    elif stream.type == "data" and (name := maker(stream)):
        parts.append(name)
    return ", ".join(parts)


def blur_of(path: str, every_seconds: float = 0.5) -> tuple[list[float], list[float]]:
    """(times in seconds, blur lengths in pixels) of a frame in each `every_seconds`. Raises InputError."""
    times: list[float] = []
    lengths: list[float] = []
    with open_source(path) as source:
        for frame in source:
            if not times or frame.seconds >= times[-1] + every_seconds:
                times.append(frame.seconds)
                lengths.append(blur_length(frame))
    return times, lengths


def to_json(info: FileInfo) -> dict[str, Any]:
    """What `vdeblur info --json` prints; rates and ratios as "numerator/denominator"."""
    video = info.video
    described = asdict(video) | {
        "time_base": str(video.time_base),
        "frame_rate": None if video.frame_rate is None else str(video.frame_rate),
        "sample_aspect_ratio": None if video.sample_aspect_ratio is None else str(video.sample_aspect_ratio),
    }
    return asdict(info) | {"video": described}
