"""What FFmpeg's muxers have to be told: options for each container, a pipe to write to, the order of decoding."""

from __future__ import annotations

from collections.abc import Callable
from math import lcm
from typing import Any

import av
from av.stream import Disposition

from ..frames import Color
from .containers import strictness
from .matroska import Incomplete
from .tags import STALE_TAGS
from .video_source import VideoSource

MATROSKA = ("matroska", "webm")
MP4 = ("mp4", "mov")

# What MP4's own metadata atom has a place for; other keys (a phone's, a camera's) need the general one.
_ITUNES_TAGS = frozenset(
    {"title", "artist", "album", "album_artist", "date", "comment", "genre", "copyright", "description", "synopsis"}
    | {"show", "episode_id", "network", "lyrics", "composer", "grouping", "track", "disc", "media_type", "hd_video"}
    | {"gapless_playback", "creation_time", "timecode", "language", "rating", "location", "keywords", "compilation"}
)


def muxer_options(format_name: str, color: Color, media: VideoSource | None, is_pipe: bool) -> dict[str, str]:
    """Options of FFmpeg's muxer for a video of this colour and, with `media`, what its file holds beside it."""
    if format_name == "yuv4mpegpipe":
        return {"strict": "-1"}  # over 8 bit is an extension that every reader knows
    if format_name in MATROSKA:
        # AAC from MP4 starts before zero, where its encoder warms up. Shifting all streams by that would move every
        # frame by 21 ms; a block may lie before the start of its cluster, so nothing has to move.
        return {"avoid_negative_ts": "disabled"}
    return _mp4_options(color, media, is_pipe) if format_name in MP4 else {}


SEGMENT_OPTIONS = {"avoid_negative_ts": "disabled", "fflags": "+bitexact"}
"""For video alone: no random identifiers, so that the same frames make the same file."""


def _mp4_options(color: Color, media: VideoSource | None, is_pipe: bool) -> dict[str, str]:
    flags = ["frag_keyframe", "empty_moov", "default_base_moof"] if is_pipe else []
    tags = {key.lower() for key in media.container.metadata} if media else set()
    covers = any(stream.disposition & Disposition.attached_pic for stream in media.others) if media else False
    if tags - _ITUNES_TAGS - set(STALE_TAGS) and not covers:  # that atom has no place for cover art
        flags.append("use_metadata_tags")
    tagged = [tag != 2 for tag in (color.primaries, color.transfer, color.matrix)]
    if not all(tagged) and (any(tagged) or color.full_range is not None):
        flags.append("write_colr")  # else the muxer drops tags that are incomplete
    settings = {"movflags": "+" + "+".join(flags)} if flags else {}
    settings |= strictness("mp4")
    # An edit list counts the start of a stream in ticks of the movie: with the common multiple of all time bases
    # no start is rounded.
    bases = [stream.time_base for stream in media.container.streams if stream.time_base] if media else []
    scale = lcm(*(base.denominator for base in bases)) if bases else 1000
    return settings | ({"movie_timescale": str(scale)} if 1000 < scale < 2**31 else {})


class PipeWriter:
    """A pipe: FFmpeg may write it, and learns that it cannot seek. All is flushed at once, for the reader.

    With `edit`, the start is held until that takes it.
    """

    def __init__(self, file: Any, edit: Callable[[bytes], bytes] | None) -> None:
        self._file, self._edit, self._held = file, edit, b""

    def write(self, data: bytes) -> int:
        """Write all of `data`."""
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


def repacked(packet: Any, data: bytes) -> Any:
    """A packet with other data and without side data, at the same times."""
    changed: Any = av.Packet(data)
    if packet.stream is not None:
        changed.stream = packet.stream
    changed.time_base = packet.time_base
    changed.pts, changed.dts, changed.duration = packet.pts, packet.dts, packet.duration
    changed.is_keyframe = packet.is_keyframe
    return changed
