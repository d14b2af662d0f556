"""Opens an input: the container, the video stream that a player would show, and its decoder."""

from __future__ import annotations

from typing import BinaryIO

import av
from av.codec.hwaccel import HWAccel, HWDeviceType
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from ..errors import InputError, UsageError
from .options import SourceOptions
from .transport import TAIL_BYTES

_COVERS = Disposition.attached_pic | Disposition.timed_thumbnails

MAX_PIXELS = 1 << 28
"""Larger frames (30,000 x 8,947) are refused from the header, before memory is allocated."""


class Pipe:
    """A read-only, unseekable file for FFmpeg that keeps the last bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tail = bytearray()

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes; none at the end."""
        data = self._file.read(size)
        self.tail += data
        if len(self.tail) > 2 * TAIL_BYTES:
            del self.tail[:-TAIL_BYTES]
        return data


def hardware_devices(wanted: str) -> list[str]:
    """The hardware decoders to try, as device types of FFmpeg, among those that it was built with.

    Raises UsageError for an unknown type.
    """
    if wanted in ("none", "off"):
        return []
    known = [kind.name for kind in HWDeviceType if kind.name != "none"]
    if wanted not in ("auto", *known):
        message = f"{wanted}: unknown hardware; choose from {' '.join(['auto', 'none', *known])}"
        raise UsageError(message, settings=("hwaccel",))
    built = av.codec.hwaccel.hwdevices_available()
    candidates = ("cuda", "videotoolbox", "d3d11va", "qsv", "vaapi") if wanted == "auto" else (wanted,)
    return [device for device in candidates if device in built]


def open_input(file: str | Pipe, name: str, options: SourceOptions, device: str | None) -> InputContainer:
    """Open an input without network access, and without interpreting patterns or protocols in the name.

    Raises InputError, also if `device` has no decoder for the codec.
    """
    settings = {"protocol_whitelist": "file"}
    if options.frame_rate and options.container:
        settings["framerate"] = str(options.frame_rate)
    target = "file:" + file if isinstance(file, str) else file
    try:
        hardware = HWAccel(device, allow_software_fallback=True) if device is not None else None
        container: InputContainer = av.open(
            target,
            "r",
            format=options.container,
            options=settings,
            hwaccel=hardware,
            metadata_errors="replace",  # tags may be in any encoding
        )
        return container
    except NotImplementedError as error:
        raise InputError(f"{name}: the hardware has no decoder for its codec") from error
    except ValueError as error:
        if isinstance(error, av.FFmpegError):
            raise InputError(f"{name}: not a media file that FFmpeg can read, or truncated before its index") from error
        raise InputError(f"{name}: {error}") from error
    except (av.FFmpegError, OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{name}: cannot be opened: {reason}") from error


def is_animated_webp(file: str | Pipe) -> bool:
    """Whether a file is an animated WebP, which FFmpeg cannot decode."""
    if isinstance(file, Pipe):
        return False
    try:
        with open(file, "rb") as opened:
            head = opened.read(21)
    except OSError:  # gone since it was opened
        return False
    return head[8:16] == b"WEBPVP8X" and bool(head[20] & 2)


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """The video stream to restore: the default one, else the largest; never cover art. Raises InputError."""
    moving = [s for s in container.streams.video if not s.disposition & _COVERS]
    if not moving:
        held = sorted({s.type for s in container.streams})
        raise InputError(f"{name}: no video stream" + (f", only {' and '.join(held)}" if held else ""))
    readable = [s for s in moving if s.codec_context is not None]
    if not readable:
        raise InputError(f"{name}: unknown video codec, or too damaged to read")
    return max(readable, key=_prominence)


def video_decoder(stream: VideoStream, may_hold_fields: bool) -> VideoCodecContext:
    """The stream's own decoder, but for alpha in VP8 and VP9, which only libvpx reads.

    Where frames may be coded as fields, its threads share a frame: with a frame each, sound ones are called corrupt.
    """
    library = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.codec.canonical_name)
    if library and any(key.lower() == "alpha_mode" and value == "1" for key, value in stream.metadata.items()):
        decoder = av.CodecContext.create(library, "r")
        assert isinstance(decoder, VideoCodecContext)
        return decoder
    stream.thread_type = "SLICE" if may_hold_fields else "AUTO"
    return stream.codec_context


def _prominence(stream: VideoStream) -> tuple[bool, int, int]:
    """Sort key of video streams: the default one, then the largest, then the first, as in players."""
    return bool(stream.disposition & Disposition.default), stream.width * stream.height, -stream.index


def check_size(name: str, width: int, height: int) -> None:
    """Raise InputError for an implausibly large frame."""
    if width * height > MAX_PIXELS:
        limit = f"{MAX_PIXELS / 1e6:.0f} million pixels"
        raise InputError(f"{name}: states a frame size of {width}x{height}; the limit is {limit}, crop it first")
