"""VideoSink: restored frames encoded beside every other stream of the source, which is copied packet for packet."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from math import lcm
from typing import Any, BinaryIO, Self, TypeVar

import av
from av.codec.context import Flags
from av.container import OutputContainer
from av.stream import Disposition

from ..errors import OutputError, reason_of
from ..frames import MATRIX_BT709, MATRIX_RGB, MATRIX_SMPTE170M, Color, Frame, StreamInfo
from .containers import can_hold, codec_name, describe, format_of, pipe_format, text_codec
from .encoders import (
    SinkOptions,
    choose_encoder,
    choose_pix_fmt,
    encoder_settings,
    encoder_time_base,
    hdr10_settings,
    merge_settings,
    open_encoder,
    options_for,
)
from .matroska import MAX_HEADER_BYTES, PLACEHOLDER, Incomplete, with_aspect
from .planes import encodable, side_data, storage_of, video_frame
from .sinks import Partial
from .sources import Source
from .video_source import VideoSource

T = TypeVar("T")

CARRY_ASPECT = ("libx264", "libx265", "mpeg2video", "mpeg4", "h264_nvenc", "hevc_nvenc")
"""Encoders that write the sample aspect ratio into the stream itself."""

MATROSKA = ("matroska", "webm")

MAX_WAITING = 4096
"""Packets of other streams that may wait for the picture to reach their time."""

# Tags of an encoding that is no more; the new file gets its own.
_STALE_TAGS = ("encoder", "major_brand", "minor_version", "compatible_brands", "duration", "bps")
_STALE_PREFIXES = ("number_of_", "_statistics", "bps-", "duration-")

# What MP4's own metadata atom has a place for; other keys (a phone's, a camera's) need the general one.
_ITUNES_TAGS = frozenset(
    {"title", "artist", "album", "album_artist", "date", "comment", "genre", "copyright", "description", "synopsis"}
    | {"show", "episode_id", "network", "lyrics", "composer", "grouping", "track", "disc", "media_type", "hd_video"}
    | {"gapless_playback", "creation_time", "timecode", "language", "rating", "location", "keywords", "compilation"}
)


class VideoSink:
    """Writes a media file (a path) or a pipe (a binary file object)."""

    def __init__(self, file: str | BinaryIO, name: str, source: Source, options: SinkOptions, info: StreamInfo) -> None:
        """Open, with every stream configured and the header written. Raises UsageError and OutputError."""
        self.name = name
        self.warnings: list[str] = []
        self._media = source if isinstance(source, VideoSource) else None
        self._info = info
        self._partial: Partial | None = None
        self._is_open = False
        if isinstance(file, str):
            self.format = format_of(file, options.container)
        else:
            given = self._media.container.format.name if self._media else ""
            self.format = format_of(name, options.container) if options.container else pipe_format(given)
        encoder = choose_encoder(self.format, self._info, options, name)
        if (meant := options_for(encoder, options)) != options:
            self.warnings.append(f"{name}: {options.codec} does not work here; {encoder} goes without its options")
            options = meant
        pix_fmt, loss = choose_pix_fmt(encoder, self._info.layout, options.pix_fmt, name)
        if loss:
            self.warnings.append(f"{name}: {encoder} with {pix_fmt} drops {loss} of the source")
        if isinstance(file, str):
            inputs = (self._media.name,) if self._media else ()
            self._partial = Partial(file, options.overwrite, inputs, within=options.partial_folder)
        try:
            self._open(file, encoder, pix_fmt, options)
        except BaseException:
            self.abort()
            raise

    # -- setting up -------------------------------------------------------------------------------------------------

    def _open(self, file: str | BinaryIO, encoder: str, pix_fmt: str, options: SinkOptions) -> None:
        shaped = self.format in MATROSKA and (self._info.sample_aspect_ratio or 1) != 1
        self._edit = self._shape_header if shaped else None
        target: Any = f"file:{self._partial.path}" if self._partial else _Writer(file, self._edit)
        self._container: OutputContainer = av.open(
            target,
            "w",
            format=self.format,
            container_options=self._container_options(options),
            metadata_errors="replace",
        )
        self._is_open = True
        self._copies: dict[int, Callable[[av.Packet[Any]], None]] = {}
        if self._media is None:
            self._add_video(encoder, pix_fmt, options, None)
        else:
            for stream in self._media.container.streams:
                if stream.index == self._media.video.index:
                    self._add_video(encoder, pix_fmt, options, stream)
                elif not options.picture_only:
                    self._add_other(stream, self._media)
            if not options.picture_only:
                self._copy_metadata(self._media)
            self._media.keep(self._copies)
        self._checked(self._container.start_encoding)
        self._last_video: Fraction | None = None

    def _container_options(self, options: SinkOptions) -> dict[str, str]:
        if options.picture_only:  # no random identifiers: the same frames make the same file
            return {"avoid_negative_ts": "disabled", "fflags": "+bitexact"}
        if self.format == "yuv4mpegpipe":
            return {"strict": "-1"}  # over 8 bit is an extension that every reader knows
        if self.format in ("matroska", "webm"):
            # AAC from MP4 starts before zero, where its encoder warms up. Shifting all streams by that would move every
            # picture by 21 ms; a block may lie before the start of its cluster, so nothing has to move.
            return {"avoid_negative_ts": "disabled"}
        if self.format not in ("mp4", "mov"):
            return {}
        flags = []
        if self._partial is None:
            flags += ["frag_keyframe", "empty_moov", "default_base_moof"]
        tags = {k.lower() for k in self._media.container.metadata} if self._media else set()
        covers = any(s.disposition & Disposition.attached_pic for s in self._media.others) if self._media else False
        if tags - _ITUNES_TAGS - set(_STALE_TAGS) and not covers:  # that atom has no place for cover art
            flags.append("use_metadata_tags")
        color = self._info.color
        tagged = [tag != 2 for tag in (color.primaries, color.transfer, color.matrix)]
        if not all(tagged) and (any(tagged) or color.full_range is not None):
            flags.append("write_colr")  # else the muxer drops tags that are incomplete
        settings = {"movflags": "+" + "+".join(flags)} if flags else {}
        # An edit list counts the start of a stream in ticks of the movie: with the common multiple of all time bases
        # no start is rounded.
        bases = [s.time_base for s in self._media.container.streams if s.time_base] if self._media else []
        scale = lcm(*(base.denominator for base in bases)) if bases else 1000
        return settings | ({"movie_timescale": str(scale)} if 1000 < scale < 2**31 else {})

    def _add_video(self, encoder: str, pix_fmt: str, options: SinkOptions, original: Any) -> None:
        info = self._info
        rate = (info.frame_rate or Fraction(25)).limit_denominator(100_000)
        stream: Any = self._container.add_stream(encoder, rate=min(rate, Fraction(240)))
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = info.width, info.height, pix_fmt
        context.time_base = stream.time_base = encoder_time_base(encoder, info)
        context.flags |= Flags.frame_duration
        self.color = coded_color(info.color, pix_fmt, info.height)
        context.colorspace, context.color_primaries = self.color.matrix, self.color.primaries
        context.color_trc = self.color.transfer
        context.color_range = {None: 0, False: 1, True: 2}[self.color.full_range]
        if info.sample_aspect_ratio:
            context.sample_aspect_ratio = info.sample_aspect_ratio
            # PyAV hands the ratio to the codec alone. MP4 and MOV read it there, Matroska gets it from `with_aspect`;
            # elsewhere the codec has to carry it.
            kept = self.format in ("mp4", "mov", *MATROSKA) or encoder in CARRY_ASPECT
            if info.sample_aspect_ratio != 1 and not kept:
                ratio = f"{info.sample_aspect_ratio.numerator}:{info.sample_aspect_ratio.denominator}"
                advice = "use h264 or hevc, or MP4"
                self.warnings.append(f"{self.name}: {encoder} in {self.format} drops the pixel ratio {ratio}; {advice}")
        if self.format in ("mp4", "mov") and encoder in ("libx265", "hevc_nvenc"):
            context.codec_tag = "hvc1"  # the tag that Apple's players insist on
        profile = original.profile if original is not None else None
        settings = encoder_settings(encoder, info, profile, options)
        if self._media is not None:
            hdr10, lost = hdr10_settings(encoder, self._media.first_frame)
            merge_settings(settings, hdr10)
            if lost:
                self.warnings.append(f"{self.name}: {encoder} has no place for HDR10 metadata; libx265 and av1 have")
            self._keep_orientation(stream, self._media.first_frame)
        context.options = settings
        if original is not None:
            stream.disposition = original.disposition
            stream.metadata.update(track_tags(original.metadata))
        self._make_place(stream)
        if pix_fmt.startswith("yuva") and encoder in ("libvpx", "libvpx-vp9"):
            stream.metadata["alpha_mode"] = "1"  # by which readers know to look for it
        open_encoder(stream, self.name)
        self._stream = stream
        self._pix_fmt, self._size = pix_fmt, (info.width, info.height)

    def _make_place(self, stream: Any) -> None:
        """Where Matroska is to hold the shape of pixels; see `vdeblur.media.matroska`."""
        if self._edit:
            stream.metadata["title"] = stream.metadata.get("title", "") + PLACEHOLDER

    def _shape_header(self, head: bytes) -> bytes:
        assert self._info.sample_aspect_ratio
        return with_aspect(head, self._info.sample_aspect_ratio, (self._info.width, self._info.height))

    def _keep_orientation(self, stream: Any, first: av.VideoFrame) -> None:
        matrix = side_data(first, "DISPLAYMATRIX")
        if matrix is None:
            return
        if self.format in ("mp4", "mov", "matroska", "webm"):
            stream.set_display_matrix(struct.unpack("=9i", matrix))
        else:
            self.warnings.append(f"{self.name}: {self.format} has no place for the rotation ({first.rotation} degrees)")

    def _add_other(self, stream: Any, media: VideoSource) -> None:
        """Copy, convert or drop one stream that is not the picture."""
        if stream.type == "data" and "timecode" in stream.metadata and "timecode" in media.video.metadata:
            return  # the picture's tag says the same: MP4 and MOV make this very track of it, Matroska keeps the tag
        if self.format == "matroska" and stream.disposition & Disposition.attached_pic:
            self._attach_cover(stream, media)
        elif can_hold(self.format, stream):
            copy = self._container.add_stream_from_template(stream)
            copy.metadata.update(track_tags(stream.metadata))
            copy.disposition = stream.disposition
            self._copies[stream.index] = lambda packet: self._mux_copy(packet, copy)
        elif codec := text_codec(self.format, stream):
            self._add_converted_text(stream, codec)
        else:
            self.warnings.append(f"{self.name}: {self.format} cannot hold {describe(stream)}: dropped")

    def _attach_cover(self, stream: Any, media: VideoSource) -> None:
        """Matroska keeps covers as attached files; a reader shows them as pictures again."""
        packet = next((p for p in media.packets if p.stream_index == stream.index), None)
        kind = codec_name(stream) or ""
        if packet is None or kind not in ("mjpeg", "png", "bmp", "gif", "webp"):
            self.warnings.append(f"{self.name}: {describe(stream)} cannot be read: dropped")
            return
        kind = "jpeg" if kind == "mjpeg" else kind
        name = stream.metadata.get("filename") or f"cover.{kind.replace('jpeg', 'jpg')}"
        attachment = self._container.add_attachment(name, f"image/{kind}", bytes(packet))
        attachment.metadata.update(lasting(stream.metadata) | {"filename": name, "mimetype": f"image/{kind}"})

    def _add_converted_text(self, stream: Any, codec: str) -> None:
        text: Any = self._container.add_stream(codec)
        text.codec_context.time_base = text.time_base = Fraction(1, 1000)
        text.codec_context.subtitle_header = stream.codec_context.subtitle_header or _ASS_HEADER
        text.metadata.update(track_tags(stream.metadata))
        text.disposition = stream.disposition
        self.warnings.append(f"{self.name}: {describe(stream)} becomes {codec}, the text that {self.format} holds")

        def convert(packet: av.Packet[Any]) -> None:
            try:
                shown = stream.codec_context.decode2(packet)
            except av.InvalidDataError:
                self._lose(f"{self.name}: words of {describe(stream)} are damaged: dropped")
                return
            if shown is None or not len(shown) or packet.pts is None:
                return
            written = text.codec_context.encode_subtitle(shown)
            written.time_base = packet.time_base
            written.pts = written.dts = packet.pts
            written.duration = packet.duration
            self._mux_copy(written, text)

        self._copies[stream.index] = convert

    def _copy_metadata(self, media: VideoSource) -> None:
        self._container.metadata.update(lasting(media.container.metadata))
        chapters = cut_chapters(media)
        if chapters and self.format in ("mpegts", "yuv4mpegpipe"):
            self.warnings.append(f"{self.name}: {self.format} cannot hold {len(chapters)} chapters: dropped")
        elif chapters:
            self._container.set_chapters(chapters)

    # -- writing ----------------------------------------------------------------------------------------------------

    def write(self, frame: Frame) -> None:
        """Encode one frame, and copy what the other streams hold up to it."""
        if frame.size != self._size:
            warning = f"{self.name}: the picture changes size; all of it is scaled to {self._size[0]}x{self._size[1]}"
            if warning not in self.warnings:
                self.warnings.append(warning)
        picture = encodable(video_frame(frame), self._pix_fmt, self._size)
        picture.colorspace = self.color.matrix
        self._checked(lambda: self._mux_video(self._stream.encode(picture)))

    def _mux_video(self, packets: list[Any]) -> None:
        for packet in packets:
            if packet.dts is not None:
                self._last_video = packet.dts * packet.time_base
            self._container.mux(packet)
        if packets:
            self._mux_others(self._last_video)

    def _mux_others(self, until: Fraction | None) -> None:
        """Take what the source holds ready, up to a time as the output counts it (None: all)."""
        if self._media is None:
            return
        waiting = self._media.packets
        start, end, shift = self._media.cut
        while waiting:
            packet = waiting[0]
            stamp = packet.dts if packet.dts is not None else packet.pts
            if stamp is not None:
                seconds = stamp * packet.time_base
                if until is not None and seconds - shift > until and len(waiting) < MAX_WAITING:
                    return
                shown = (packet.pts if packet.pts is not None else stamp) * packet.time_base
                if (start is not None and shown < start) or (end is not None and shown >= end):
                    waiting.popleft()
                    continue
                ticks = round(shift / packet.time_base)
                packet.dts = stamp - ticks
                packet.pts = packet.pts - ticks if packet.pts is not None else None
            waiting.popleft()
            self._copies[packet.stream_index](packet)

    def _mux_copy(self, packet: av.Packet[Any], stream: Any) -> None:
        packet.stream = stream
        if packet.pts is not None and packet.dts is not None and packet.pts < packet.dts:
            packet.pts = packet.dts  # damage: nothing is shown before it is decoded
        try:
            self._container.mux(packet)
        except av.ArgumentError:  # its time runs backwards, which no container takes: the rest is worth keeping
            self._lose(f"{self.name}: packets of {stream.type} stream {stream.index} are out of order: dropped")
        except av.InvalidDataError:  # what the container wants to know of it cannot be read
            self._lose(f"{self.name}: packets of {stream.type} stream {stream.index} are damaged: dropped")

    def _lose(self, warning: str) -> None:
        assert self._media is not None
        self._media.damaged = True
        if warning not in self.warnings:
            self.warnings.append(warning)

    def close(self) -> None:
        """Drain the encoder, write the rest of the other streams and the index, and move the file into place."""
        if not self._is_open:
            return
        try:
            self._checked(self._finish)
        except BaseException:
            self.abort()
            raise
        if self._partial:
            self._partial.commit()

    def _finish(self) -> None:
        packets = self._stream.encode(None)
        if self._last_video is None:
            order_decoding(packets)
        self._mux_video(packets)
        self._mux_others(None)
        self._end()

    def _end(self) -> None:
        self._is_open = False
        self._container.close()
        if self._edit and self._partial:
            with self._partial.path.open("r+b") as file:
                head = self._edit(file.read(MAX_HEADER_BYTES))
                file.seek(0)
                file.write(head)

    def abort(self) -> None:
        """Close and remove the temporary file."""
        if self._is_open:
            self._is_open = False
            with suppress(av.FFmpegError, OSError, ValueError):  # the file is thrown away
                self._container.close()
        if self._partial:
            self._partial.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _checked(self, action: Callable[[], T]) -> T:
        """Run, and say in one line what failed. A reader that went away stays a BrokenPipeError."""
        try:
            return action()
        except (av.FFmpegError, OSError, ValueError) as error:
            if getattr(error, "errno", None) == errno.EPIPE:
                raise BrokenPipeError(errno.EPIPE, f"{self.name}: its reader is gone") from error
            raise OutputError(f"{self.name}: cannot be written: {reason_of(error)}") from error


class _Writer:
    """A pipe: FFmpeg may write it, and learns that it cannot seek. All is flushed at once, for the reader.

    With `edit`, the start is held until that takes it.
    """

    def __init__(self, file: Any, edit: Callable[[bytes], bytes] | None) -> None:
        self._file, self._edit, self._held = file, edit, b""

    def write(self, data: bytes) -> int:
        taken = len(data)
        if self._edit:
            self._held += data
            try:
                data = self._edit(self._held)
            except Incomplete:
                return taken
            self._edit, self._held = None, b""
        self._file.write(data)
        self._file.flush()
        return taken


_ASS_HEADER = (
    b"[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\nFormat: Name, Fontname, Fontsize, PrimaryColour,"
    b" SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle,"
    b" BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\r\n"
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\r\n\r\n[Events]\r\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
)


def coded_color(color: Color, pix_fmt: str, height: int) -> Color:
    """The tags of what is encoded: the source's, but for a picture that goes from RGB to YCbCr or back."""
    storage = storage_of(pix_fmt)
    to_rgb = storage is not None and storage.layout.model == "rgb"
    if to_rgb:
        return Color(color.primaries, color.transfer, MATRIX_RGB, color.full_range, 0)
    if color.matrix == MATRIX_RGB:
        matrix = MATRIX_BT709 if height >= 720 else MATRIX_SMPTE170M
        return Color(color.primaries, color.transfer, matrix, False, color.chroma_location)
    return color


