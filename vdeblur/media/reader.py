"""Reads an open input once: decodes the video stream, and queues the packets of other streams for a sink."""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias, cast

import av
from av.container import InputContainer
from av.stream import Discard, Stream
from av.video.stream import VideoStream

from ..errors import InputError
from ..frames import MATRIX_BT470BG
from .containers import WITHOUT_PTS
from .h264_fields import FieldPairs
from .opening import video_decoder
from .sei import WITH_MESSAGES, Message, Riders, messages_of

VideoPacket: TypeAlias = "av.Packet[Stream] | av.Packet[VideoStream]"

BREAKS = (av.FFmpegError, IndexError)
"""Exceptions that end demuxing; PyAV raises IndexError for streams that appear through damage."""
MAX_AHEAD = 300
"""Largest number of video packets read ahead to find the first packet of another stream."""
MAX_FAILURES = 1000
"""Consecutive packets that may fail before the input is given up."""
TAIL_SECONDS = 10
"""After the last wanted frame, other streams are read until they catch up, at most this far."""
_WITHOUT_RATIO = frozenset({"mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "ivf", "obu"})
"""Containers that state no pixel ratio: FFmpeg gives that of the last sequence header it has read while probing."""


@dataclass(slots=True)
class Condition:
    """Damage and warnings found so far by all parts of a source."""

    damaged: bool = False
    concealed_pts: set[int] = field(default_factory=set)
    """Frames that were replaced by the last good one, or concealed by the decoder."""
    warnings: list[str] = field(default_factory=list)


class Reader:
    """Demuxes and decodes. Packets of the kept streams are queued in `packets`, in file order."""

    def __init__(
        self, container: InputContainer, video: VideoStream, name: str, condition: Condition, start: float
    ) -> None:
        """`start` is the first wanted pts: earlier failures may be due to missing references."""
        self.container, self.video, self.name = container, video, name
        self.condition = condition
        self.start = start
        self.others = [s for s in container.streams if s.index != video.index]
        self.packets: deque[av.Packet[Stream]] = deque()
        self.kept: set[int] | None = None
        """Indexes of the streams whose packets are queued; None, before `keep` is called, means all."""
        self.indexed = len(video.index_entries)
        """Packets of the video stream by the index that was read when the file was opened."""
        self._codec, self._extradata = video.codec.canonical_name, video.codec_context.extradata
        self._fields = FieldPairs(self._extradata) if self._codec == "h264" else None
        self.decoder = video_decoder(video, self.may_hold_fields)
        self.decoder.copy_opaque = True  # what a packet's `opaque` holds comes out with its frame
        self.ratio: Fraction | None = None
        """Width to height of the first frame's pixels, by the container or else the codec; None where neither says."""
        self._ratio_known = self._is_codecs = False
        self._others_demuxed: Iterator[av.Packet[Stream]] | None = None
        self._read_until: Fraction | None = None
        self.restart()

    @property
    def may_hold_fields(self) -> bool:
        """Whether packets may be fields, two of which make a frame."""
        return self._fields is not None and self._fields.possible

    def is_second_field(self, packet: VideoPacket) -> bool:
        """Whether a packet, the next one in coding order, is the other half of the one before."""
        return self._fields is not None and self._fields.is_second(bytes(packet))

    def restart(self) -> None:
        """Reset after a seek in the container."""
        self.packets.clear()
        self._demuxed = self.container.demux()
        self._ahead: deque[av.Packet[Stream]] = deque()  # video packets that were read ahead
        self.expected: list[int] = []
        """Heap of the pts of packets whose frames have not been decoded yet."""
        self.failed: list[int] = []
        """pts of damaged packets."""
        self.read = 0
        """Number of video packets read."""
        self._failures = 0  # in a row

    def keep(self, streams: Iterable[int]) -> None:
        """From now on, queue packets of these streams (by index) only."""
        self.kept = set(streams)
        for stream in self.others:
            if stream.index not in self.kept:
                stream.discard = Discard.all
        self.packets = deque(p for p in self.packets if p.stream_index in self.kept)

    def frames(self) -> Generator[av.VideoFrame, None, None]:
        """Yield all decoded frames, including those flushed at the end, and record failures.

        Raises InputError if hardly anything can be decoded, and for an encrypted stream.
        """
        while True:
            packet = self._ahead.popleft() if self._ahead else self._next()
            if packet is not None and packet.stream.index != self.video.index:
                self._collect(packet)
                continue
            yield from self._decode(packet)
            if packet is None:
                return

    def _next(self) -> av.Packet[Stream] | None:
        """The next packet of any stream; None at the end, or if the container is broken."""
        try:
            return next(self._demuxed, None)
        except BREAKS:
            self.condition.damaged = True
            return None

    def first_packet(self, index: int) -> av.Packet[Stream] | None:
        """The first packet of another stream; None if there is none within MAX_AHEAD video packets."""
        while len(self._ahead) < MAX_AHEAD:
            queued = next((p for p in self.packets if p.stream_index == index), None)
            if queued is not None:
                return queued
            packet = self._next()
            if packet is None:
                return None
            # (A flushing packet has a stream, but no stream_index.)
            if packet.stream.index == self.video.index:
                self._ahead.append(packet)
            else:
                self._collect(packet)
        return None

    def _decode(self, packet: av.Packet[Stream] | None) -> list[av.VideoFrame]:
        pts = None if packet is None else self.pts_of(packet)
        if packet is not None and packet.size:
            if packet.has_sidedata("encryption_info"):
                raise InputError(f"{self.name}: the input is encrypted; decrypt it first")
            self.read += 1
            if self._codec in WITH_MESSAGES:
                packet.opaque = messages_of(bytes(packet), self._codec, self._extradata)
            if not self.is_second_field(packet) and pts is not None and not packet.is_discard:
                heapq.heappush(self.expected, pts)
            if packet.is_corrupt and pts is not None and self.is_wanted(pts):
                # The demuxer noticed: a checksum or a counter is wrong.
                self.failed.append(pts)
        try:
            frames = self.decoder.decode(packet)
        except av.EOFError:
            return []
        except av.FFmpegError as error:
            self.condition.damaged |= self.is_wanted(pts)
            self._failures += 1
            if pts is not None:
                self.failed.append(pts)
            if self._failures > MAX_FAILURES:
                raise InputError(f"{self.name}: too damaged, {MAX_FAILURES} consecutive packets failed") from error
            return []
        if frames:
            self._failures = 0
            self._add_metadata(frames)
        return frames

    def _add_metadata(self, frames: list[av.VideoFrame]) -> None:
        """Attach what decoders do not set: SEI messages, a pixel ratio other than the first, the matrix of VP8."""
        ratio = self.decoder.sample_aspect_ratio
        if self.decoder.name == "libvpx":  # the one decoder of VP8 that does not say so (RFC 6386, 9.2)
            for frame in frames:
                frame.colorspace = MATRIX_BT470BG
        if not self._ratio_known:
            self._ratio_known = True
            self._is_codecs = self.container.format.name in _WITHOUT_RATIO or ratio == self.video.sample_aspect_ratio
            self.ratio = (ratio if self._is_codecs else self.video.sample_aspect_ratio) or None
        other = ratio if self._is_codecs and ratio != self.ratio else None
        for frame in frames:
            messages = cast(tuple[Message, ...], frame.opaque or ())
            if messages or other:
                frame.opaque = Riders(messages, other)

    def pts_of(self, packet: VideoPacket) -> int | None:
        """The pts of a packet; in containers without pts, where FFmpeg makes up late ones, the dts."""
        if self.container.format.name in WITHOUT_PTS:
            packet.pts = packet.dts
        return packet.pts

    def stated_end(self) -> Fraction | None:
        """The stated end of the last frame, in seconds of the file; None if it is not stated."""
        stream = self.video
        stated = next((value for key, value in stream.metadata.items() if key.upper() == "DURATION"), None)
        # Matroska stores it as a tag
        if stated and (parts := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stated)):
            return int(parts[1]) * 3600 + int(parts[2]) * 60 + Fraction(parts[3])
        if stream.duration and stream.time_base:
            return ((stream.start_time or 0) + stream.duration) * Fraction(stream.time_base)
        return None

    def is_wanted(self, pts: int | None) -> bool:
        """Whether a failure at this time matters."""
        return pts is None or pts >= self.start

    def _collect(self, packet: av.Packet[Stream]) -> None:
        if packet.size and (self.kept is None or packet.stream_index in self.kept):
            self.packets.append(packet)

    def follow_others(self, end: Fraction) -> None:
        """After the last wanted frame, read until the other streams have reached `end` (seconds) as well."""
        behind = set(self.kept or ())
        try:
            for packet in self.container.demux() if behind else ():
                if packet.dts is None:
                    continue
                seconds = packet.dts * packet.time_base
                if packet.stream_index in behind:
                    self._collect(packet)
                    if seconds >= end:
                        behind.discard(packet.stream_index)
                if not behind or seconds >= end + TAIL_SECONDS:
                    break
        except BREAKS:
            self.condition.damaged = True

    def read_others(self, until: Fraction | None) -> None:
        """Without decoding, queue the packets of kept streams up to a time in seconds (None: to the end)."""
        if self._others_demuxed is None:
            self.video.discard = Discard.all
            self._others_demuxed = self.container.demux() if self.kept else iter(())
        if until is not None and self._read_until is not None and self._read_until > until:
            return
        try:
            for packet in self._others_demuxed:
                if packet.stream.index == self.video.index:
                    continue
                self._collect(packet)
                if packet.size and packet.dts is not None:
                    self._read_until = packet.dts * packet.time_base
                    if until is not None and self._read_until > until:
                        return
        except BREAKS:
            self.condition.damaged = True
