"""Support for FFmpeg's muxers: options per container, writing to pipes, decoding times, rebuilt packets."""

from __future__ import annotations

from collections.abc import Callable
from math import lcm
from typing import BinaryIO, TypeVar, cast

import av
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from ..frames import Color
from .containers import strictness
from .matroska import Incomplete
from .tags import STALE_TAGS
from .video_source import VideoSource

StreamT = TypeVar("StreamT", bound=Stream)

MATROSKA = ("matroska", "webm")
MP4 = ("mp4", "mov")

# Tags that MP4's iTunes metadata can hold; others (of phones, cameras) need the general metadata atom.
_ITUNES_TAGS = frozenset(
    {"title", "artist", "album", "album_artist", "date", "comment", "genre", "copyright", "description", "synopsis"}
    | {"show", "episode_id", "network", "lyrics", "composer", "grouping", "track", "disc", "media_type", "hd_video"}
    | {"gapless_playback", "creation_time", "timecode", "language", "rating", "location", "keywords", "compilation"}
)


def muxer_options(format_name: str, color: Color, media: VideoSource | None, is_pipe: bool) -> dict[str, str]:
    """Options of FFmpeg's muxer for a video with these colour tags and the other streams of `media`."""
    if format_name == "yuv4mpegpipe":
        return {"strict": "-1"}  # more than 8 bits is an extension that all readers support
    if format_name in MATROSKA:
        # AAC from MP4 starts before zero with the encoder's priming. FFmpeg would shift all streams by 21 ms; but a
        # block may lie before the start of its cluster, so no shift is needed.
        return {"avoid_negative_ts": "disabled"}
    return _mp4_options(color, media, is_pipe) if format_name in MP4 else {}


SEGMENT_OPTIONS = {"avoid_negative_ts": "disabled", "fflags": "+bitexact"}
"""For segments: no random identifiers, so that the same frames give the same file."""


def _mp4_options(color: Color, media: VideoSource | None, is_pipe: bool) -> dict[str, str]:
    flags = ["frag_keyframe", "empty_moov", "default_base_moof"] if is_pipe else []
    tags = {key.lower() for key in media.container.metadata} if media else set()
    covers = any(stream.disposition & Disposition.attached_pic for stream in media.others) if media else False
    if tags - _ITUNES_TAGS - set(STALE_TAGS) and not covers:  # the general metadata atom cannot hold cover art
        flags.append("use_metadata_tags")
    tagged = [tag != 2 for tag in (color.primaries, color.transfer, color.matrix)]
    if not all(tagged) and (any(tagged) or color.full_range is not None):
        flags.append("write_colr")  # else the muxer drops incomplete tags
    settings = {"movflags": "+" + "+".join(flags)} if flags else {}
    settings |= strictness("mp4")
    # Edit lists give the start of a stream in ticks of the movie time base: with a common multiple of all time bases
    # no start is rounded.
    bases = [stream.time_base for stream in media.container.streams if stream.time_base] if media else []
    scale = lcm(*(base.denominator for base in bases)) if bases else 1000
    return settings | ({"movie_timescale": str(scale)} if 1000 < scale < 2**31 else {})


class PipeWriter:
    """A write-only, unseekable file for FFmpeg that flushes every write.

    With `edit`, the first bytes are buffered until `edit` accepts them.
    """

    def __init__(self, file: BinaryIO, edit: Callable[[bytes], bytes] | None) -> None:
        self._file, self._edit, self._buffer = file, edit, b""

    def write(self, data: bytes) -> int:
        """Write all of `data`."""
        taken = len(data)
        if self._edit:
            self._buffer += data
            try:
                data = self._edit(self._buffer)
            except Incomplete:
                return taken
            self._edit, self._buffer = None, b""
        self._file.write(data)
        self._file.flush()
        return taken


def set_decoding_times(packets: list[av.Packet[VideoStream]]) -> None:
    """Set rising dts, none later than its pts, for all packets of a stream in coding order.

    x265 does not compute dts for a stream shorter than its reordering delay.
    """
    shown = [packet.pts for packet in packets if packet.pts is not None]
    if len(shown) < len(packets) or not shown:
        return
    rising = sorted(shown)
    delay = max(dts - pts for dts, pts in zip(rising, shown, strict=True))
    for packet, dts in zip(packets, rising, strict=True):
        packet.dts = dts - delay


def with_data(packet: av.Packet[StreamT], data: bytes) -> av.Packet[StreamT]:
    """A copy of a packet with other data and without side data."""
    changed = cast("av.Packet[StreamT]", av.Packet(data))
    if packet.stream is not None:
        changed.stream = packet.stream
    changed.time_base = packet.time_base
    changed.pts, changed.dts, changed.duration = packet.pts, packet.dts, packet.duration
    changed.is_keyframe = packet.is_keyframe
    return changed
