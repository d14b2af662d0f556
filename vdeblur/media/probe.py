"""Describes a file, its streams, and what an output would keep of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from av.audio.stream import AudioStream
from av.stream import Stream
from av.video.stream import VideoStream

from ..blurriness import blur_length
from ..frames import StreamInfo
from .containers import (
    can_hold,
    codec_name,
    format_of,
    holds_chapters,
    is_unread,
    maker,
    pipe_format,
    repeats_timecode,
    text_codec,
)
from .image_files import bytes_of
from .paths import default_output
from .side_data import describe_kinds, kinds
from .sources import open_source
from .video_source import VideoSource

_TECHNICAL = ("major_brand", "minor_version", "compatible_brands")
"""Tags that describe the format and not the content."""
BLUR_SECONDS = 0.5
"""Interval at which the blur is measured."""


@dataclass(frozen=True, slots=True)
class ProbedStream:
    """One stream of a file, and what happens to it in the default output."""

    index: int
    type: str
    """"video", "audio", "subtitle", "attachment" or "data"."""
    codec: str | None
    language: str | None
    fate: str
    """"restored", "copied", "kept as chapters" or "as time code", "converted to NAME" or "dropped"."""
    details: str = ""
    """Further properties as text: bit rate, channels, time code, handler name."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """The stream to restore, and all streams of the file; a folder of images has only one."""

    path: str
    output: str
    """The default output of `vdeblur PATH`."""
    video: StreamInfo
    streams: tuple[ProbedStream, ...]
    chapters: int
    title: str | None
    container: str = ""
    """FFmpeg's description of the format."""
    size_bytes: int | None = None
    """Size of the file, or of all images; None for a pipe."""
    bit_rate: int | None = None
    """Bits per second of all streams together."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Tags of the whole file."""
    side_data: tuple[str, ...] = ()
    """Side data of the first frame, as text (closed captions, HDR10+ metadata, second view)."""


def probe(path: str) -> FileInfo:
    """Describe a file. Raises InputError as `open_source` does."""
    output = default_output(path)
    with open_source(path) as source:
        size = bytes_of(path)
        if not isinstance(source, VideoSource):
            only = ProbedStream(0, "video", source.info.codec, None, "restored")
            return FileInfo(path, output, source.info, (only,), 0, None, "images", size)
        container = source.container
        return FileInfo(
            path=path,
            output=output,
            video=source.info,
            streams=tuple(
                _probe_stream(stream, stream.index == source.video.index, output) for stream in container.streams
            ),
            chapters=len(container.chapters()),
            title=container.metadata.get("title") or None,
            container=container.format.long_name,
            size_bytes=size,
            bit_rate=container.bit_rate or None,
            metadata={key: value for key, value in container.metadata.items() if key.lower() not in _TECHNICAL},
            side_data=tuple(describe_kinds(kinds(source.side_data))),
        )


def _probe_stream(stream: Stream, is_restored: bool, output: str) -> ProbedStream:
    container = pipe_format("") if output == "-" else format_of(output)
    if is_restored:
        fate = "restored"
    elif holds_chapters(stream):
        fate = "kept as chapters"
    elif repeats_timecode(stream):
        fate = "kept as time code"
    elif is_unread(stream):
        fate = "dropped"
    elif can_hold(container, stream):
        fate = "copied"
    else:
        codec = text_codec(container, stream)
        fate = f"converted to {codec}" if codec else "dropped"
    language = stream.metadata.get("language")
    language = None if language == "und" else language
    return ProbedStream(stream.index, stream.type, codec_name(stream), language, fate, _details(stream))


def _details(stream: Stream) -> str:
    """Properties that distinguish a stream from others of its type."""
    parts = []
    if isinstance(stream, AudioStream):
        parts += [f"{stream.codec_context.sample_rate / 1000:g} kHz", stream.codec_context.layout.name]
    if isinstance(stream, AudioStream | VideoStream) and (rate := stream.bit_rate or stream.codec_context.bit_rate):
        parts.append(f"{rate / 1000:.0f} kb/s")
    if stream.type in ("video", "data") and (code := stream.metadata.get("timecode")):
        parts.append(f"time code {code}")
    elif stream.type == "data" and (name := maker(stream)):
        parts.append(name)
    return ", ".join(parts)


def blur_of(path: str) -> tuple[list[float], list[float]]:
    """(times in seconds, blur lengths in pixels) of one frame per BLUR_SECONDS. Raises InputError."""
    times: list[float] = []
    lengths: list[float] = []
    with open_source(path) as source:
        for frame in source:
            if not times or frame.seconds >= times[-1] + BLUR_SECONDS:
                times.append(frame.seconds)
                lengths.append(blur_length(frame))
    return times, lengths


def to_json(info: FileInfo) -> dict[str, object]:
    """As printed by `vdeblur info --json`; rates and ratios as "numerator/denominator"."""
    video = info.video
    described = asdict(video) | {
        "time_base": str(video.time_base),
        "frame_rate": None if video.frame_rate is None else str(video.frame_rate),
        "sample_aspect_ratio": None if video.sample_aspect_ratio is None else str(video.sample_aspect_ratio),
    }
    return asdict(info) | {"video": described}
