"""The other streams of a source: copied packet by packet, converted, or dropped with a warning."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import av
from av.container import OutputContainer
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream

from .containers import (
    can_hold,
    codec_name,
    describe,
    holds_chapters,
    is_unknown_text,
    is_unread,
    repeats_timecode,
    text_codec,
)
from .muxers import with_data
from .tags import copied_tags, kept_tags, track_tags
from .video_source import VideoSource

AAC_HEADER = ("matroska", "mp4", "mov", "flv")
"""Containers that describe AAC in their header."""
MAX_WAITING = 4096
"""Largest number of packets that wait for the video to reach their time."""

_ASS_HEADER = (
    b"[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\nFormat: Name, Fontname, Fontsize, PrimaryColour,"
    b" SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle,"
    b" BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\r\n"
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\r\n\r\n[Events]\r\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
)


class OtherStreams:
    """Carries the streams other than the video from an input to an output container."""

    def __init__(
        self, media: VideoSource, container: OutputContainer, format_name: str, name: str, warnings: list[str]
    ) -> None:
        """`name` is that of the output; `warnings` collects what cannot be carried."""
        self._media, self._container, self._format, self._name = media, container, format_name, name
        self._warnings = warnings
        self._copies: dict[int, Callable[[av.Packet[Stream]], None]] = {}

    @property
    def indexes(self) -> set[int]:
        """Indexes of the input streams whose packets are needed."""
        return set(self._copies)

    def add(self, stream: Stream) -> None:
        """Copy, convert or drop one stream of the input."""
        if repeats_timecode(stream):
            return  # MP4 and MOV create this track from the video's tag, Matroska keeps the tag
        if holds_chapters(stream):
            return  # they are written as chapters
        if is_unread(stream):
            self._warnings.append(f"{self._name}: {describe(stream)} is not read by FFmpeg: dropped")
            return
        if is_unknown_text(stream):
            self._warnings.append(f"{self._name}: {describe(stream)} is teletext or has no decoder here: dropped")
            return
        if self._format == "matroska" and stream.disposition & Disposition.attached_pic:
            self._attach_cover(stream)
        elif can_hold(self._format, stream):
            self._add_copy(stream)
        elif isinstance(stream, SubtitleStream) and (codec := text_codec(self._format, stream)):
            self._add_converted_text(stream, codec)
        else:
            self._warnings.append(f"{self._name}: {self._format} cannot hold {describe(stream)}: dropped")

    def _add_copy(self, stream: Stream) -> None:
        copy = self._container.add_stream_from_template(stream)
        copy.metadata.update(copied_tags(stream.metadata))
        copy.disposition = stream.disposition
        self._copies[stream.index] = lambda packet: self._mux_copy(packet, copy)
        if codec_name(stream) == "aac" and not stream.codec_context.extradata and self._format in AAC_HEADER:
            self._describe_aac(stream, copy)

    def _describe_aac(self, stream: Stream, copy: Stream) -> None:
        """Move the description of AAC from the packets, as in transport streams, into the header."""
        first = self._media.first_packet(stream.index)
        described = audio_specific_config(bytes(first)) if first is not None else None
        if described is None:
            return
        copy.codec_context.extradata = described
        bare = av.BitStreamFilterContext("aac_adtstoasc", stream)

        def strip(packet: av.Packet[Stream]) -> None:
            try:
                for stripped in bare.filter(packet):  # (their side data repeats the description in the header)
                    self._mux_copy(with_data(stripped, bytes(stripped)), copy)
            except av.InvalidDataError:
                self._lose(f"{self._name}: packets of {describe(stream)} are damaged: dropped")

        self._copies[stream.index] = strip

    def _attach_cover(self, stream: Stream) -> None:
        """Matroska stores cover art as attached files; readers show it as images again."""
        packet = self._media.first_packet(stream.index)
        kind = codec_name(stream) or ""
        if packet is None or kind not in ("mjpeg", "png", "bmp", "gif", "webp"):
            self._warnings.append(f"{self._name}: {describe(stream)} cannot be read: dropped")
            return
        kind = "jpeg" if kind == "mjpeg" else kind
        name = stream.metadata.get("filename") or f"cover.{kind.replace('jpeg', 'jpg')}"
        attachment = self._container.add_attachment(name, f"image/{kind}", bytes(packet))
        attachment.metadata.update(kept_tags(stream.metadata) | {"filename": name, "mimetype": f"image/{kind}"})

    def _add_converted_text(self, stream: SubtitleStream, codec: str) -> None:
        text = self._container.add_stream(codec)
        assert isinstance(text, SubtitleStream)
        text.codec_context.time_base = text.time_base = Fraction(1, 1000)
        text.codec_context.subtitle_header = stream.codec_context.subtitle_header or _ASS_HEADER
        text.metadata.update(track_tags(stream.metadata))
        text.disposition = stream.disposition
        self._warnings.append(f"{self._name}: {describe(stream)} is converted to {codec} for {self._format}")

        def convert(packet: av.Packet[Stream]) -> None:
            try:
                shown = stream.codec_context.decode2(packet)
            except av.InvalidDataError:
                self._lose(f"{self._name}: damaged text of {describe(stream)}: dropped")
                return
            if shown is None or not len(shown) or packet.pts is None:
                return
            written = text.codec_context.encode_subtitle(shown)
            written.time_base = packet.time_base
            written.pts = written.dts = packet.pts
            written.duration = packet.duration
            self._mux_copy(written, text)

        self._copies[stream.index] = convert

    def mux(self, until: Fraction | None) -> None:
        """Write the waiting packets of the source up to a time in seconds of the output (None: all)."""
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

    def _mux_copy(self, packet: av.Packet[Stream], stream: Stream) -> None:
        packet.stream = stream
        if packet.pts is not None and packet.dts is not None and packet.pts < packet.dts:
            packet.pts = packet.dts  # damaged: no packet is shown before it is decoded
        try:
            self._container.mux(packet)
        except av.ArgumentError:  # time stamps run backwards, which no container accepts: drop this packet
            self._lose(f"{self._name}: packets of {stream.type} stream {stream.index} are out of order: dropped")
        except av.InvalidDataError:  # the muxer cannot parse the packet
            self._lose(f"{self._name}: packets of {stream.type} stream {stream.index} are damaged: dropped")

    def _lose(self, warning: str) -> None:
        self._media.damaged = True
        if warning not in self._warnings:
            self._warnings.append(warning)


def audio_specific_config(packet: bytes) -> bytes | None:
    """AAC's description for a container's header (ISO/IEC 14496-3, 1.6.2.1), from the ADTS header of a packet (1.A.2).

    None if there is no such header, or it does not state the channels.
    """
    if len(packet) < 7 or packet[0] != 0xFF or packet[1] & 0xF6 != 0xF0:
        return None
    object_type, rate = (packet[2] >> 6) + 1, packet[2] >> 2 & 15
    channels = (packet[2] & 1) << 2 | packet[3] >> 6
    if not channels or rate > 12:
        return None
    return (object_type << 11 | rate << 7 | channels << 3).to_bytes(2, "big")
