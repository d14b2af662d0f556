"""What each container may hold, and what becomes of a stream that it may not.

    container          other video   audio   text subtitles   picture subtitles   attachments   data    cover   chapters
    Matroska (.mkv)    copied        copied  copied *         copied              copied        -       copied  kept
    MP4, MOV           copied        copied  to mov_text      DVD only            -             copied  copied  kept
    WebM               VP8/9, AV1    Opus, Vorbis  to WebVTT  -                   -             -       -       kept
    NUT                copied        copied  -                -                   -             copied  copied  kept
    MPEG-TS            copied        copied  -                DVB                 -             copied  -       -
    Y4M                -             -       -                -                   -             -       -       -

    * mov_text, which only MP4 and MOV know, becomes SubRip. "-" is dropped with a warning that names the stream.

Nothing is decided by this table alone: `can_hold` lets the muxer write a header with the stream in question, so codecs
that a container refuses are found before the first frame is decoded.
"""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.stream import Discard, Disposition

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
"""Containers that keep every pts and all tags; a zero-config output stays in one of these."""

MORE_FORMATS = {".avi": "avi", ".mxf": "mxf", ".flv": "flv", ".gif": "gif", ".h264": "h264", ".hevc": "hevc"}
"""Written when asked for by name, at the user's own risk: they count frames instead of keeping their times."""

WITHOUT_PTS = ("avi",)
"""Containers that know decoding times only: B-frames would be shown late by as much as they reorder."""

_TEXT_CODEC = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}

# MPEG-TS takes anything as private data that no player finds again; these it has a stream type or descriptor for.
_IN_TRANSPORT_STREAM = frozenset(
    {"mpeg1video", "mpeg2video", "mpeg4", "h264", "hevc", "vvc", "mp2", "mp3", "aac", "aac_latm", "ac3", "eac3"}
    | {"dts", "truehd", "opus", "dvb_subtitle", "dvb_teletext", "klv", "timed_id3", "scte_35", "smpte_2038"}
)

_DEMUXERS = {"mov": "mp4", "matroska": "matroska", "mpegts": "mpegts", "nut": "nut", "yuv4mpegpipe": "yuv4mpegpipe"}


def format_of(path: str, container: str | None = None) -> str:
    """FFmpeg's name of the format to write `path` in. Raises UsageError for a suffix that says nothing."""
    if container is not None:
        name = FORMATS.get("." + container.lstrip("."), container)
        try:
            av.ContainerFormat(name, "w")
        except ValueError:
            raise UsageError(f"container {container}: this FFmpeg cannot write it; try mkv, mp4, mov or nut") from None
        return name
    suffix = Path(path).suffix.lower()
    try:
        return FORMATS.get(suffix) or MORE_FORMATS[suffix]
    except KeyError:
        known = " ".join(FORMATS)
        raise UsageError(f"{path}: its suffix names no container that can be written; use one of {known}") from None


def pipe_format(source_format: str) -> str:
    """The format for standard output: the input's own where a pipe can carry it, else Matroska."""
    return next((_DEMUXERS[n] for n in source_format.split(",") if n in _DEMUXERS), "matroska")


def can_hold(container: str, stream: Any) -> bool:
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
    return _rehearse(container, lambda output: output.add_stream_from_template(stream))


def is_unknown_text(stream: Any) -> bool:
    """Whether nothing here decodes a subtitle stream (teletext, Japan's captions): PyAV copies none of these."""
    return bool(stream.type == "subtitle" and stream.codec_context is None)


def holds_chapters(stream: Any) -> bool:
    """Whether a stream is the track in which MP4 and MOV keep chapters, which FFmpeg gives as chapters too.

    It sets the track aside, which the streams of an input that was just opened show.
    """
    return is_set_aside(stream) and codec_name(stream) == "bin_data" and bool(stream.container.chapters())


def repeats_timecode(stream: Any) -> bool:
    """Whether a stream is a time code track that says what a video stream's tag says too."""
    if stream.type != "data" or "timecode" not in stream.metadata:
        return False
    return any("timecode" in video.metadata for video in stream.container.streams.video)


def is_set_aside(stream: Any) -> bool:
    """Whether FFmpeg reads nothing of a stream (of an input that was just opened): chapters, a camera's own records."""
    return bool(stream.type == "data" and stream.discard == Discard.all)


def text_codec(container: str, stream: Any) -> str | None:
    """The codec that text subtitles must be converted to for this container; None where there is none."""
    if stream.type != "subtitle" or stream.codec_context is None or not stream.codec_context.codec.text_sub:
        return None
    return _TEXT_CODEC.get(container)


def can_encode(container: str, encoder: str) -> bool:
    """Whether this container takes what `encoder` makes."""
    if container == "yuv4mpegpipe":
        return encoder in ("rawvideo", "wrapped_avframe")
    if container == "mpegts" and av.Codec(encoder, "w").canonical_name not in _IN_TRANSPORT_STREAM:
        return False
    codec = av.Codec(encoder, "w").canonical_name
    # MP4 and MOV tell only at the header; the others say it at once, and some would want a real stream for a header.
    header = container in ("mp4", "mov")
    return _rehearse(container, lambda output: output.add_mux_stream(codec, rate=25, width=64, height=48), header)


def strictness(container: str) -> dict[str, str]:
    """Options with which a muxer takes what FFmpeg calls experimental there: TrueHD in MP4, which players know."""
    return {"strict": "-2"} if container in ("mp4", "mov") else {}


def _rehearse(container: str, add: Any, header: bool = True) -> bool:
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


def codec_name(stream: Any) -> str | None:
    """The codec of a stream, as FFmpeg names the format (not the decoder); None where there is none."""
    if stream.codec_context is not None:
        return str(stream.codec_context.codec.canonical_name)
    name = getattr(stream, "name", None)
    return str(name) if name else None


def maker(stream: Any) -> str:
    """What MP4 and MOV call a stream: of data, often all that tells what it is."""
    return "".join(filter(str.isprintable, stream.metadata.get("handler_name", ""))).strip()


def describe(stream: Any) -> str:
    """How a warning names a stream: `subtitle stream 3 (mov_text, eng)`, `data stream 4 (eng, GoPro SOS)`."""
    kind = "cover art" if stream.disposition & Disposition.attached_pic else f"{stream.type} stream"
    parts = (codec_name(stream), stream.metadata.get("language"), maker(stream) if stream.type == "data" else "")
    details = ", ".join(part for part in parts if part)
    return f"{kind} {stream.index}" + (f" ({details})" if details else "")
