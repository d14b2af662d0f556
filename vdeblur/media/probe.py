"""What is in a file, and what would be kept of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..blurriness import blur_length
from ..frames import StreamInfo
from .containers import can_hold, codec_name, format_of, pipe_format, text_codec
from .paths import default_output
from .side_data import kinds, words
from .sources import open_source
from .video_source import VideoSource


@dataclass(frozen=True, slots=True)
class Kept:
    """One stream of a file and what becomes of it in the zero-config output."""

    index: int
    type: str
    """"video", "audio", "subtitle", "attachment" or "data"."""
    codec: str | None
    language: str | None
    fate: str
    """"restored", "copied", "converted to NAME" or "dropped"."""


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
    side_data: tuple[str, ...] = ()
    """What the first frame carries beside its samples, in words (closed captions, HDR10+ metadata, a second view)."""


def probe(path: str) -> FileInfo:
    """Look into a file. Raises InputError as `open_source` does."""
    output = default_output(path)
    with open_source(path) as source:
        if not isinstance(source, VideoSource):
            return FileInfo(
                path, output, source.info, (Kept(0, "video", source.info.codec, None, "restored"),), 0, None
            )
        container = source.container
        streams = tuple(_kept(stream, stream.index == source.video.index, output) for stream in container.streams)
        chapters, title = len(container.chapters()), container.metadata.get("title") or None
        carried = tuple(words(kinds(source.side_data)))
        return FileInfo(path, output, source.info, streams, chapters, title, carried)


def _kept(stream: Any, is_picture: bool, output: str) -> Kept:
    container = pipe_format("") if output == "-" else format_of(output)
    if is_picture:
        fate = "restored"
    elif can_hold(container, stream):
        fate = "copied"
    else:
        codec = text_codec(container, stream)
        fate = f"converted to {codec}" if codec else "dropped"
    language = stream.metadata.get("language")
    return Kept(stream.index, stream.type, codec_name(stream), None if language == "und" else language, fate)


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


def blur_text(times: list[float], lengths: list[float], threshold: float, width: int = 60) -> str:
    """A bar for each moment, and how much `--only-blurred auto` would touch."""
    top = max([*lengths, threshold, 1.0])
    lines = [
        f"{time:9.2f} s {length:6.1f} px  {'#' * round(width * length / top)}"
        for time, length in zip(times, lengths, strict=True)
    ]
    over = sum(length >= threshold for length in lengths)
    lines.append(f"{over} of {len(lengths)} frames looked at are blurred over {threshold:.1f} px or more")
    return "\n".join(lines)


def to_json(info: FileInfo) -> dict[str, Any]:
    """What `vdeblur info --json` prints; rates and ratios as "numerator/denominator"."""
    video = info.video
    described = asdict(video) | {
        "time_base": str(video.time_base),
        "frame_rate": None if video.frame_rate is None else str(video.frame_rate),
        "sample_aspect_ratio": None if video.sample_aspect_ratio is None else str(video.sample_aspect_ratio),
    }
    return asdict(info) | {"video": described}


def to_text(info: FileInfo) -> str:
    """A few lines for people."""
    video = info.video
    layout, color = video.layout, video.color
    sampling = {(1, 1): " 4:2:0", (1, 0): " 4:2:2", (0, 0): " 4:4:4"}.get(layout.chroma_shift, "")
    extent = {None: "untagged range", True: "full range", False: "limited range"}[color.full_range]
    rate = f"{float(video.frame_rate):.6g} fps" if video.frame_rate else "rate unknown"
    length = f"{video.duration_seconds:.3f} s" if video.duration_seconds else "length unknown"
    frames = f"about {video.frames} frames" if video.frames else "frames not counted"
    picture = f"{layout.model}{sampling if layout.model == 'yuv' else ''} {layout.bits} bit"
    lines = [
        f"{info.path}: {video.codec or 'pictures'} {video.width}x{video.height}, {rate}, {length}, {frames}",
        f"  picture   {picture}{' with alpha' if layout.alpha else ''}, {extent}",
        f"  colour    matrix {color.matrix}, primaries {color.primaries}, transfer {color.transfer} (H.273)",
        f"  turned    {video.rotation} degrees, pixels {video.sample_aspect_ratio or '1 (untagged)'}",
        f"  output    {info.output}",
    ]
    for kept in info.streams:
        language = f" ({kept.language})" if kept.language else ""
        lines.append(f"  stream {kept.index:<3}{kept.type} {kept.codec or '?'}{language}: {kept.fate}")
    if info.side_data:
        lines.append(f"  carries   {', '.join(info.side_data)}")
    if info.chapters:
        lines.append(f"  chapters  {info.chapters}")
    return "\n".join(lines)
