"""The description of a file by `probe`, as text."""

from __future__ import annotations

from ..frames import StreamInfo
from ..progress import clock, size_text
from .color_names import long_color_text
from .probe import FileInfo, ProbedStream

BAR_WIDTH = 60
"""Characters of the longest bar."""


def to_text(info: FileInfo) -> str:
    """The description as lines of text."""
    video = info.video
    length = clock(video.duration_seconds) if video.duration_seconds else "length unknown"
    if video.duration_seconds and video.duration_seconds < 60:
        length = f"{video.duration_seconds:.3f} s"
    rate = f"{float(video.frame_rate):.6g} fps" if video.frame_rate else "rate unknown"
    frames = f"about {video.frames} frames" if video.frames else "frames not counted"
    lines = [
        f"{info.path}: {video.codec or 'images'} {video.width}x{video.height}, {rate}, {length}, {frames}",
        *_line("file", _file(info)),
        *_line("samples", _samples(video)),
        *_line("colour", long_color_text(video.color, video.height)),
        *_line("shape", _shape(video)),
        *_line("output", info.output),
    ]
    for kept in info.streams:
        lines.append(f"  stream {kept.index:<3}{_stream(kept)}: {kept.fate}")
    lines += _line("side data", ", ".join(info.side_data))
    lines += _line("chapters", str(info.chapters or ""))
    for key, value in info.metadata.items():
        lines += _line("tag", f"{key}: {' '.join(value.split())}")
    return "\n".join(lines)


def blur_text(times: list[float], lengths: list[float], threshold: float) -> str:
    """A bar per measured frame, and the share of frames above the threshold."""
    top = max([*lengths, threshold, 1.0])
    lines = [
        f"{time:9.2f} s {length:6.1f} px  {'#' * round(BAR_WIDTH * length / top)}"
        for time, length in zip(times, lengths, strict=True)
    ]
    over = sum(length >= threshold for length in lengths)
    lines.append(f"{over} of {len(lengths)} measured frames are blurred by {threshold:.1f} px or more")
    return "\n".join(lines)


def _line(heading: str, text: str) -> list[str]:
    return [f"  {heading:<10}{text}"] if text else []


def _file(info: FileInfo) -> str:
    parts = [info.container, size_text(info.size_bytes) if info.size_bytes else ""]
    parts.append(f"{info.bit_rate / 1000:.0f} kb/s" if info.bit_rate else "")
    return ", ".join(filter(None, parts))


def _samples(video: StreamInfo) -> str:
    layout = video.layout
    sampling = {(1, 1): " 4:2:0", (1, 0): " 4:2:2", (0, 0): " 4:4:4", (2, 0): " 4:1:1", (0, 1): " 4:4:0"}
    kind = {"yuv": "YCbCr", "rgb": "RGB", "gray": "gray"}[layout.model]
    if layout.model == "yuv":
        kind += sampling.get(layout.chroma_shift, "")
    return f"{kind}, {layout.bits} bit{' with alpha' if layout.alpha else ''}"


def _shape(video: StreamInfo) -> str:
    ratio = video.sample_aspect_ratio
    pixels = "square pixels"
    if ratio is not None and ratio != 1:
        pixels = f"pixels {ratio.numerator}:{ratio.denominator}, shown as {round(video.width * ratio)}x{video.height}"
    rotated = f", rotated by {video.rotation} degrees" if video.rotation else ""
    return pixels + rotated


def _stream(stream: ProbedStream) -> str:
    parts = [f"{stream.type} {stream.codec}" if stream.codec else stream.type]
    parts.append(f" ({stream.language})" if stream.language else "")
    parts.append(f", {stream.details}" if stream.details else "")
    return "".join(parts)
