"""One reading of an open input: the video stream is decoded, the packets of the streams beside it wait for a sink."""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from ..errors import InputError
from ..frames import MATRIX_BT470BG
from .containers import WITHOUT_PTS
from .h264_fields import FieldPairs
from .opening import video_decoder
from .sei import WITH_MESSAGES, Riders, messages_of

BREAKS = (av.FFmpegError, IndexError)
"""What ends a demuxer; PyAV has no place for streams that damage makes up on the way, and raises IndexError."""
MAX_AHEAD = 300
"""Packets of the video stream that are read before their turn to find the first one of a stream beside it."""
MAX_FAILURES = 1000
"""Packets in a row that may fail before an input counts as beyond use."""
TAIL_SECONDS = 10
"""After the last wanted frame, other streams are followed until they catch up, at most this far."""
_WITHOUT_RATIO = frozenset({"mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "ivf", "obu"})
"""Containers that state no pixel ratio: FFmpeg gives that of the last sequence header it has read while probing."""


@dataclass(slots=True)
class Condition:
    """What a reading has found to be wrong so far; everyone who takes part adds to it."""

    damaged: bool = False
    concealed_pts: set[int] = field(default_factory=set)
    """Frames that stand as the last good one, or as the decoder mended them."""
    warnings: list[str] = field(default_factory=list)


class Reader:
    """Demuxes and decodes. Packets of streams to keep gather in `packets`, in file order."""

    def __init__(
        self, container: InputContainer, video: VideoStream, name: str, condition: Condition, start: float
    ) -> None:
        """`start` is the first pts that is wanted: what fails before it may lack what it refers to."""
        self.container, self.video, self.name = container, video, name
        self.condition = condition
        self.start = start
        self.others = [s for s in container.streams if s.index != video.index]
        self.packets: deque[av.Packet[Any]] = deque()
        self.kept: set[int] | None = None
        """Indexes of the streams whose packets are held; None while no one has asked yet: all."""
        self.indexed = len(video.index_entries)
        """Packets of the video stream by the index that was read when the file was opened."""
        self._codec, self._extradata = video.codec.canonical_name, video.codec_context.extradata
        self._fields = FieldPairs(self._extradata) if self._codec == "h264" else None
        self.decoder = video_decoder(video, self.may_hold_fields)
        self.decoder.copy_opaque = True  # what a packet's `opaque` holds comes out with its frame
        self.ratio: Fraction | None = None
        """Width to height of the first frame's pixels, by the container or else the codec; None where neither says."""
        self._ratio_known = self._is_codecs = False
        self._beside: Iterator[av.Packet[Any]] | None = None
        self._read_until: Fraction | None = None
        self.restart()

    @property
    def may_hold_fields(self) -> bool:
        """Whether packets may be fields, two of which make a frame."""
        return self._fields is not None and self._fields.possible

    def is_second_field(self, packet: av.Packet[Any]) -> bool:
        """Whether a packet, the next one in coding order, is the other half of the one before."""
        return self._fields is not None and self._fields.is_second(bytes(packet))

    def restart(self) -> None:
        """Forget what was read: the container was sought somewhere else."""
        self.packets.clear()
        self._demuxed = self.container.demux()
        self._ahead: deque[av.Packet[Any]] = deque()  # packets of the video stream that were read before their turn
        self.expected: list[int] = []
        """pts of packets whose frames are still to come, a heap."""
        self.failed: list[int] = []
        """pts of packets that were damaged."""
        self.read = 0
        """Packets of the video stream."""
        self._failures = 0  # in a row

    def keep(self, streams: Iterable[int]) -> None:
        """From now on, hold packets of these streams (by index); those of others are dropped."""
        self.kept = set(streams)
        for stream in self.others:
            if stream.index not in self.kept:
                stream.discard = Discard.all
        self.packets = deque(p for p in self.packets if p.stream_index in self.kept)

    def frames(self) -> Generator[av.VideoFrame, None, None]:
        """Every frame that the decoder gives, drained; what it could not decode is noted.

        Raises InputError where nearly nothing can be decoded, and for a stream that is encrypted.
        """
        while True:
            packet = self._ahead.popleft() if self._ahead else self._next()
            if packet is not None and packet.stream.index != self.video.index:
                self._collect(packet)
                continue
            yield from self._decode(packet)
            if packet is None:
                return

    def _next(self) -> av.Packet[Any] | None:
        """The next packet of any stream; None at the end, or where the container itself breaks off."""
        try:
            return next(self._demuxed, None)
        except BREAKS:
            self.condition.damaged = True
            return None

    def first_packet(self, index: int) -> av.Packet[Any] | None:
        """The first packet of a stream beside the video; None where what may be read ahead for it has none."""
        while len(self._ahead) < MAX_AHEAD:
            held = next((p for p in self.packets if p.stream_index == index), None)
            if held is not None:
                return held
            packet = self._next()
            if packet is None:
                return None
            # (A flushing packet has a stream, but no stream_index.)
            if packet.stream.index == self.video.index:
                self._ahead.append(packet)
            else:
                self._collect(packet)
        return None

    def _decode(self, packet: av.Packet[Any] | None) -> list[av.VideoFrame]:
        pts = None if packet is None else self.pts_of(packet)
        if packet is not None and packet.size:
            if packet.has_sidedata("encryption_info"):
                raise InputError(f"{self.name}: is encrypted; what protects it has to be taken off first")
            self.read += 1
            if self._codec in WITH_MESSAGES:
                packet.opaque = messages_of(bytes(packet), self._codec, self._extradata)
            if not self.is_second_field(packet) and pts is not None and not packet.is_discard:
                heapq.heappush(self.expected, pts)
            if packet.is_corrupt and pts is not None and self.is_wanted(pts):
                # The container noticed: a checksum or a counter is off.
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
                raise InputError(f"{self.name}: damaged beyond use, {MAX_FAILURES} packets in a row fail") from error
            return []
        if frames:
            self._failures = 0
            self._mark(frames)
        return frames

    def _mark(self, frames: list[av.VideoFrame]) -> None:
        """Tell frames what is known elsewhere: SEI messages, another pixel ratio than the first's, VP8's matrix."""
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
            messages: Any = frame.opaque or ()
            if messages or other:
                frame.opaque = Riders(messages, other)

    def pts_of(self, packet: av.Packet[Any]) -> int | None:
        """When what is in the packet is shown; where the container does not say, FFmpeg makes up late times."""
        if self.container.format.name in WITHOUT_PTS:
            packet.pts = packet.dts
        return packet.pts

    def stated_end(self) -> Fraction | None:
        """When the last frame ends, in seconds as the file counts them, where the file says so."""
        stream = self.video
        stated = next((value for key, value in stream.metadata.items() if key.upper() == "DURATION"), None)
        # Matroska, as its tools tag it
        if stated and (parts := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stated)):
            return int(parts[1]) * 3600 + int(parts[2]) * 60 + Fraction(parts[3])
        if stream.duration and stream.time_base:
            return ((stream.start_time or 0) + stream.duration) * Fraction(stream.time_base)
        return None

    def is_wanted(self, pts: int | None) -> bool:
        """Whether a failure at this time counts."""
        return pts is None or pts >= self.start

    def _collect(self, packet: av.Packet[Any]) -> None:
        if packet.size and (self.kept is None or packet.stream_index in self.kept):
            self.packets.append(packet)

    def follow_others(self, end: Fraction) -> None:
        """After the last wanted frame: read on until the other streams have reached `end` (seconds) too."""
        behind = set(self.kept or ())
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

    def read_others(self, until: Fraction | None) -> None:
        """Without decoding a frame: hold what the kept streams have up to a time in seconds (None: to the end)."""
        if self._beside is None:
            self.video.discard = Discard.all
            self._beside = self.container.demux() if self.kept else iter(())
        if until is not None and self._read_until is not None and self._read_until > until:
            return
        try:
            for packet in self._beside:
                if packet.stream.index == self.video.index:
                    continue
                self._collect(packet)
                if packet.size and packet.dts is not None:
                    self._read_until = packet.dts * packet.time_base
                    if until is not None and self._read_until > until:
                        return
        except BREAKS:
            self.condition.damaged = True
