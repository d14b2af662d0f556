"""Which streams each container can hold, and what happens to the others.

    container          other video   audio   text subtitles   bitmap subtitles    attachments   data    cover   chapters
    Matroska (.mkv)    copied        copied  copied *         copied              copied        -       copied  kept
    MP4, MOV           copied        copied  to mov_text      DVD only            -             copied  copied  kept
    WebM               VP8/9, AV1    Opus, Vorbis  to WebVTT  -                   -             -       -       kept
    NUT                copied        copied  -                -                   -             copied  copied  kept
    MPEG-TS            copied        copied  -                DVB                 -             copied  -       -
    Y4M                -             -       -                -                   -             -       -       -

    * mov_text, which only MP4 and MOV hold, becomes SubRip. "-" is dropped with a warning that names the stream.

This table is not enough: `can_hold` also writes a trial header with the stream, so that codecs which a container
refuses are found before the first frame is decoded.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av
from av.container import OutputContainer
from av.stream import Discard, Disposition, Stream

from ..errors import UsageError

FORMATS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".ts": "mpegts",
    ".m2ts": "mpegts",
    ".mts": "mpegts",
    ".nut": "nut",
    ".y4m": "yuv4mpegpipe",
}
"""Containers that keep every pts and all tags; default outputs use one of these."""

MORE_FORMATS = {".avi": "avi", ".mxf": "mxf", ".flv": "flv", ".gif": "gif", ".h264": "h264", ".hevc": "hevc"}
"""Containers written only on request: they count frames and lose their times."""

WITHOUT_PTS = ("avi",)
"""Containers with decoding times only: with B-frames, frames would be shown late."""

_TEXT_CODEC = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}

# MPEG-TS accepts anything as private data, which no player reads; these have a stream type or descriptor.
_IN_TRANSPORT_STREAM = frozenset(
    {"mpeg1video", "mpeg2video", "mpeg4", "h264", "hevc", "vvc", "mp2", "mp3", "aac", "aac_latm", "ac3", "eac3"}
    | {"dts", "truehd", "opus", "dvb_subtitle", "dvb_teletext", "klv", "timed_id3", "scte_35", "smpte_2038"}
)

_DEMUXERS = {"mov": "mp4", "matroska": "matroska", "mpegts": "mpegts", "nut": "nut", "yuv4mpegpipe": "yuv4mpegpipe"}


def format_of(path: str, container: str | None = None) -> str:
    """FFmpeg's name of the output format of `path`. Raises UsageError for an unknown suffix or container."""
    if container is not None:
        name = FORMATS.get("." + container.lstrip("."), container)
        try:
            av.ContainerFormat(name, "w")
        except ValueError:
            raise UsageError(f"container {container}: unknown output format; try mkv, mp4, mov or nut") from None
        return name
    suffix = Path(path).suffix.lower()
    try:
        return FORMATS.get(suffix) or MORE_FORMATS[suffix]
    except KeyError:
        known = " ".join(FORMATS)
        raise UsageError(f"{path}: unknown suffix; use one of {known}") from None


def pipe_format(source_format: str) -> str:
    """The format for standard output: that of the input if a pipe can carry it, else Matroska."""
    return next((_DEMUXERS[n] for n in source_format.split(",") if n in _DEMUXERS), "matroska")


def can_hold(container: str, stream: Stream) -> bool:
    """Whether a header with a copy of `stream` can be written in this container."""
    if container == "yuv4mpegpipe":
        return False
    if container != "matroska" and stream.type == "attachment":
        return False
    if container == "mpegts" and codec_name(stream) not in _IN_TRANSPORT_STREAM:
        return False
    if stream.type == "data" and codec_name(stream) is None:  # MOV's muxer would write a track that describes nothing
        return False
    if container == "webm" and stream.disposition & Disposition.attached_pic:
        return False
    return _try_muxer(container, lambda output: output.add_stream_from_template(stream))


def is_unknown_text(stream: Stream) -> bool:
    """Whether a subtitle stream has no decoder (teletext, Japanese captions); PyAV cannot copy those."""
    return bool(stream.type == "subtitle" and stream.codec_context is None)


def holds_chapters(stream: Stream) -> bool:
    """Whether a stream is the chapter track of MP4 and MOV, whose contents FFmpeg also returns as chapters.

    FFmpeg marks that track as discarded, which can be seen just after opening.
    """
    return is_unread(stream) and codec_name(stream) == "bin_data" and bool(stream.container.chapters())


def repeats_timecode(stream: Stream) -> bool:
    """Whether a stream is a time code track that duplicates the tag of a video stream."""
    if stream.type != "data" or "timecode" not in stream.metadata:
        return False
    return any("timecode" in video.metadata for video in stream.container.streams.video)


def is_unread(stream: Stream) -> bool:
    """Whether FFmpeg does not read a stream (of an input just opened), such as chapters or records of a camera."""
    return bool(stream.type == "data" and stream.discard == Discard.all)


def text_codec(container: str, stream: Stream) -> str | None:
    """The codec to which text subtitles must be converted for this container; None if there is none."""
    if stream.type != "subtitle" or stream.codec_context is None or not stream.codec_context.codec.text_sub:
        return None
    return _TEXT_CODEC.get(container)


def can_encode(container: str, encoder: str) -> bool:
    """Whether this container can hold the codec of `encoder`."""
    if container == "yuv4mpegpipe":
        return encoder in ("rawvideo", "wrapped_avframe")
    if container == "mpegts" and av.Codec(encoder, "w").canonical_name not in _IN_TRANSPORT_STREAM:
        return False
    codec = av.Codec(encoder, "w").canonical_name
    # MP4 and MOV refuse only when writing the header; the others do so at once, and some need a real stream for it.
    header = container in ("mp4", "mov")
    return _try_muxer(container, lambda output: output.add_mux_stream(codec, rate=25, width=64, height=48), header)


def strictness(container: str) -> dict[str, str]:
    """Options that allow experimental codecs: TrueHD in MP4, which players support."""
    return {"strict": "-2"} if container in ("mp4", "mov") else {}


def _try_muxer(container: str, add: Callable[[OutputContainer], object], header: bool = True) -> bool:
    rehearsal: OutputContainer = av.open(io.BytesIO(), "w", format=container, container_options=strictness(container))
    try:
        add(rehearsal)
        if header:
            rehearsal.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    finally:
        with suppress(av.FFmpegError):
            rehearsal.close()
    return True


def codec_name(stream: Stream) -> str | None:
    """FFmpeg's name of the codec of a stream (not of its decoder); None if there is none."""
    if stream.codec_context is not None:
        return str(stream.codec_context.codec.canonical_name)
    name = getattr(stream, "name", None)
    return str(name) if name else None


def maker(stream: Stream) -> str:
    """What MP4 and MOV call a stream: of data, often all that tells what it is."""
    return "".join(filter(str.isprintable, stream.metadata.get("handler_name", ""))).strip()


def describe(stream: Stream) -> str:
    """The name of a stream in warnings: `subtitle stream 3 (mov_text, eng)`, `data stream 4 (eng, GoPro SOS)`."""
    kind = "cover art" if stream.disposition & Disposition.attached_pic else f"{stream.type} stream"
    parts = (codec_name(stream), stream.metadata.get("language"), maker(stream) if stream.type == "data" else "")
    details = ", ".join(part for part in parts if part)
    return f"{kind} {stream.index}" + (f" ({details})" if details else "")
