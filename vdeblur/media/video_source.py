"""VideoSource: decodes the frames of a media file or pipe, in order and with exact times."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from math import ceil, inf
from typing import BinaryIO

import av
from av.container import InputContainer
from av.stream import Discard, Stream
from av.video.stream import VideoStream

from ..errors import InputError
from ..frames import Color, Frame, StreamInfo
from ..protocols import Closing
from .colors import chroma_location, color_of
from .deinterlace import deinterlaced
from .opening import Pipe, check_size, hardware_devices, is_animated_webp, open_input, video_stream
from .options import SourceOptions
from .planes import frame_of, readable
from .reader import BREAKS, TAIL_SECONDS, Condition, Reader
from .side_data import SideData
from .timeline import Timeline
from .truncation import check_end

BACK_SECONDS = (2, 15)
"""How far before the start to seek again if the first seek lands after it."""

_NO_TIMESTAMPS = 0x0080  # AVFMT_NOTIMESTAMPS


class VideoSource(Closing):
    """A media file (a path) or a pipe (a binary file object).

    Packets of streams that a sink requests with `keep` are queued in `packets`, in file order, until the sink takes
    them: the input is read only once.
    """

    def __init__(self, file: str | BinaryIO, name: str, options: SourceOptions) -> None:
        """Open the input and decode the first frame of its video stream. Raises InputError."""
        self.name = name
        self._options = options
        self._file = file if isinstance(file, str) else Pipe(file)
        devices = hardware_devices(options.hwaccel) if isinstance(file, str) else []
        while not self._open(devices.pop(0) if devices else None):
            pass  # a device that cannot decode this stream: try the next, finally software

    def _open(self, device: str | None) -> bool:
        """Open and decode the first frame, on a hardware device if given; False if the device cannot."""
        self._condition = Condition()
        try:
            self._container = open_input(self._file, self.name, self._options, device)
        except InputError:
            if device is not None:
                return False
            raise
        try:
            self.video: VideoStream = video_stream(self._container, self.name)
            check_size(self.name, self.video.width, self.video.height)
            self._start, self._end, self.shift = self._cut()
            self._shown_from = self._edit_start() if self._start is None else self._start
            self._reader = Reader(self._container, self.video, self.name, self._condition, self._shown_from)
            self._frames: Generator[av.VideoFrame, None, None] = self._reader.frames()
            self.first_frame: av.VideoFrame = self._first_frame()
            self._peeked = True
            self.side_data: dict[str, bytes] = SideData().of(readable(self.first_frame))
            self.color: Color = color_of(self.first_frame, chroma_location(self.video))
            self.info = self._stream_info(frame_of(self.first_frame, 0, Fraction(1), self.color))
        except BaseException as error:
            self._container.close()
            if device is not None and isinstance(error, Exception):
                return False
            raise
        return True

    @property
    def container(self) -> InputContainer:
        """The open input, for its metadata and chapters."""
        return self._container

    @property
    def others(self) -> list[Stream]:
        """All streams except the decoded one."""
        return self._reader.others

    @property
    def packets(self) -> deque[av.Packet[Stream]]:
        """Queued packets of the kept streams; a sink takes them from the left."""
        return self._reader.packets

    def first_packet(self, index: int) -> av.Packet[Stream] | None:
        """The first packet of another stream, by its index; it stays in `packets`."""
        return self._reader.first_packet(index)

    @property
    def cut(self) -> tuple[Fraction | None, Fraction | None, Fraction]:
        """Start and end of the part that is read, and the offset subtracted from all times, in seconds of the file."""
        tick = self._time_base
        return (
            None if self._start is None else self._start * tick,
            None if self._end is None else self._end * tick,
            self.shift * tick,
        )

    @property
    def concealed_pts(self) -> set[int]:
        """The pts, as in the file, of concealed frames."""
        return self._condition.concealed_pts

    @property
    def concealed(self) -> int:
        """Number of concealed frames so far."""
        return len(self._condition.concealed_pts)

    @property
    def damaged(self) -> bool:
        """Whether the input is damaged; a sink that finds damage in other streams sets it."""
        return self._condition.damaged

    @damaged.setter
    def damaged(self, value: bool) -> None:
        self._condition.damaged = value

    @property
    def warnings(self) -> list[str]:
        """Warnings for the user, one line each; complete when the stream has ended."""
        return self._condition.warnings

    def keep(self, streams: Iterable[int]) -> None:
        """From now on, queue packets of these streams (by index) in `packets`, and no others."""
        self._reader.keep(streams)

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames with strictly rising pts in units of `info.time_base`."""
        if self._reader.kept is None:
            self.keep(())
        options = self._options
        rate = self._rate() or Fraction(25)
        is_counted = bool(options.frame_rate) and bool(self._container.format.flags & _NO_TIMESTAMPS)
        timeline = Timeline(self._reader, self._time_base, rate, is_counted, self.color)
        last: int | None = None
        frame: Frame | None = None
        for frame in timeline.frames(self._progressive(self._all_frames())):
            if self._end is not None and frame.pts >= self._end:
                break
            if frame.pts < self._shown_from:
                continue
            pts = frame.pts - self.shift
            if last is not None and pts <= last:
                pts = last + 1
            last = pts
            yield replace(frame, pts=pts)
        if self._end is not None:
            self._reader.follow_others(self._end * self._time_base)
        else:
            check_end(self._reader, timeline, self._file, frame, is_from_start=self._start is None)

    def packet_times(self) -> tuple[list[int], set[int]] | None:
        """The sorted pts of all frames and the set of those of keyframes, from the packets; None if unknown.

        Decodes nothing; the source cannot be iterated afterwards.
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
                if packet.size == 0 or self._reader.is_second_field(packet) or packet.is_discard:
                    continue
                pts = self._reader.pts_of(packet)
                if pts is None:
                    return None
                if pts < self._edit_start():
                    continue
                times.append(pts)
                if packet.is_keyframe:
                    keyframes.add(pts)
        except BREAKS:  # damaged from here on, or a format without seeking
            if not times:
                return None
        return (sorted(times), keyframes) if len(set(times)) == len(times) else None

    def read_others(self, until: Fraction | None) -> None:
        """Without decoding, queue packets of the kept streams up to a time (None: to the end).

        For a sink whose frames come from elsewhere; not to be combined with iterating.
        """
        if until is None and self._end is not None:
            until = self._end * self._time_base + TAIL_SECONDS
        self._reader.read_others(until)

    def close(self) -> None:
        """Close the input."""
        self._frames.close()
        self._container.close()
        self.packets.clear()

    # -- properties ---------------------------------------------------------------------------------------------------

    def _stream_info(self, first: Frame) -> StreamInfo:
        stream, context = self.video, self.video.codec_context
        width, height = first.size
        rate = self._rate()
        seconds = self._seconds()
        counted = 0 if self._reader.may_hold_fields else stream.frames  # by their packets
        frames = counted or (round(seconds * rate) if seconds and rate else None)
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
            sample_aspect_ratio=self._reader.ratio,
            rotation=self.first_frame.rotation,
            codec=stream.codec.canonical_name,
            bit_rate=stream.bit_rate or context.bit_rate or None,
        )

    def _rate(self) -> Fraction | None:
        """Frames a second, as far as anyone states it; where fields are packets of their own, FFmpeg counts those."""
        rate = self._options.frame_rate or self.video.average_rate or self.video.guessed_rate
        coded = self.video.codec_context.framerate
        if rate and coded and self._reader.may_hold_fields and coded < rate <= 2 * coded:
            return coded
        return rate

    def _seconds(self) -> float | None:
        stream = self.video
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return self._container.duration / av.time_base if self._container.duration else None

    @property
    def _time_base(self) -> Fraction:
        return Fraction(self.video.time_base or Fraction(1, 90000))

    def _cut(self) -> tuple[int | None, int | None, int]:
        """Start and end in ticks of the stream, and the offset to subtract from every pts."""
        tick, options = self._time_base, self._options
        if options.pts_range is not None:
            return *options.pts_range, 0
        origin = max(Fraction(self._container.start_time or 0, av.time_base), self._edit_start() * tick)
        first, last = _exactly(options.start_seconds), _exactly(options.end_seconds)
        start = None if first is None else ceil((origin + first) / tick)
        end = None if last is None else ceil((origin + last) / tick)
        shift = 0 if options.keep_timestamps else round((first or 0) / tick)
        return start, end, shift

    def _edit_start(self) -> int | float:
        """The first pts that a player shows: in MP4 and MOV, what lies before the start of an edit list is negative."""
        return 0 if self._is_mp4 else -inf

    @property
    def _is_mp4(self) -> bool:
        return self._container.format.name.startswith("mov")

    # -- decoding ---------------------------------------------------------------------------------------------------

    def _first_frame(self) -> av.VideoFrame:
        """The first frame at or before the start. Raises InputError if none can be decoded."""
        is_sought = self._start is not None and isinstance(self._file, str)
        if is_sought:
            self._seek()
        first = next(self._frames, None)
        if first is None and isinstance(self._file, Pipe) and not self._reader.read and self._is_mp4:
            advice = "name the file, or write it with its index at the start (faststart)"
            raise InputError(f"{self.name}: an MP4 with its index at the end cannot be read from a pipe; {advice}")
        if first is None and is_animated_webp(self._file):
            advice = "convert it to a video, GIF or APNG first"
            raise InputError(f"{self.name}: FFmpeg cannot decode animated WebP; {advice}")
        if first is None:
            raise InputError(f"{self.name}: no frame of its {self.video.codec.name} stream can be decoded")
        return first if not is_sought or self._is_early_enough(first) else self._seek_further_back()

    def _is_early_enough(self, frame: av.VideoFrame) -> bool:
        return frame.pts is None or self._start is None or frame.pts <= self._start

    def _seek(self, seconds_before: int = 0) -> None:
        assert self._start is not None
        try:
            self._container.seek(self._start - int(seconds_before / self._time_base), stream=self.video)
        except av.FFmpegError:  # formats without seeking are read from the start
            self._container.seek(0)

    def _seek_further_back(self) -> av.VideoFrame:
        """A seek landed after the start (a poor index, or none): seek further back, finally to the first packet."""
        first: av.VideoFrame | None = None
        for seconds in (*BACK_SECONDS, None):
            self._frames.close()
            self._reader.restart()
            self.damaged = False
            if seconds is None:
                self._container.seek(self.video.start_time or 0, stream=self.video)
            else:
                self._seek(seconds)
            self._frames = self._reader.frames()
            first = next(self._frames, None)
            if first is not None and first.pts is not None and self._is_early_enough(first):
                break
        if first is None:
            raise InputError(f"{self.name}: no frame of its {self.video.codec.name} stream can be decoded again")
        return first

    def _all_frames(self) -> Iterator[av.VideoFrame]:
        if self._peeked:
            self._peeked = False
            yield self.first_frame
        yield from self._frames

    def _progressive(self, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Deinterlace frames according to the options."""
        interlaced = f"{self.name}: interlaced"
        if self._options.deinterlace == "off":
            if self.first_frame.interlaced_frame:
                self.warnings.append(f"{interlaced}; frames keep both fields; deinterlace=auto separates them")
            return frames
        every = self._options.deinterlace == "bwdif"
        note = f"{interlaced}; deinterlaced with bwdif, keeping the frame rate; deinterlace=off keeps the fields"
        return deinterlaced(map(readable, frames), self._time_base, every, lambda: self.warnings.append(note))


def _exactly(seconds: float | None) -> Fraction | None:
    """The decimal as typed: 0.8 is 4/5, not the nearest binary number."""
    return None if seconds is None else Fraction(str(seconds))
