"""JoinedSink: writes frames that are already encoded, in several files, and copies all other streams of the source."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
from av.video.stream import VideoStream

from ..errors import NotInSegments
from .options import SinkOptions
from .video_sink import VideoSink
from .video_source import VideoSource


class PacketTimes(NamedTuple):
    """When a packet is shown and decoded, in ticks of one time base."""

    pts: int
    dts: int
    duration: int


class JoinedSink(VideoSink):
    """A file sink for the packets of encoded files, one after another."""

    def __init__(self, path: str, source: VideoSource, options: SinkOptions, first: Path) -> None:
        """The output takes over the encoder's parameters from the file `first`. Raises as `VideoSink` does."""
        with av.open(f"file:{first}") as container:
            self._template = container.streams.video[0]
            self._headers = _headers(self._template)
            super().__init__(path, path, source, options, source.info)

    def _add_video(self, encoder: str, pix_fmt: str, options: SinkOptions, original: VideoStream | None) -> None:
        stream = self._container.add_stream_from_template(self._template, opaque=True)
        stream.time_base = self._info.time_base
        stream.codec_context.framerate = self._rate
        self._describe_video(stream, pix_fmt, encoder, original)
        self._stream, self._message_codec = stream, None

    def append(self, file: Path, times: Iterable[PacketTimes], time_base: Fraction) -> None:
        """Write the packets of an encoded file, in decoding order, with these times in place of their own.

        Packets of other streams come before those that they precede. Raises NotInSegments if the parameters of its
        encoder are not those of the first file, and OutputError.
        """
        assert self._media is not None
        with av.open(f"file:{file}") as container:
            stream = container.streams.video[0]
            if _headers(stream) != self._headers:
                raise NotInSegments(f"{self.name}: the input or the encoder changes between segments")
            packets = (packet for packet in container.demux(stream) if packet.size)
            for packet, (pts, dts, duration) in zip(packets, times, strict=True):
                self._media.read_others(dts * time_base)
                packet.stream = self._stream
                packet.time_base = time_base
                packet.pts, packet.dts, packet.duration = pts, dts, duration
                self._checked(partial(self._mux_video, [packet]))

    def _finish(self) -> None:
        assert self._media is not None
        self._media.read_others(None)
        self._mux_others(None)
        self._end()


def packet_pts(file: Path) -> list[int | None]:
    """The pts of every packet of an encoded file, in decoding order."""
    with av.open(f"file:{file}") as container:
        return [packet.pts for packet in container.demux(container.streams.video[0]) if packet.size]


def _headers(stream: VideoStream) -> tuple[object, ...]:
    """Properties that must be the same in all files, since an output stores them once."""
    context = stream.codec_context
    tags = context.color_range, context.colorspace, context.color_primaries, context.color_trc
    ratio = stream.sample_aspect_ratio or None
    return context.extradata or b"", context.width, context.height, context.pix_fmt, ratio, *tags
