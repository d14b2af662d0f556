"""VideoSource: the frames of a media file or pipe, decoded, in order, each at its exact time."""

from __future__ import annotations

import heapq
import io
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import Any, BinaryIO

import av
from av.codec.hwaccel import HWAccel, HWDeviceType
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from ..errors import InputError, UsageError
from ..frames import MATRIX_RGB, MATRIX_UNSPECIFIED, Color, Frame, StreamInfo
from .deinterlace import deinterlaced
from .planes import frame_of, readable
from .sources import SourceOptions, check_size
from .transport import TAIL_BYTES, end_of

REORDER_DEPTH = 4
"""Frames held back while wrongly ordered pts are sorted."""
BREAKS = (av.FFmpegError, IndexError)
"""What ends a demuxer; PyAV has no place for streams that damage makes up on the way, and raises IndexError."""
MAX_FAILURES = 1000
"""Packets in a row that may fail before an input counts as beyond use."""
MAX_CONCEALED_SECONDS = 10
"""A longer gap stays a gap: the pts keep sound in step, and a minute of one still helps no one."""
BACK_SECONDS = (2, 15)
"""How far before a cut is sought again where the first seek lands behind it."""
TAIL_SECONDS = 10
"""After the last wanted frame, other streams are followed until they catch up, at most this far."""

_CHROMA_LOCATIONS = {(1, 2): 1, (2, 2): 2, (1, 1): 3, (2, 1): 4}  # left, centre, top left, top
_NO_TIMESTAMPS = 0x0080  # AVFMT_NOTIMESTAMPS
_COVERS = Disposition.attached_pic | Disposition.timed_thumbnails


