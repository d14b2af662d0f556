"""VideoSink: encodes frames, and copies all other streams of the source."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import BinaryIO, TypeVar, cast

import av
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from ..errors import OutputError, reason_of
from ..frames import Frame, StreamInfo
from ..protocols import Committing, Source
from .conform import Conformer
from .containers import FORMATS, MORE_FORMATS, WITHOUT_PTS, format_of, pipe_format
from .encoder_settings import choose_pix_fmt, encoder_settings, encoder_time_base, merge_settings, open_encoder
from .encoders import choose_encoder, options_for
from .hdr10 import hdr10_settings
from .matroska import MAX_HEADER_BYTES, PLACEHOLDER, with_aspect
from .mp4_boxes import add_to_entry, dolby_vision_box, view_boxes
from .muxers import MATROSKA, MP4, SEGMENT_OPTIONS, PipeWriter, muxer_options, set_decoding_times, with_data
from .options import SinkOptions
from .other_streams import OtherStreams
from .palette import PIX_FMT as PALETTE_INPUT
from .palette import Palette
from .partial import Partial
from .planes import Decoded
from .read_back import check_readable
from .sei import Message, Riders, carried_by, with_messages
from .side_data import SideDataWarnings
from .tags import cut_chapters, kept_tags, track_tags
from .video_source import VideoSource

Outcome = TypeVar("Outcome")

PROBED = {*FORMATS.values(), *MORE_FORMATS.values()}
"""Formats that FFmpeg detects from the contents of a file."""

PROGRESSIVE = 1
"""`field_order` of a stream without fields: FFmpeg's AV_FIELD_PROGRESSIVE."""

MESSAGE_CODECS = {"libx264": "h264", "libx264rgb": "h264", "libx265": "hevc"}
"""Encoders into whose packets messages of the source are copied -> codec."""

CARRY_ASPECT = ("libx264", "libx265", "mpeg2video", "mpeg4", "h264_nvenc", "hevc_nvenc")
"""Encoders that write the pixel aspect ratio into the stream itself."""


