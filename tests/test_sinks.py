"""What a sink promises: all or nothing under the final name, refusals before the first frame, every stream kept."""

from __future__ import annotations

import errno
import io
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import av
import cv2
import numpy as np
import pytest

from support.videos import Recipe, copy, frames, noise, packets, write
from vdeblur import threads
from vdeblur.errors import OutputError, UsageError, VdeblurError
from vdeblur.frames import Color, Frame, Layout, StreamInfo
from vdeblur.media.containers import FORMATS, can_hold, pipe_format
from vdeblur.media.encoder_settings import choose_pix_fmt
from vdeblur.media.encoders import choose_encoder
from vdeblur.media.image_files import image_files
from vdeblur.media.options import SinkOptions, SourceOptions
from vdeblur.media.paths import default_output
from vdeblur.media.planes import planes_of, video_frame
from vdeblur.media.sinks import open_sink
from vdeblur.media.sources import open_source
from vdeblur.media.video_sink import VideoSink
from vdeblur.threads import write_behind

DEFAULTS = SinkOptions()
LOSSLESS = SinkOptions(codec="ffv1")


@pytest.fixture
def clip(tmp_path: Path) -> str:
    return write(tmp_path / "clip.mp4", Recipe(frames(6), bframes=2, audio="aac"))


def listing(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


class TestAllOrNothing:
    def test_the_name_appears_when_the_file_is_whole(self, clip: str, tmp_path: Path) -> None:
        target = tmp_path / "out.mkv"
        with open_source(clip) as source, open_sink(str(target), source, LOSSLESS) as sink:
            for frame in source:
                assert not target.exists()
                sink.write(frame)
        assert target.exists()
        assert listing(tmp_path) == {"clip.mp4", "out.mkv"}

    @pytest.mark.parametrize("written", [0, 3])
    def test_an_exception_leaves_no_file(self, clip: str, tmp_path: Path, written: int) -> None:
        def fail() -> None:
            with open_source(clip) as source, open_sink(str(tmp_path / "out.mp4"), source) as sink:
                for _, frame in zip(range(written), source, strict=False):
                    sink.write(frame)
                raise RuntimeError("restorer")

        with pytest.raises(RuntimeError):
            fail()
        assert listing(tmp_path) == {"clip.mp4"}

    def test_abort_and_close_may_follow_each_other(self, clip: str, tmp_path: Path) -> None:
        with open_source(clip) as source:
            sink = open_sink(str(tmp_path / "out.mp4"), source)
            sink.abort()
            sink.abort()
            sink.close()
            assert listing(tmp_path) == {"clip.mp4"}
            other = open_sink(str(tmp_path / "out.mp4"), source)
            for frame in source:
                other.write(frame)
            other.close()
            other.abort()
        assert listing(tmp_path) == {"clip.mp4", "out.mp4"}

    @pytest.mark.parametrize(("name", "codec"), [("out.mkv", "ffv1"), ("out.mp4", "h264"), ("out/%06d.png", None)])
    def test_a_write_that_takes_long_leaves_no_file(
        self, clip: str, tmp_path: Path, name: str, codec: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The name goes at once, where files in use can be removed, and all else when the write returns."""
        monkeypatch.setattr(threads, "WRITER_GRACE_SECONDS", 0.05)
        begun, release = Event(), Event()
        source = open_source(clip)
        sink = open_sink(str(tmp_path / name), source, SinkOptions(codec=codec))
        write_now = sink.write

        def write_late(frame: Frame) -> None:
            if frame.pts > 0:
                begun.set()
                release.wait(20)
            write_now(frame)

        monkeypatch.setattr(sink, "write", write_late)
        behind = write_behind(sink)
        with source:
            for frame in source:
                behind.write(frame)
            begun.wait(20)
            behind.abort()
            if sys.platform != "win32":
                assert listing(tmp_path) == {"clip.mp4"}
            release.set()
            behind._thread.join(20)
        assert not behind._thread.is_alive()
        assert listing(tmp_path) == {"clip.mp4"}

    def test_permissions_are_those_of_any_new_file(self, clip: str, tmp_path: Path) -> None:
        (tmp_path / "plain").touch()
        copy(source := open_source(clip), open_sink(str(tmp_path / "o.mp4"), source))
        assert (tmp_path / "o.mp4").stat().st_mode == (tmp_path / "plain").stat().st_mode

    def test_a_full_disk_is_named(self, clip: str) -> None:
        class Full(io.RawIOBase):
            def writable(self) -> bool:
                return True

            def write(self, data: Any) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

        pipe: Any = Full()
        source = open_source(clip)
        options = SinkOptions(container="mkv")
        with pytest.raises(OutputError, match="disk is full"):
            copy(source, VideoSink(pipe, "standard output", source, options, source.info))


class TestRefusals:
    def refused(self, kind: type[VdeblurError], clip: str, target: str, options: SinkOptions = DEFAULTS) -> str:
        with open_source(clip) as source:
            before = listing(Path(clip).parent)
            with pytest.raises(kind) as caught:
                open_sink(target, source, options)
            assert listing(Path(clip).parent) == before
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_existing_output(self, clip: str, tmp_path: Path) -> None:
        (tmp_path / "o.mp4").write_text("precious")
        assert "already exists" in self.refused(OutputError, clip, str(tmp_path / "o.mp4"))
        assert (tmp_path / "o.mp4").read_text() == "precious"

    def test_overwrite_replaces_at_the_end(self, clip: str, tmp_path: Path) -> None:
        (tmp_path / "o.mp4").write_text("precious")
        options = SinkOptions(overwrite=True)
        with open_source(clip) as source, open_sink(str(tmp_path / "o.mp4"), source, options) as sink:
            for frame in source:
                sink.write(frame)
            assert (tmp_path / "o.mp4").read_text() == "precious"
        assert (tmp_path / "o.mp4").stat().st_size > 500

    def test_the_input_itself_even_with_overwrite(self, clip: str) -> None:
        self.refused(UsageError, clip, clip, SinkOptions(overwrite=True))

    def test_no_such_folder(self, clip: str, tmp_path: Path) -> None:
        assert "no such folder" in self.refused(OutputError, clip, str(tmp_path / "none" / "o.mp4"))

    @pytest.mark.needs("user")
    def test_folder_without_permission(self, clip: str, tmp_path: Path) -> None:
        (tmp_path / "locked").mkdir(mode=0o500)
        self.refused(OutputError, clip, str(tmp_path / "locked" / "o.mp4"))

    def test_folder_that_is_a_file(self, clip: str) -> None:
        self.refused(OutputError, clip, clip + "/o.mp4")

    @pytest.mark.parametrize(
        ("name", "options", "word"),
        [
            ("o.mp4", SinkOptions(codec="nonsense"), "nonsense"),
            ("o.mp4", SinkOptions(codec="aac"), "aac"),
            ("o.webm", SinkOptions(codec="libx264"), "webm"),
            ("o.mp4", SinkOptions(pix_fmt="nonsense"), "nonsense"),
            ("o.mp4", SinkOptions(codec="av1", pix_fmt="yuv444p"), "yuv444p"),
            ("o.mp4", SinkOptions(preset="nonsense"), "nonsense"),
            ("o.mp4", SinkOptions(encoder_options={"nonsense": "1"}), "nonsense"),
            ("o.mp4", SinkOptions(encoder_options={"profile": "nonsense"}), "nonsense"),
            ("o.mkv", SinkOptions(codec="ffv1", crf=20), "crf"),
            ("o.mkv", SinkOptions(codec="ffv1", preset="slow"), "preset"),
            ("o.xyz", SinkOptions(), "o.xyz"),
            ("no-suffix", SinkOptions(), "no-suffix"),
            ("o.mp4", SinkOptions(container="nonsense"), "nonsense"),
        ],
    )
    def test_invalid_settings_are_refused(
        self, clip: str, tmp_path: Path, name: str, options: SinkOptions, word: str
    ) -> None:
        assert word in self.refused(UsageError, clip, str(tmp_path / name), options)

    def test_odd_sizes_where_chroma_is_halved(self, tmp_path: Path) -> None:
        odd = write(tmp_path / "odd.mkv", Recipe(frames(2, size=(63, 47)), codec="ffv1"))
        message = self.refused(UsageError, odd, str(tmp_path / "o.mp4"), SinkOptions(codec="h264"))
        assert "yuv444p" in message

    def test_long_and_narrow_frames_are_not_given_to_an_encoder_that_hangs(self, tmp_path: Path) -> None:
        """SVT-AV1, the first in WebM that keeps an odd size, never ends with them."""
        narrow = write(tmp_path / "narrow.mkv", Recipe(frames(3, size=(17, 101)), codec="ffv1"))
        message = self.refused(UsageError, narrow, str(tmp_path / "o.webm"), SinkOptions(codec="av1"))
        assert "17x101" in message
        assert "vp9" in message
        with open_source(narrow) as source:
            assert choose_encoder("webm", source.info, SinkOptions(), "o.webm") == "libvpx-vp9"


def test_zero_config_names(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    assert default_output("a/b.mp4") == "a/b.deblur.mp4"
    assert default_output("b.MOV") == "b.deblur.MOV"
    assert default_output("b.webm") == "b.deblur.webm"
    assert default_output("old.avi") == "old.deblur.mkv"
    assert default_output("no-suffix") == "no-suffix.deblur.mkv"
    assert default_output("-") == "-"
    assert default_output("photo.jpg") == "photo.deblur.jpg"
    assert default_output(str(tmp_path / "frames")) == str(tmp_path / "frames.deblur") + "/"
    assert default_output(str(tmp_path / "frames") + "/") == str(tmp_path / "frames.deblur") + "/"
    assert default_output(str(tmp_path / "frames" / "%04d.png")) == str(tmp_path / "frames.deblur") + "/"


@pytest.mark.parametrize("name", ["100%", "a*b"])
def test_a_folder_is_no_pattern_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert default_output(str(tmp_path / name)) == str(tmp_path / f"{name}.deblur") + "/"
    assert default_output(str(tmp_path / name / "%04d.png")) == str(tmp_path / f"{name}.deblur") + "/"


@pytest.mark.parametrize(
    ("made", "suffix", "expected"),
    [
        ("libx264", ".mp4", "h264"),
        ("libx265", ".mkv", "hevc"),
        ("mpeg4", ".mkv", "h264"),
        ("libvpx-vp9", ".webm", "vp9"),
    ],
)
def test_zero_config_codec_is_the_sources(tmp_path: Path, made: str, suffix: str, expected: str) -> None:
    path = write(tmp_path / f"a{suffix}", Recipe(frames(3), codec=made))
    out = default_output(path)
    copy(source := open_source(path), open_sink(out, source))
    with av.open(out) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == expected


@pytest.mark.parametrize(
    ("codec", "suffix", "layout", "size", "expected"),
    [
        ("vp9", ".mp4", Layout("yuv", 10, (1, 1)), (64, 48), "libx265"),
        ("vp9", ".webm", Layout("yuv", 10, (1, 1)), (64, 48), "libsvtav1"),
        ("vp9", ".webm", Layout("yuv", 8, (1, 1), alpha=True), (64, 48), "libvpx-vp9"),
        ("av1", ".mkv", Layout("yuv", 8, (0, 0)), (64, 48), "libx265"),
        ("mpeg2video", ".mp4", Layout("yuv", 8, (1, 1)), (63, 47), "libsvtav1"),
        ("h264", ".mkv", Layout("yuv", 8, (0, 0)), (63, 47), "libx264"),
        ("ffv1", ".mov", Layout("yuv", 8, (1, 1), alpha=True), (64, 48), "prores_ks"),
        ("PNG images", ".mp4", Layout("rgb"), (64, 48), "libx264"),
        ("PNG images", ".mkv", Layout("rgb", 16), (64, 48), "ffv1"),
    ],
)
def test_zero_config_loses_no_bits_of_a_sample(
    codec: str, suffix: str, layout: Layout, size: tuple[int, int], expected: str
) -> None:
    info = StreamInfo(*size, layout, Color(), Fraction(1, 25), codec=codec)
    assert choose_encoder(FORMATS[suffix], info, DEFAULTS, "out") == expected


def test_hardware_encoding_falls_back_silently(clip: str, tmp_path: Path) -> None:
    out = str(tmp_path / "o.mp4")
    sink = open_sink(out, source := open_source(clip), SinkOptions(hwaccel="auto"))
    passed = copy(source, sink)
    assert sink.warnings == []
    assert len(packets(out, "video")) == len(passed)


@pytest.mark.parametrize(
    ("layout", "encoder", "expected", "lost"),
    [
        (Layout("yuv", 10, (1, 1)), "libx264", "yuv420p10le", None),
        (Layout("yuv", 12, (1, 0)), "libx264", "yuv422p10le", "bit depth"),
        (Layout("yuv", 8, (0, 0)), "libsvtav1", "yuv420p", "chroma resolution"),
        (Layout("yuv", 8, (1, 1), alpha=True), "libx264", "yuv420p", "alpha"),
        (Layout("gray"), "libvpx-vp9", "yuv420p", None),
        (Layout("rgb"), "ffv1", "bgr0", None),
        (Layout("yuv", 8, (1, 1)), "png", "rgb24", "exact YCbCr"),
        (Layout("yuv", 10, (1, 1)), "png", "rgb48be", "exact YCbCr"),
        (Layout("yuv", 8, (1, 1), alpha=True), "qtrle", "argb", "exact YCbCr"),
        (Layout("gray", 10), "png", "gray16be", None),
    ],
)
def test_the_pixel_format_nearest_to_the_sources(layout: Layout, encoder: str, expected: str, lost: str | None) -> None:
    pix_fmt, loss = choose_pix_fmt(encoder, layout, None, "out")
    assert pix_fmt == expected
    assert (loss or "") == (lost or "")


@pytest.mark.parametrize(
    ("codec", "name", "options", "full", "within"),
    [
        ("png", "o.mov", {}, 2, 2),
        ("libx264rgb", "o.mkv", {"crf": 0.0}, 2, 2),
        ("ffv1", "o.mkv", {"pix_fmt": "bgr0"}, 2, 2),
        ("qtrle", "o.mov", {}, 0, 2),
        ("rpza", "o.mov", {}, 0, 7),  # 5 bits
    ],
)
def test_limited_range_becomes_full_range_rgb(
    tmp_path: Path, codec: str, name: str, options: dict[str, Any], full: int, within: int
) -> None:
    """Read by FFmpeg alone: BT.709's black, white, red, green and blue (H.273, equations 20 to 31), and the tags.

    `full` is the range tag, which some codecs cannot store.
    """
    ycbcr = [(16, 128, 128), (235, 128, 128), (63, 102, 240), (173, 42, 26), (32, 240, 118)]
    planes = tuple(np.tile(np.repeat(np.array(bars, np.uint8), 16), (48, 1)) for bars in zip(*ycbcr, strict=True))
    given = [Frame(planes, Layout("yuv"), Color(1, 1, 1, False), i, Fraction(1, 25)) for i in range(2)]
    made, out = write(tmp_path / "in.mkv", Recipe(given, codec="ffv1")), str(tmp_path / name)
    copy(source := open_source(made), open_sink(out, source, SinkOptions(codec=codec, **options)))
    with av.open(out) as container:
        for frame in container.decode(video=0):
            assert frame.format.is_rgb
            assert frame.colorspace in (0, 2)
            assert frame.color_range == full
            shown = frame.to_ndarray(format="rgb24")[20, 8::16].astype(int)
            wanted = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]
            assert np.abs(shown - wanted).max() <= within


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_streams_shorter_than_the_encoders_delay(tmp_path: Path, count: int, suffix: str) -> None:
    path = write(tmp_path / "a.mkv", Recipe(frames(count), codec="ffv1"))
    for codec in ("hevc", "h264"):
        out = str(tmp_path / f"{codec}.{suffix}")
        copy(source := open_source(path), open_sink(out, source, SinkOptions(codec=codec, preset="ultrafast")))
        with open_source(out) as again:
            assert [f.pts * f.time_base for f in again] == [Fraction(i, 25) for i in range(count)]


class TestOtherStreams:
    def test_sound_is_copied_bit_for_bit_at_its_times(self, clip: str, tmp_path: Path) -> None:
        out = str(tmp_path / "o.mp4")
        copy(source := open_source(clip), open_sink(out, source))
        assert packets(out, "audio") == packets(clip, "audio")

    def test_everything_in_matroska_stays(self, tmp_path: Path) -> None:
        recipe = Recipe(
            frames(6), audio="libopus", subtitles="ass", chapters=2, attachment=True, metadata={"title": "T"}
        )
        path, out = write(tmp_path / "a.mkv", recipe), str(tmp_path / "o.mkv")
        sink = open_sink(out, source := open_source(path))
        copy(source, sink)
        assert sink.warnings == []
        with av.open(path) as before, av.open(out) as after:
            assert [s.type for s in after.streams] == [s.type for s in before.streams]
            assert [s.metadata.get("language") for s in after.streams] == [
                s.metadata.get("language") for s in before.streams
            ]
            assert [s.metadata.get("title") for s in after.streams] == [s.metadata.get("title") for s in before.streams]
            assert [s.disposition for s in after.streams] == [s.disposition for s in before.streams]
            assert after.chapters() == before.chapters()
            assert after.metadata["title"] == "T"
            assert after.streams.attachments[0].data == before.streams.attachments[0].data
            assert after.streams.attachments[0].mimetype == "font/ttf"
        for kind in ("audio", "subtitle"):
            assert packets(out, kind) == packets(path, kind)

    def test_subtitles_are_converted_to_what_the_container_supports(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.mkv", Recipe(frames(8), subtitles="ass"))
        out, back = str(tmp_path / "o.mp4"), str(tmp_path / "back.mkv")
        sink = open_sink(out, source := open_source(path))
        copy(source, sink)
        assert len(sink.warnings) == 1
        assert "subtitle stream 1 (ass, fre)" in sink.warnings[0]
        copy(source := open_source(out), open_sink(back, source))
        shown = packets(back, "subtitle")
        assert [(time, text.strip()) for time, text in shown if text.strip()] == [
            (Fraction(0), b"one"),
            (Fraction(1, 10), b"two"),
        ]

    def test_streams_that_the_container_cannot_hold_are_dropped_and_reported(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.mkv", Recipe(frames(4), audio="libopus", attachment=True))
        sink = open_sink(str(tmp_path / "o.mp4"), source := open_source(path))
        copy(source, sink)
        assert len(sink.warnings) == 1
        assert "attachment stream 2" in sink.warnings[0]

    @pytest.mark.parametrize("suffix", ["mp4", "mkv"])
    def test_cover_art_stays_cover_art(self, tmp_path: Path, suffix: str) -> None:
        path, out = write(tmp_path / "a.mp4", Recipe(frames(4), cover=True)), str(tmp_path / f"o.{suffix}")
        copy(source := open_source(path), open_sink(out, source))
        with av.open(path) as before, av.open(out) as after:
            kept = [next(c.demux(s)) for c in (before, after) for s in c.streams.video if s.disposition & 1024]
            assert bytes(kept[0]) == bytes(kept[1])

    def test_a_cameras_metadata_and_timecode_stay(self, tmp_path: Path) -> None:
        path, out, matroska = str(tmp_path / "a.mov"), str(tmp_path / "o.mov"), str(tmp_path / "o.mkv")
        tags = {"title": "T", "com.apple.quicktime.make": "Cam", "location": "+10.0000+020.0000/"}
        with av.open(path, "w", container_options={"movflags": "use_metadata_tags"}) as container:
            video = container.add_stream("libx264", rate=25, width=64, height=48)
            container.metadata.update(tags)
            video.metadata.update({"timecode": "01:02:03:04", "title": "front camera"})
            for frame in frames(3):
                container.mux(video.encode(video_frame(frame)))
            container.mux(video.encode(None))
        for target in (out, matroska):
            sink = open_sink(target, source := open_source(path))
            copy(source, sink)
            assert sink.warnings == []
        with av.open(path) as before, av.open(out) as after:
            assert [s.type for s in before.streams] == [s.type for s in after.streams] == ["video", "data"]
            assert after.streams.video[0].metadata["timecode"] == "01:02:03:04"
            assert after.streams.video[0].metadata["name"] == "front camera"
            assert tags.items() <= after.metadata.items()
        with av.open(matroska) as after:
            assert after.streams.video[0].metadata["TIMECODE"] == "01:02:03:04"
            assert after.streams.video[0].metadata["title"] == "front camera"

    @pytest.mark.parametrize("name", ["o.ts", "o.mkv", "o.mp4"])
    def test_lost_teletext_is_reported(self, tmp_path: Path, name: str) -> None:
        """Nothing here decodes it, and PyAV copies no such stream."""
        path, out = str(tmp_path / "a.ts"), str(tmp_path / name)
        with av.open(path, "w") as container:
            video = container.add_stream("libx264", rate=25, width=64, height=48)
            pages: Any = container.add_mux_stream("dvb_teletext")
            pages.metadata["language"] = "ger"
            for index, frame in enumerate(frames(10)):
                container.mux(video.encode(video_frame(frame)))
                page = av.Packet(b"\x10\x02\x2c" + bytes([0xE7, 0xE4, *(index + n for n in range(42))]) + b"\xff" * 92)
                page.stream, page.pts, page.dts, page.time_base = pages, index, index, Fraction(1, 25)
                container.mux(page)
            container.mux(video.encode(None))
        sink = open_sink(out, source := open_source(path))
        copy(source, sink)
        assert ["subtitle stream 1 (ger) is teletext or" in line for line in sink.warnings] == [True]

    @pytest.mark.parametrize("entry", [b"gpmd", b"camm", b"fdsc"])
    @pytest.mark.parametrize("name", ["o.mp4", "o.mov", "o.mkv"])
    def test_a_cameras_track_is_copied_or_named(self, tmp_path: Path, name: str, entry: bytes) -> None:
        """GPS of GoPro (gpmd) and of 360-degree cameras (camm), and what FFmpeg sets aside (fdsc)."""
        path, out = tmp_path / "a.mp4", str(tmp_path / name)
        with av.open(str(path), "w") as container:
            video = container.add_stream("libx264", rate=25, width=64, height=48)
            track = container.add_data_stream("bin_data")
            track.metadata["handler_name"] = "the way we went"
            for index, frame in enumerate(frames(10)):
                container.mux(video.encode(video_frame(frame)))
                place = av.Packet(bytes([index]) * 40)
                place.stream, place.pts, place.dts, place.time_base = track, index, index, Fraction(1, 25)
                container.mux(place)
            container.mux(video.encode(None))
        path.write_bytes(path.read_bytes().replace(b"gpmd", entry))
        sink = open_sink(out, source := open_source(str(path)))
        copy(source, sink)
        if entry == b"gpmd" and name != "o.mkv":
            assert sink.warnings == []
            assert packets(out, "data") == packets(str(path), "data") != []
        else:
            assert len(sink.warnings) == 1
            assert "data stream 1" in sink.warnings[0]
            assert "the way we went" in sink.warnings[0]

    def test_a_cut_takes_sound_and_chapters_along(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.mkv", Recipe(frames(25), audio="libopus", audio_seconds=1, chapters=3))
        out = str(tmp_path / "o.mkv")
        source = open_source(path, SourceOptions(start_seconds=0.2, end_seconds=0.6))
        copy(source, open_sink(out, source))
        cut = Fraction(1, 5)
        inside = [(t - cut, d) for t, d in packets(path, "audio") if t is not None and cut <= t < 3 * cut]
        assert packets(out, "audio") == inside
        assert packets(out, "video")[0][0] == 0
        with av.open(out) as container:
            chapters = [(c["start"] * (c["time_base"] or 0), c["metadata"]["title"]) for c in container.chapters()]
        assert chapters == [(0, "part 2")]

    def test_packets_do_not_pile_up(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.mkv", Recipe(frames(100), codec="ffv1", audio="libopus", audio_seconds=4))
        with open_source(path) as source, open_sink(str(tmp_path / "o.mkv"), source, LOSSLESS) as sink:
            most = 0
            for frame in source:
                sink.write(frame)
                most = max(most, len(source.packets))  # type: ignore[attr-defined]
        assert most < 40  # of 200

    def test_packets_are_queued_only_on_request(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.mkv", Recipe(frames(20), audio="libopus", audio_seconds=0.8))
        with open_source(path) as source:
            for _ in source:
                assert not source.packets  # type: ignore[attr-defined]


def test_what_a_container_holds(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", Recipe(frames(3), audio="libopus", subtitles="subrip", attachment=True))
    with av.open(path) as container:
        held = {
            name: "".join("-x"[can_hold(name, stream)] for stream in container.streams)
            for name in ("matroska", "mp4", "mov", "webm", "nut", "mpegts", "yuv4mpegpipe")
        }
    assert held == {
        "matroska": "xxxx",
        "mp4": "xx--",
        "mov": "x---",
        "webm": "-x--",
        "nut": "xx--",
        "mpegts": "xx--",
        "yuv4mpegpipe": "----",
    }


@pytest.mark.parametrize(
    ("given", "expected"), [("mov,mp4,m4a,3gp,3g2,mj2", "mp4"), ("matroska,webm", "matroska"), ("avi", "matroska")]
)
def test_a_pipe_keeps_the_format_it_can(given: str, expected: str) -> None:
    assert pipe_format(given) == expected


class TestImages:
    def fill(self, folder: Path, names: list[str], image: Any) -> None:
        folder.mkdir()
        for number, name in enumerate(names):
            cv2.imwrite(str(folder / name), image(number))

    @pytest.mark.parametrize(("channels", "dtype"), [(c, d) for c in (1, 3, 4) for d in (np.uint8, np.uint16)])
    def test_png_comes_back_bit_for_bit(self, tmp_path: Path, channels: int, dtype: Any) -> None:
        rng = np.random.default_rng(0)
        top = np.iinfo(dtype).max + 1
        shape = (13, 17) if channels == 1 else (13, 17, channels)
        images = [rng.integers(0, top, shape).astype(dtype) for _ in range(3)]
        names = ["f10.png", "f9.png", "f1.png"]
        self.fill(tmp_path / "in", names, lambda i: images[i])
        passed = copy(source := open_source(str(tmp_path / "in")), open_sink(str(tmp_path / "out") + "/", source))
        assert [f.pts for f in passed] == [0, 1, 2]
        assert listing(tmp_path / "out") == set(names)
        for name, image in zip(names, images, strict=True):
            back = cv2.imread(str(tmp_path / "out" / name), cv2.IMREAD_UNCHANGED)
            assert back is not None
            assert back.dtype == dtype
            assert np.array_equal(back, image)

    @pytest.mark.parametrize("channels", [1, 3])
    def test_jpeg_stays_jpeg_near_its_values(self, tmp_path: Path, channels: int) -> None:
        ramp = np.add.outer(np.arange(40), np.arange(56)).astype(np.uint8)
        self.fill(tmp_path / "in", ["a.jpg", "b.jpeg"], lambda _: ramp if channels == 1 else np.dstack([ramp] * 3))
        copy(source := open_source(str(tmp_path / "in")), open_sink(str(tmp_path / "out"), source))
        for name in ("a.jpg", "b.jpeg"):
            before, after = (cv2.imread(str(tmp_path / f / name), cv2.IMREAD_UNCHANGED) for f in ("in", "out"))
            assert before is not None
            assert after is not None
            assert before.shape == after.shape
            assert np.abs(before.astype(int) - after).max() <= 3

    def test_orientation_and_profile_tags_stay(self, tmp_path: Path) -> None:
        self.fill(tmp_path / "in", ["a.jpg", "b.png"], lambda _: np.full((8, 8, 3), 90, np.uint8))
        exif = b"\xff\xe1\x00\x0cExif\x00\x00test"
        jpeg = (tmp_path / "in" / "a.jpg").read_bytes()
        (tmp_path / "in" / "a.jpg").write_bytes(jpeg[:2] + exif + jpeg[2:])
        chunk = (4).to_bytes(4, "big") + b"gAMA" + (45455).to_bytes(4, "big") + bytes.fromhex("0bfc6105")
        png = (tmp_path / "in" / "b.png").read_bytes()
        (tmp_path / "in" / "b.png").write_bytes(png[:33] + chunk + png[33:])
        copy(source := open_source(str(tmp_path / "in")), open_sink(str(tmp_path / "out"), source))
        assert exif in (tmp_path / "out" / "a.jpg").read_bytes()
        assert chunk in (tmp_path / "out" / "b.png").read_bytes()
        assert cv2.imread(str(tmp_path / "out" / "b.png")) is not None
        assert cv2.imread(str(tmp_path / "out" / "a.jpg")) is not None

    def test_patterns_and_natural_order(self, tmp_path: Path) -> None:
        self.fill(tmp_path / "in", [f"f{i}.png" for i in (10, 2, 1)] + ["g1.png"], lambda i: np.zeros((4, 4), np.uint8))
        (tmp_path / "in" / "notes.txt").touch()
        folder = tmp_path / "in"
        assert [f.name for f in image_files(str(folder / "f%d.png"))] == ["f1.png", "f2.png", "f10.png"]
        assert [f.name for f in image_files(str(folder / "f*.png"))] == ["f1.png", "f2.png", "f10.png"]
        assert [f.name for f in image_files(str(folder))] == ["f1.png", "f2.png", "f10.png", "g1.png"]

    def test_a_damaged_frame_is_concealed_and_counted(self, tmp_path: Path) -> None:
        self.fill(tmp_path / "in", ["1.png", "2.png", "3.png"], lambda i: np.full((6, 6), 50 * i, np.uint8))
        (tmp_path / "in" / "2.png").write_bytes(b"\x89PNG broken")
        source = open_source(str(tmp_path / "in"))
        passed = copy(source, open_sink(str(tmp_path / "out"), source))
        assert [int(f.planes[0][0, 0]) for f in passed] == [0, 0, 100]
        assert (source.concealed, source.damaged) == (1, True)
        assert listing(tmp_path / "out") == {"1.png", "2.png", "3.png"}

    def test_a_video_becomes_numbered_images_and_a_video_again(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.mkv", Recipe(frames(3), codec="ffv1"))
        copy(source := open_source(path), open_sink(str(tmp_path / "out") + "/", source))
        assert listing(tmp_path / "out") == {"000001.png", "000002.png", "000003.png"}
        copy(source := open_source(str(tmp_path / "out")), open_sink(str(tmp_path / "b.mkv"), source, LOSSLESS))
        with open_source(str(tmp_path / "b.mkv")) as again:
            first = next(iter(again))
        image = cv2.imread(str(tmp_path / "out" / "000001.png"), cv2.IMREAD_UNCHANGED)
        assert image is not None
        assert np.array_equal(np.dstack(first.planes[::-1]), image)

    def test_refusals(self, tmp_path: Path) -> None:
        self.fill(tmp_path / "in", ["1.png", "2.png"], lambda i: np.zeros((6, 6), np.uint8))
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "other.txt").touch()
        with open_source(str(tmp_path / "in")) as source:
            with pytest.raises(UsageError):
                open_sink(str(tmp_path / "in"), source, SinkOptions(overwrite=True))
            with pytest.raises(OutputError):
                open_sink(str(tmp_path / "full"), source)
            with pytest.raises(UsageError):
                open_sink(str(tmp_path / "one.png"), source)
            with pytest.raises(UsageError):
                open_sink(str(tmp_path / "out"), source, SinkOptions(crf=3))
            sink = open_sink(str(tmp_path / "full"), source, SinkOptions(overwrite=True))
            with sink:
                for frame in source:
                    sink.write(frame)
        assert listing(tmp_path / "full") == {"1.png", "2.png", "other.txt"}
        assert listing(tmp_path) == {"in", "full"}

    @pytest.mark.parametrize("bits", [8, 10])
    def test_a_video_becomes_images_of_its_bit_depth(self, tmp_path: Path, bits: int) -> None:
        red = Layout("yuv", bits, (0, 0))
        scale = 1 << bits - 8
        planes: Any = tuple(np.full((8, 8), v * scale, red.dtype) for v in (81, 90, 240))  # BT.601 red, limited range
        path = write(
            tmp_path / "a.mkv", Recipe([Frame(planes, red, Color(6, 6, 6, False), 0, Fraction(1, 25))], codec="ffv1")
        )
        copy(source := open_source(path), open_sink(str(tmp_path / "f%03d.png"), source, SinkOptions(overwrite=True)))
        image = cv2.imread(str(tmp_path / "f001.png"), cv2.IMREAD_UNCHANGED)
        assert image is not None
        assert image.dtype == (np.uint8 if bits == 8 else np.uint16)
        top = (1 << (8 if bits == 8 else 16)) - 1
        assert np.abs(image / top - np.array([0, 0, 1])).max() < 0.01

    def test_a_pattern_needs_a_number(self, tmp_path: Path) -> None:
        self.fill(tmp_path / "in", ["1.png", "2.png"], lambda i: np.zeros((6, 6), np.uint8))
        with open_source(str(tmp_path / "in")) as source, pytest.raises(UsageError, match="%06d"):
            open_sink(str(tmp_path / "50%.png"), source)

    def test_one_photograph(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "p.png"), np.full((5, 7, 3), 33, np.uint8))
        out = default_output(str(tmp_path / "p.png"))
        copy(source := open_source(str(tmp_path / "p.png")), open_sink(out, source))
        before, after = cv2.imread(str(tmp_path / "p.png")), cv2.imread(out)
        assert before is not None
        assert after is not None
        assert np.array_equal(before, after)


def test_a_change_of_size_is_scaled_with_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", Recipe(frames(2), codec="ffv1"))
    layout = Layout("yuv", 8, (1, 1))
    with open_source(path) as source, open_sink(str(tmp_path / "o.mkv"), source, LOSSLESS) as sink:
        first, second = list(source)
        sink.write(first)
        sink.write(Frame(noise(layout, 32, 24), layout, second.color, second.pts, second.time_base))
        assert len(sink.warnings) == 1
    with open_source(str(tmp_path / "o.mkv")) as again:
        assert [f.size for f in again] == [(64, 48), (64, 48)]


def test_two_encoders_of_one_frame_do_not_share_buffers(tmp_path: Path) -> None:
    with open_source(Path(write(tmp_path / "in.mkv", Recipe(frames(1), codec="ffv1")))) as source:
        frame = next(iter(source))
    changed = [replace(frame, planes=tuple(np.full_like(plane, value) for plane in frame.planes)) for value in (1, 2)]
    outs = [video_frame(one) for one in changed]
    for one, out in zip(changed, outs, strict=True):
        assert np.array_equal(planes_of(out)[0][0], one.planes[0])