class VideoSource:
    """A media file (a path) or a pipe (a binary file object that is only read).

    Packets of streams that a sink asked for with `keep` wait in `packets`, in file order, for that sink to take
    them as the picture advances: one reading of the input serves both.
    """

    def __init__(self, file: str | BinaryIO, name: str, options: SourceOptions) -> None:
        """Open, find the picture and decode its first frame. Raises InputError."""
        self.name = name
        self.concealed_pts: set[int] = set()
        self.damaged = False
        self.warnings: list[str] = []
        self.packets: deque[av.Packet[Any]] = deque()
        self._options = options
        self._kept: set[int] | None = None
        self._others: Iterator[av.Packet[Any]] | None = None
        self._read_until: Fraction | None = None
        self._file = file if isinstance(file, str) else _Reader(file)
        self._devices = _devices(options.hwaccel) if isinstance(file, str) else []
        while not self._begin(self._file, self._devices.pop(0) if self._devices else None):
            pass  # this hardware does not decode this stream: the next one, and software in the end

    def _begin(self, file: str | _Reader, device: str | None) -> bool:
        """Open and decode the first frame, on a device where one is given; False where the device cannot do it."""
        try:
            self._container = _open(file, self.name, self._options, device)
        except InputError:
            if device is not None:
                return False
            raise
        try:
            self.video = _video_stream(self._container, self.name)
            self.others = [s for s in self._container.streams if s.index != self.video.index]
            check_size(self.name, self.video.width, self.video.height)
            self._decoder = _decoder(self.video)
            self._start, self._end, self.shift = self._cut()
            seekable = self._start is not None and isinstance(file, str)
            if seekable:
                self._seek()
            self._frames: Generator[av.VideoFrame, None, None] = self._decoded()
            first = next(self._frames, None)
            if first is None:
                raise InputError(f"{self.name}: no frame of its {self.video.codec.name} stream can be decoded")
            if seekable and first.pts is not None and self._start is not None and first.pts > self._start:
                first = self._from_further_back()
            self.first_frame: av.VideoFrame = first
            self._peeked = True
            self.color = color_of(first, chroma_location(self.video))
            self.info = self._stream_info(frame_of(first, 0, Fraction(1), self.color))
        except BaseException as error:
            self._container.close()
            self.packets.clear()
            if device is not None and isinstance(error, Exception):
                self.damaged = False
                return False
            raise
        return True

    @property
    def container(self) -> InputContainer:
        """The open input, for its metadata and chapters."""
        return self._container

    @property
    def cut(self) -> tuple[Fraction | None, Fraction | None, Fraction]:
        """Start and end of what is read, and what is taken off all times, in seconds as the file counts them."""
        tick = self._time_base
        return (
            None if self._start is None else self._start * tick,
            None if self._end is None else self._end * tick,
            self.shift * tick,
        )

    @property
    def concealed(self) -> int:
        """Frames so far that are not as they were shot."""
        return len(self.concealed_pts)

    def keep(self, streams: Iterable[int]) -> None:
        """From now on, hold packets of these streams (by index) in `packets`; those of others are dropped."""
        self._kept = set(streams)
        for stream in self.others:
            if stream.index not in self._kept:
                stream.discard = Discard.all
        self.packets = deque(p for p in self.packets if p.stream_index in self._kept)

    def __iter__(self) -> Iterator[Frame]:
        """Frames with strictly rising pts, in the unit of `info.time_base`."""
        if self._kept is None:
            self.keep(())
        last: int | None = None
        whole: Frame | None = None
        for whole in self._timed(self._parted(self._all_frames())):
            frame = whole
            if self._end is not None and frame.pts >= self._end:
                break
            if self._start is not None and frame.pts < self._start:
                continue
            pts = frame.pts - self.shift
            if last is not None and pts <= last:
                pts = last + 1
            last = pts
            yield replace(frame, pts=pts)
        if self._end is not None:
            self._follow_others()
        else:
            self._check_claim(whole)

    def packet_times(self) -> tuple[list[int], set[int]] | None:
        """The pts of every picture in order and those of keyframes, read from the packets; None where they cannot say.

        Nothing is decoded, and the source cannot be iterated afterwards.
        """
        if self._container.format.flags & _NO_TIMESTAMPS:
            return None
        for stream in self.others:
            stream.discard = Discard.all
        times: list[int] = []
        keyframes: set[int] = set()
        try:
            self._container.seek(self.video.start_time or 0, stream=self.video)
            for packet in self._container.demux(self.video):
                if packet.size == 0 or packet.is_discard:
                    continue
                if packet.pts is None:
                    return None
                times.append(packet.pts)
                if packet.is_keyframe:
                    keyframes.add(packet.pts)
        except BREAKS:  # damaged from here on, or a format that cannot go back
            if not times:
                return None
        return (sorted(times), keyframes) if len(set(times)) == len(times) else None

    def read_others(self, until: Fraction | None) -> None:
        """Without decoding a picture: hold in `packets` what the kept streams have up to a time (None: to the end).

        For a sink that has its pictures from elsewhere; not to be mixed with iterating.
        """
        if self._others is None:
            self.video.discard = Discard.all
            self._others = self._container.demux() if self._kept else iter(())
        if until is None and self._end is not None:
            until = self._end * self._time_base + TAIL_SECONDS
        if until is not None and self._read_until is not None and self._read_until > until:
            return
        try:
            for packet in self._others:
                if packet.stream.index == self.video.index:
                    continue
                self._collect(packet)
                if packet.size and packet.dts is not None:
                    self._read_until = packet.dts * packet.time_base
                    if until is not None and self._read_until > until:
                        return
        except BREAKS:
            self.damaged = True

    def close(self) -> None:
        """Close the input."""
        self._frames.close()
        self._container.close()
        self.packets.clear()

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what the file is -------------------------------------------------------------------------------------------

    def _stream_info(self, first: Frame) -> StreamInfo:
        stream, context = self.video, self.video.codec_context
        width, height = first.size
        rate = self._options.frame_rate or stream.average_rate or stream.guessed_rate
        seconds = self._seconds()
        frames = stream.frames or (round(seconds * rate) if seconds and rate else None)
        if seconds and (self._start is not None or self._end is not None):
            origin = (stream.start_time or 0) * self._time_base
            start = 0.0 if self._start is None else float(self._start * self._time_base - origin)
            end = seconds if self._end is None else float(self._end * self._time_base - origin)
            kept = max(min(end, seconds) - max(start, 0.0), 0.0)
            frames = round(frames * kept / seconds) if frames else None
            seconds = kept
        return StreamInfo(
            width=width,
            height=height,
            layout=first.layout,
            color=self.color,
            time_base=self._time_base,
            frame_rate=rate or None,
            frames=frames,
            duration_seconds=seconds,
            sample_aspect_ratio=stream.sample_aspect_ratio or None,
            rotation=self.first_frame.rotation,
            codec=stream.codec.canonical_name,
            bit_rate=stream.bit_rate or context.bit_rate or None,
        )

    def _seconds(self) -> float | None:
        stream = self.video
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return self._container.duration / av.time_base if self._container.duration else None

    @property
    def _time_base(self) -> Fraction:
        return Fraction(self.video.time_base or Fraction(1, 90000))

    def _cut(self) -> tuple[int | None, int | None, int]:
        """Start and end in ticks of the stream as the file counts them, and what is taken off every pts."""
        tick, options = self._time_base, self._options
        if options.pts_range is not None:
            return *options.pts_range, 0
        origin = Fraction(self._container.start_time or 0, av.time_base)
        first, last = _exactly(options.start_seconds), _exactly(options.end_seconds)
        start = None if first is None else ceil((origin + first) / tick)
        end = None if last is None else ceil((origin + last) / tick)
        shift = 0 if options.keep_timestamps else round((first or 0) / tick)
        return start, end, shift

    # -- decoding ---------------------------------------------------------------------------------------------------

    def _seek(self, seconds_before: int = 0) -> None:
        assert self._start is not None
        try:
            self._container.seek(self._start - int(seconds_before / self._time_base), stream=self.video)
        except av.FFmpegError:  # some formats cannot: read from the start instead
            self._container.seek(0)

    def _from_further_back(self) -> av.VideoFrame:
        """A seek landed behind the cut (a poor index, or none): try before it, in the end from the first packet."""
        first: av.VideoFrame | None = None
        for seconds in (*BACK_SECONDS, None):
            self._frames.close()
            self.packets.clear()
            self.damaged = False
            if seconds is None:
                self._container.seek(self.video.start_time or 0, stream=self.video)
            else:
                self._seek(seconds)
            self._frames = self._decoded()
            first = next(self._frames, None)
            if first is not None and first.pts is not None and self._start is not None and first.pts <= self._start:
                break
        if first is None:
            raise InputError(f"{self.name}: no frame of its {self.video.codec.name} stream can be decoded again")
        return first

    def _all_frames(self) -> Iterator[av.VideoFrame]:
        if self._peeked:
            self._peeked = False
            yield self.first_frame
        yield from self._frames

    def _parted(self, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Frames without fields, unless they were asked for."""
        said = f"{self.name}: is interlaced"
        if self._options.deinterlace == "off":
            if self.first_frame.interlaced_frame:
                self.warnings.append(f"{said}; its fields are restored woven together, --deinterlace auto parts them")
            return frames
        every = self._options.deinterlace == "bwdif"
        note = f"{said}: deinterlaced with bwdif, one frame for each; --deinterlace off leaves the fields"
        return deinterlaced(map(readable, frames), self._time_base, every, lambda: self.warnings.append(note))

    def _decoded(self) -> Generator[av.VideoFrame, None, None]:
        """Every frame that the decoder gives, drained; what it could not decode is left to `_expected`."""
        self._expected: list[int] = []  # pts of packets whose frames are still to come, a heap
        self._failed: list[int] = []  # pts of packets that were damaged
        self._failures = 0  # in a row
        self._read = 0
        try:
            for packet in self._container.demux():
                if packet.stream.index != self.video.index:  # (a flushing packet has a stream, but no stream_index)
                    self._collect(packet)
                    continue
                yield from self._decode(packet)
        except BREAKS:
            self.damaged = True  # the container itself breaks off here
            yield from self._decode(None)

    def _decode(self, packet: av.Packet[Any] | None) -> list[av.VideoFrame]:
        pts = None if packet is None else packet.pts
        if packet is not None and packet.size:
            self._read += 1
            if pts is not None and not packet.is_discard:
                heapq.heappush(self._expected, pts)
            if packet.is_corrupt and pts is not None and self._is_wanted(pts):
                # The container noticed: a checksum or a counter is off.
                self._failed.append(pts)
        try:
            frames = self._decoder.decode(packet)
        except av.EOFError:
            return []
        except av.FFmpegError as error:
            self.damaged |= self._is_wanted(pts)
            self._failures += 1
            if pts is not None:
                self._failed.append(pts)
            if self._failures > MAX_FAILURES:
                raise InputError(f"{self.name}: damaged beyond use, {MAX_FAILURES} packets in a row fail") from error
            return []
        if frames:
            self._failures = 0
        return frames

    def _is_wanted(self, pts: int | None) -> bool:
        """Whether a failure counts: what lies before a cut may lack what it refers to."""
        return pts is None or self._start is None or pts >= self._start

    def _collect(self, packet: av.Packet[Any]) -> None:
        if packet.size and (self._kept is None or packet.stream_index in self._kept):
            self.packets.append(packet)

    def _follow_others(self) -> None:
        """After the last wanted frame: read on until the other streams have reached the end of the cut too."""
        assert self._end is not None
        end = self._end * self._time_base
        behind = set(self._kept or ())
        for packet in self._container.demux() if behind else ():
            if packet.dts is None:
                continue
            seconds = packet.dts * packet.time_base
            if packet.stream_index in behind:
                self._collect(packet)
                if seconds >= end:
                    behind.discard(packet.stream_index)
            if not behind or seconds >= end + TAIL_SECONDS:
                break

    # -- time -------------------------------------------------------------------------------------------------------

    def _timed(self, frames: Iterable[av.VideoFrame]) -> Iterator[Frame]:
        """Give every frame its pts, put them in order, and stand in for those that were lost on the way."""
        last: Frame | None = None
        self._cadence = _Cadence()
        for frame in self._in_order(self._stamped(frames)):
            if last is not None:
                self._cadence.add(frame.pts - last.pts)
                yield from self._stand_ins(last, frame.pts)
            yield frame
            last = frame
        if last is not None and self.damaged:
            yield from self._stand_ins(last, None)

    def _stamped(self, frames: Iterable[av.VideoFrame]) -> Iterator[Frame]:
        """Frames without pts (raw streams) get theirs from the rate, counted on from the last one."""
        rate = self._options.frame_rate or self.video.average_rate or self.video.guessed_rate or Fraction(25)
        self._nominal = max(round(1 / (rate * self._time_base)), 1)
        following = 0
        counted = bool(self._options.frame_rate) and bool(self._container.format.flags & _NO_TIMESTAMPS)
        for decoded in frames:
            pts = decoded.pts if decoded.pts is not None else decoded.dts
            if pts is None or counted:  # (FFmpeg makes times up for raw streams, by the rate that the codec states)
                pts = following
            following = pts + (self._nominal if counted else decoded.duration or self._nominal)
            if decoded.is_corrupt and self._is_wanted(pts):  # mended by the decoder: worth more than the frame before
                self.concealed_pts.add(pts)
                self.damaged = True
            color = color_of(decoded, self.color.chroma_location)
            yield frame_of(decoded, pts, self._time_base, color, decoded.duration)

    @staticmethod
    def _in_order(frames: Iterable[Frame]) -> Iterator[Frame]:
        """Sort times, not pictures: a decoder gives pictures in the order of showing; times are what files muddle."""
        times: list[int] = []
        waiting: deque[Frame] = deque()
        for frame in frames:
            waiting.append(frame)
            heapq.heappush(times, frame.pts)
            if len(waiting) > REORDER_DEPTH:
                yield replace(waiting.popleft(), pts=heapq.heappop(times))
        while waiting:
            yield replace(waiting.popleft(), pts=heapq.heappop(times))

    def _stand_ins(self, last: Frame, until: int | None) -> Iterator[Frame]:
        """Repeat `last` for what was lost between it and the frame at `until` (None: the end).

        A packet of which no frame came out counts when it is most of a frame away from both neighbours: those that show
        nothing by design (hidden reference frames, second fields) lie close to one. Where packets failed, a hole in the
        time line without packets is filled at the stream's rate as well.
        """
        near = int(self._nominal * 0.6)
        missing: list[int] = []
        while self._expected and (until is None or self._expected[0] < until):
            pts = heapq.heappop(self._expected)
            if pts - (missing[-1] if missing else last.pts) > near and (until is None or until - pts > near):
                missing.append(pts)
        while self._expected and self._expected[0] == until:
            heapq.heappop(self._expected)
        if until is not None:
            reach = REORDER_DEPTH * self._nominal
            if any(last.pts - reach <= pts <= until + reach for pts in self._failed):
                ends = [last.pts, *missing, until]
                holes = [range(a + self._nominal, b - near, self._nominal) for a, b in pairwise(ends)]
                missing = sorted({*missing, *(pts for hole in holes for pts in hole)})
            self._failed = [pts for pts in self._failed if pts > until - reach]
        if not missing:
            return
        self.damaged = True
        seconds = float((missing[-1] - last.pts) * self._time_base)
        if seconds > MAX_CONCEALED_SECONDS:
            self.warnings.append(f"{self.name}: {seconds:.1f} s of pictures are lost; the gap is left open")
            return
        self.concealed_pts.update(missing)
        for pts in missing:
            yield replace(last, pts=pts)

    def _check_claim(self, last: Frame | None) -> None:
        """FFmpeg reads a file that was cut short without a word: compare with what it states, or look at its end."""
        stream = self.video
        if last is None or not stream.time_base:
            return
        if "mpegts" in self._container.format.name:
            lost = self._transport_end()
            if lost is None:
                return
        elif stream.frames > self._read and self._start is None:
            lost = f"{stream.frames - self._read} of {stream.frames} pictures are missing at its end"
        elif (end := self._stated_end()) is not None:
            seconds = float(end - (last.pts + max(last.duration, self._nominal)) * self._time_base)
            if seconds <= max(2 * float(self._nominal * self._time_base), 0.1):
                return
            lost = f"it ends {seconds:.1f} s before the length that it states"
        else:
            return
        self.damaged = True
        self.warnings.append(f"{self.name}: is cut short, {lost}")

    def _transport_end(self) -> str | None:
        """What shows that a transport stream ends before its time; it states no length to compare with."""
        is_cut, why = end_of(self._tail())
        if not is_cut and self._cadence.broke_at_the_end:
            # Pictures are coded before those that are shown between them and an earlier one; these were cut off.
            is_cut, why = True, "pictures are missing before its last one"
        if not is_cut and why:
            self.warnings.append(f"{self.name}: {why}; a transport stream does not say where it ends")
        return why if is_cut else None

    def _tail(self) -> bytes:
        if isinstance(self._file, _Reader):
            return bytes(self._file.tail)
        try:
            with open(self._file, "rb") as file:
                file.seek(max(file.seek(0, io.SEEK_END) - TAIL_BYTES, 0))
                return file.read()
        except OSError:  # gone since it was opened
            return b""

    def _stated_end(self) -> Fraction | None:
        """When the last picture ends, in seconds as the file counts them, where the file says so."""
        stream = self.video
        stated = next((value for key, value in stream.metadata.items() if key.upper() == "DURATION"), None)
        if stated and (
            parts := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stated)
        ):  # Matroska, as its tools tag it
            return int(parts[1]) * 3600 + int(parts[2]) * 60 + Fraction(parts[3])
        if stream.duration:
            return ((stream.start_time or 0) + stream.duration) * self._time_base
        return None


def _exactly(seconds: float | None) -> Fraction | None:
    """The decimal that was typed: 0.8 is 4/5, not the binary number beside it."""
    return None if seconds is None else Fraction(str(seconds))


def _devices(wanted: str) -> list[str]:
    """The hardware decoders to try, by FFmpeg's device types; of those that this FFmpeg was built with."""
    if wanted in ("none", "off"):
        return []
    known = [kind.name for kind in HWDeviceType if kind.name != "none"]
    if wanted not in ("auto", *known):
        raise UsageError(f"--hwaccel {wanted}: this FFmpeg knows {' '.join(['auto', 'none', *known])}")
    built = av.codec.hwaccel.hwdevices_available()
    wishes = ("cuda", "videotoolbox", "d3d11va", "qsv", "vaapi") if wanted == "auto" else (wanted,)
    return [device for device in wishes if device in built]


def _open(file: str | _Reader, name: str, options: SourceOptions, device: str | None) -> InputContainer:
    """Open without a way to the network, and without a pattern or protocol being read into the name."""
    settings = {"protocol_whitelist": "file"}
    if options.frame_rate and options.container:
        settings["framerate"] = str(options.frame_rate)
    target = "file:" + file if isinstance(file, str) else file
    try:
        hardware = HWAccel(device, allow_software_fallback=True) if device is not None else None
        return av.open(
            target, "r", format=options.container, options=settings, metadata_errors="replace", hwaccel=hardware
        )
    except NotImplementedError as error:
        raise InputError(f"{name}: this hardware has no decoder for its codec") from error
    except ValueError as error:
        if isinstance(error, av.FFmpegError):
            raise InputError(f"{name}: is not media that FFmpeg can read, or is cut off before its index") from error
        raise InputError(f"{name}: {error}") from error
    except (av.FFmpegError, OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{name}: cannot be opened: {reason}") from error


class _Reader:
    """A pipe: FFmpeg may read it, and learns that it cannot seek. Its last bytes are kept."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tail = bytearray()

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.tail += data
        if len(self.tail) > 2 * TAIL_BYTES:
            del self.tail[:-TAIL_BYTES]
        return data


class _Cadence:
    """Whether pictures come evenly, and whether the last few leave holes in that."""

    def __init__(self) -> None:
        self._steps: deque[int] = deque()
        self._usual = 0
        self._is_even = True

    def add(self, step: int) -> None:
        """Take the time from one picture to the next."""
        self._steps.append(step)
        if len(self._steps) > REORDER_DEPTH:
            settled = self._steps.popleft()
            self._usual = self._usual or settled
            self._is_even &= abs(settled - self._usual) <= 1

    @property
    def broke_at_the_end(self) -> bool:
        """All came evenly but for the last few, of which some are missing."""
        return self._is_even and self._usual > 1 and max(self._steps) >= 2 * self._usual - 1


def _video_stream(container: InputContainer, name: str) -> VideoStream:
    moving = [s for s in container.streams.video if not s.disposition & _COVERS]
    if not moving:
        held = sorted({s.type for s in container.streams})
        raise InputError(f"{name}: holds no video stream" + (f", only {' and '.join(held)}" if held else ""))
    readable_ones = [s for s in moving if s.codec_context is not None]
    if not readable_ones:
        raise InputError(f"{name}: its video codec is unknown to this FFmpeg, or damaged beyond use")
    return max(readable_ones, key=_prominence)


def _decoder(stream: VideoStream) -> VideoCodecContext:
    """The stream's own decoder, but for alpha in VP8 and VP9, which only libvpx reads."""
    library = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.codec.canonical_name)
    if library and any(key.lower() == "alpha_mode" and value == "1" for key, value in stream.metadata.items()):
        decoder = av.CodecContext.create(library, "r")
        assert isinstance(decoder, VideoCodecContext)
        return decoder
    stream.thread_type = "AUTO"
    return stream.codec_context


def _prominence(stream: VideoStream) -> tuple[bool, int, int]:
    """The default stream comes first, then the largest, then the first: what players show."""
    return bool(stream.disposition & Disposition.default), stream.width * stream.height, -stream.index


def color_of(frame: av.VideoFrame, chroma_location: int = 0) -> Color:
    """The colour tags of a decoded frame."""
    full_range = {1: False, 2: True}.get(frame.color_range)
    if frame.format.name.startswith("yuvj"):
        full_range = True
    rgb = frame.format.is_rgb and frame.colorspace == MATRIX_UNSPECIFIED
    matrix = MATRIX_RGB if rgb else frame.colorspace
    return Color(frame.color_primaries, frame.color_trc, matrix, full_range, chroma_location)


def chroma_location(stream: VideoStream) -> int:
    """Where the stream's chroma samples sit (AVChromaLocation); 0 where it does not say.

    PyAV has no attribute for it. A Matroska header with a copy of the stream's parameters has: two elements,
    ChromaSitingHorz (0x55B7) and ChromaSitingVert (0x55B8), each 1 (on a luma sample) or 2 (half-way to the next).
    """
    header = io.BytesIO()
    try:
        with av.open(header, "w", format="matroska") as probe:
            probe.add_stream_from_template(stream, opaque=True)
            probe.start_encoding()
    except (av.FFmpegError, ValueError):  # a codec that Matroska does not know
        return 0
    sited = re.search(rb"\x55\xb7\x81([\x01\x02])\x55\xb8\x81([\x01\x02])", header.getvalue())
    return _CHROMA_LOCATIONS[sited[1][0], sited[2][0]] if sited else 0