class VideoSink(Committing):
    """Writes a media file (a path) or a pipe (a binary file object)."""

    def __init__(self, file: str | BinaryIO, name: str, source: Source, options: SinkOptions, info: StreamInfo) -> None:
        """Open the output, configure all streams and write the header. Raises UsageError and OutputError."""
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
        if (adapted := options_for(encoder, options)) != options:
            self.warnings.append(f"{name}: {options.codec} does not work here; using {encoder}, without its options")
            options = adapted
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
        target: str | PipeWriter
        if isinstance(file, str):
            assert self._partial is not None
            target = f"file:{self._partial.path}"
        else:
            target = PipeWriter(file, self._edit)
        is_pipe = self._partial is None
        self._container: OutputContainer = av.open(
            target,
            "w",
            format=self.format,
            container_options=SEGMENT_OPTIONS
            if options.video_only
            else muxer_options(self.format, self._info.color, self._media, is_pipe),
            metadata_errors="replace",
        )
        self._is_open = True
        self._others: OtherStreams | None = None
        self._boxes: dict[str, bytes] = {}
        if self._media is not None and not options.video_only:
            self._keep_boxes(self._media, encoder)
        if self._media is None:
            self._add_video(encoder, pix_fmt, options, None)
        else:
            self._others = OtherStreams(self._media, self._container, self.format, self.name, self.warnings)
            for stream in self._media.container.streams:
                if stream.index == self._media.video.index:
                    assert isinstance(stream, VideoStream)
                    self._add_video(encoder, pix_fmt, options, stream)
                elif not options.video_only:
                    self._others.add(stream)
            if not options.video_only:
                self._copy_metadata(self._media)
            self._media.keep(self._others.indexes)
        self._checked(self._container.start_encoding)
        self._last_video: Fraction | None = None

    def _add_video(self, encoder: str, pix_fmt: str, options: SinkOptions, original: VideoStream | None) -> None:
        info = self._info
        stream = self._container.add_stream(encoder, rate=self._rate)
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = info.width, info.height, pix_fmt
        context.time_base = stream.time_base = encoder_time_base(encoder, info)
        context.flags |= Flags.frame_duration
        self._palette = Palette() if pix_fmt == "pal8" else None
        self._conformer = Conformer(info, PALETTE_INPUT if self._palette else pix_fmt, self.name, self.warnings)
        color = self._conformer.color
        context.colorspace, context.color_primaries = color.matrix, color.primaries
        context.color_trc = color.transfer
        context.color_range = {None: 0, False: 1, True: 2}[color.full_range]
        profile = original.profile if original is not None else None
        settings = encoder_settings(encoder, info, profile, options)
        if self.format in WITHOUT_PTS:
            settings.setdefault("bf", "0")
        if self._media is not None:
            hdr10, lost = hdr10_settings(encoder, self._media.side_data)
            merge_settings(settings, hdr10)
            if lost:
                self.warnings.append(f"{self.name}: {encoder} cannot write HDR10 metadata; libx265 and av1 can")
        self._message_codec = MESSAGE_CODECS.get(encoder)
        context.copy_opaque = bool(self._message_codec)  # packets get the `opaque` of their frame
        context.options = settings
        self._describe_video(stream, pix_fmt, encoder, original)
        open_encoder(stream, self.name)
        self._stream = stream
        first = self._media.side_data if self._media else {}
        self._side_data_warnings = SideDataWarnings(encoder, self.name, self.warnings, first, self._boxes)

    @property
    def _rate(self) -> Fraction:
        """Frames per second, as headers state them."""
        rate = (self._info.frame_rate or Fraction(25)).limit_denominator(100_000)
        return min(rate, Fraction(240))

    def _keep_aspect(self, context: VideoCodecContext, encoder: str) -> None:
        ratio = self._info.sample_aspect_ratio
        if not ratio:
            return
        context.sample_aspect_ratio = ratio
        # PyAV sets the ratio of the codec only. MP4 and MOV read it there, Matroska gets it from `with_aspect`;
        # elsewhere the codec must carry it.
        if ratio != 1 and self.format not in (*MP4, *MATROSKA) and encoder not in CARRY_ASPECT:
            shape = f"{ratio.numerator}:{ratio.denominator}"
            advice = "use h264 or hevc, or MP4"
            self.warnings.append(f"{self.name}: {encoder} in {self.format} drops the pixel ratio {shape}; {advice}")

    def _describe_video(self, stream: VideoStream, pix_fmt: str, encoder: str, original: VideoStream | None) -> None:
        """Set codec tag, aspect, disposition, tags and orientation of the video stream."""
        self._keep_aspect(stream.codec_context, encoder)
        if self.format in MP4 and encoder in ("libx265", "hevc_nvenc"):
            stream.codec_context.codec_tag = "hvc1"  # the tag that Apple's players require
        if self._media is not None:
            self._keep_orientation(stream, self._media)
        if original is not None:
            stream.disposition = original.disposition
            if original.codec_context.field_order == PROGRESSIVE:  # elsewhere frames may have been deinterlaced
                stream.codec_context.field_order = PROGRESSIVE
            stream.metadata.update(track_tags(original.metadata))
        if self._edit:  # for the pixel aspect ratio, see `vdeblur.media.matroska`
            stream.metadata["title"] = stream.metadata.get("title", "") + PLACEHOLDER
        if pix_fmt.startswith("yuva") and encoder in ("libvpx", "libvpx-vp9"):
            stream.metadata["alpha_mode"] = "1"  # tells readers to decode alpha

    def _shape_header(self, head: bytes) -> bytes:
        assert self._info.sample_aspect_ratio
        return with_aspect(head, self._info.sample_aspect_ratio, (self._info.width, self._info.height))

    def _keep_orientation(self, stream: VideoStream, media: VideoSource) -> None:
        matrix = media.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return
        if self.format in (*MP4, *MATROSKA):
            stream.set_display_matrix(struct.unpack("=9i", matrix))
        else:
            rotation = f"{media.info.rotation} degrees"
            self.warnings.append(f"{self.name}: {self.format} cannot store the rotation ({rotation})")

    def _keep_boxes(self, media: VideoSource, encoder: str) -> None:
        """Prepare boxes that describe the video track in MP4 and MOV, see `vdeblur.media.mp4_boxes`."""
        is_file = self.format in MP4 and self._partial is not None
        is_whole = (self._info.width, self._info.height) == (media.info.width, media.info.height)
        self._boxes = view_boxes(media.side_data) if is_file and is_whole else {}
        if "SPHERICAL" in media.side_data and "SPHERICAL" not in self._boxes:
            self.warnings.append(
                f"{self.name}: the spherical projection of the source is dropped; an MP4 file keeps it"
            )
        riders = media.first_frame.opaque
        if MESSAGE_CODECS.get(encoder) != "hevc" or not isinstance(riders, Riders) or not riders.has_dolby_vision:
            return  # there is none, or `SideDataWarnings` reports that it is dropped
        described = dolby_vision_box(media.name, media.video.id) if is_file and is_whole else None
        if described:
            self._boxes["DOVI_RPU_BUFFER"] = described
        else:
            self.warnings.append(
                f"{self.name}: the Dolby Vision description in the container is dropped, that of frames is kept: "
                "players may ignore it; MP4 to MP4 keeps both"
            )

    def _copy_metadata(self, media: VideoSource) -> None:
        self._container.metadata.update(kept_tags(media.container.metadata))
        chapters = cut_chapters(media)
        if chapters and self.format in ("mpegts", "yuv4mpegpipe"):
            self.warnings.append(f"{self.name}: {self.format} cannot hold {len(chapters)} chapters: dropped")
        elif chapters:
            self._container.set_chapters(chapters)

    # -- writing ----------------------------------------------------------------------------------------------------

    def write(self, frame: Frame) -> None:
        """Encode one frame, and copy packets of other streams up to its time."""
        converted = self._conformer.convert(frame)
        if self._palette:
            converted = self._palette.apply(converted)
        if isinstance(frame.origin, Decoded):
            messages = frame.origin.riders.messages if self._message_codec else ()
            self._side_data_warnings.check(frame.origin.kinds, carried_by(messages, self._message_codec or ""))
            converted.opaque = messages
        self._checked(lambda: self._mux_video(self._stream.encode(converted)))

    def _mux_video(self, packets: list[av.Packet[VideoStream]]) -> None:
        for packet in packets:
            if self._message_codec and packet.opaque:
                messages = cast(tuple[Message, ...], packet.opaque)
                packet = with_data(packet, with_messages(bytes(packet), messages, self._message_codec))
            if packet.dts is not None:
                self._last_video = packet.dts * packet.time_base
            self._container.mux(packet)
        if packets:
            self._mux_others(self._last_video)

    def _mux_others(self, until: Fraction | None) -> None:
        if self._others is not None:
            self._others.mux(until)

    def close(self) -> None:
        """Flush the encoder, write the remaining packets and the index, and move the file into place."""
        if not self._is_open:
            return
        try:
            self._checked(self._finish)
            if self._partial and self._last_video is not None and self.format in PROBED:
                check_readable(self._partial.path, self._stream.index, self.name)
        except BaseException:
            self.abort()
            raise
        if self._partial:
            self._partial.commit()

    def _finish(self) -> None:
        packets = self._stream.encode(None)
        if self._last_video is None:
            set_decoding_times(packets)
        self._mux_video(packets)
        self._mux_others(None)
        self._end()

    def _end(self) -> None:
        self._is_open = False
        self._container.close()
        if self._boxes and self._partial:
            add_to_entry(self._partial.path, self._stream.index + 1, b"".join(self._boxes.values()))
        if self._edit and self._partial:
            with self._partial.path.open("r+b") as file:
                head = self._edit(file.read(MAX_HEADER_BYTES))
                file.seek(0)
                file.write(head)

    def abort(self) -> None:
        """Close and remove the temporary file."""
        if self._is_open:
            self._is_open = False
            with suppress(av.FFmpegError, OSError, ValueError):  # the file is deleted
                self._container.close()
        if self._partial:
            self._partial.discard()

    def remove_partial(self) -> None:
        """Remove the temporary file; the encoder writes on into a file without a name. (On Windows it stays.)"""
        if self._partial:
            self._partial.discard()

    def _checked(self, action: Callable[[], Outcome]) -> Outcome:
        """Run `action` and turn errors into OutputError; a closed pipe stays a BrokenPipeError."""
        try:
            return action()
        except (av.FFmpegError, OSError, ValueError) as error:
            if getattr(error, "errno", None) == errno.EPIPE:
                raise BrokenPipeError(errno.EPIPE, f"{self.name}: the reader has closed the pipe") from error
            raise OutputError(f"{self.name}: cannot be written: {reason_of(error)}") from error