def lasting(tags: dict[str, str]) -> dict[str, str]:
    """Metadata without what described the old encoding (encoder, brands, sizes and rates)."""
    return {
        key: value
        for key, value in tags.items()
        if key.lower() not in _STALE_TAGS and not key.lower().startswith(_STALE_PREFIXES)
    }


def order_decoding(packets: list[Any]) -> None:
    """Give the packets of a whole stream, in coding order, rising dts none of which comes after its pts.

    A stream shorter than x265's reordering delay leaves x265 with dts that were never computed.
    """
    shown = [packet.pts for packet in packets]
    if None in shown or not shown:
        return
    rising = sorted(shown)
    delay = max(dts - pts for dts, pts in zip(rising, shown, strict=True))
    for packet, dts in zip(packets, rising, strict=True):
        packet.dts = dts - delay


def track_tags(tags: dict[str, str]) -> dict[str, str]:
    """`lasting` tags of a stream. MP4's reader calls a track's title "name", its writer takes only "title"."""
    kept = lasting(tags)
    if name := kept.pop("name", None):
        kept.setdefault("title", name)
    return kept


def cut_chapters(media: VideoSource) -> list[Any]:
    """The source's chapters, cut and shifted as its pictures are."""
    start, end, shift = media.cut
    kept = []
    for chapter in media.container.chapters():
        tick = Fraction(chapter["time_base"] or Fraction(1, 1000))
        first, last = chapter["start"] * tick, chapter["end"] * tick
        first = max(first, start) if start is not None else first
        last = min(last, end) if end is not None else last
        if first < last or (start is None and end is None):
            moved = {"start": round((first - shift) / tick), "end": round((last - shift) / tick)}
            kept.append({**chapter, **moved, "time_base": tick})
    return kept
