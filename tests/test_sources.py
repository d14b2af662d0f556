"""What a source promises: every frame once, in order, at its exact time, in the samples that the codec stores."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from support.videos import Recipe, copy, frames, noise, write
from vdeblur.errors import InputError, UsageError
from vdeblur.files import natural_order
from vdeblur.frames import Color, Frame, Layout
from vdeblur.media.options import SinkOptions, SourceOptions
from vdeblur.media.planes import (
    CHROMA_SHIFTS,
    convert,
    frame_of,
    native_format,
    planes_of,
    readable,
    storage_of,
    video_frame,
)
from vdeblur.media.sinks import open_sink
from vdeblur.media.sources import open_source
from vdeblur.media.video_source import VideoSource

LAYOUTS = [
    *(
        Layout("yuv", bits, shift)
        for bits in (8, 10, 12)
        for shift in CHROMA_SHIFTS.values()
        if (bits, shift[0]) < (9, 9)
    ),
    Layout("yuv", 8, (1, 1), alpha=True),
    Layout("yuv", 10, (0, 0), alpha=True),
    *(Layout("gray", bits) for bits in (8, 10, 16)),
    Layout("gray", 8, alpha=True),
    *(Layout("rgb", bits, alpha=alpha) for bits in (8, 10, 16) for alpha in (False, True)),
]
LAYOUTS = [layout for layout in LAYOUTS if not (layout.chroma_shift == (2, 0) and layout.bits > 8)]


@pytest.mark.parametrize("layout", LAYOUTS, ids=native_format)
@pytest.mark.parametrize("size", [(7, 5), (1, 1), (64, 48)])
def test_planes_go_into_a_video_frame_and_come_back_bit_for_bit(layout: Layout, size: tuple[int, int]) -> None:
    planes = noise(layout, *size)
    picture = video_frame(Frame(planes, layout, Color(), 3, Fraction(1, 25)))
    assert picture.format.name == native_format(layout)
    back, same = planes_of(picture)
    assert same == layout
    assert all(np.array_equal(a, b) for a, b in zip(planes, back, strict=True))


@pytest.mark.parametrize(
    "pix_fmt",
    ["nv12", "nv21", "nv16", "nv24", "rgb24", "bgr24", "rgba", "bgra", "argb", "0rgb", "bgr0", "rgb48be", "ya8"],
)
def test_samples_of_interleaved_formats_land_in_their_planes(pix_fmt: str) -> None:
    storage = storage_of(pix_fmt)
    assert storage is not None
    layout = storage.layout
    planes = noise(layout, 9, 6)
    planar = video_frame(Frame(planes, layout, Color(), 0, Fraction(1, 25)))
    stored = planar.reformat(format=pix_fmt)
    back, same = planes_of(stored)
    assert same == layout
    assert all(np.array_equal(a, b) for a, b in zip(planes, back, strict=True))


@pytest.mark.parametrize("pix_fmt", ["p010le", "p016le", "p210le", "p410le", "gray10be", "yuv420p10be"])
def test_samples_in_high_bits_and_big_endian_come_out_in_the_low_bits(pix_fmt: str) -> None:
    storage = storage_of(pix_fmt)
    assert storage is not None
    planes = noise(storage.layout, 8, 6)
    stored = video_frame(Frame(planes, storage.layout, Color(), 0, Fraction(1, 25))).reformat(format=pix_fmt)
    back, _ = planes_of(stored)
    assert all(np.array_equal(a, b) for a, b in zip(planes, back, strict=True))


@pytest.mark.parametrize(("pix_fmt", "expected"), [("pal8", "gbrap"), ("yuyv422", "yuv422p"), ("rgb565le", "gbrp")])
def test_other_formats_become_the_nearest_that_holds_them(pix_fmt: str, expected: str) -> None:
    picture = av.VideoFrame(8, 6, pix_fmt)
    for plane in picture.planes:
        plane.update(bytes(plane.buffer_size))
    assert readable(picture).format.name == expected


@pytest.mark.parametrize(
    ("pix_fmt", "codec", "name"),
    [
        ("pal8", "zmbv", "in.avi"),
        ("pal8", "png", "in.mov"),
        *((name, "rawvideo", "in.nut") for name in ("rgb555le", "rgb565le", "rgb8", "rgb24")),
        *((name, "rawvideo", "in.nut") for name in ("yuyv422", "uyvy422", "yuv410p", "monow", "y210le")),
    ],
)
def test_formats_that_must_be_converted_keep_colours_and_tags(
    tmp_path: Path, pix_fmt: str, codec: str, name: str
) -> None:
    """FFmpeg makes the input, and reads the same colours from input and output."""
    bars = np.repeat(np.array([[0, 0, 0], [255, 255, 255], [200, 40, 40], [40, 40, 200]], np.uint8), 16, axis=0)
    shown = np.tile(bars, (48, 1, 1))
    made = _paletted(shown) if pix_fmt == "pal8" else av.VideoFrame.from_ndarray(shown, "rgb24")
    path, out = str(tmp_path / name), str(tmp_path / "o.mkv")
    with av.open(path, "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        made = made.reformat(format=pix_fmt)
        made.pts, made.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(made))
        container.mux(stream.encode(None))
    with open_source(path) as source:
        sink = open_sink(out, source, SinkOptions(codec="libx264", pix_fmt="yuv444p", crf=0))
        assert [frame.color for frame in copy(source, sink)] == [source.info.color]
    assert not [warning for warning in sink.warnings if "changes" in warning]
    before, after = (_read(file)[20, 8::16].astype(int) for file in (path, out))
    assert np.abs(before - after).max() <= 3
    assert before[1].min() >= 250


def _read(path: str) -> Any:
    with av.open(path) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def _paletted(shown: Any) -> av.VideoFrame:
    colours, indexes = np.unique(shown.reshape(-1, 3), axis=0, return_inverse=True)
    palette = np.zeros((256, 4), np.uint8)
    palette[:, 0], palette[: len(colours), 1:] = 255, colours  # A, R, G, B
    parts: Any = (indexes.reshape(48, 64).astype(np.uint8), palette)
    return av.VideoFrame.from_ndarray(parts, "pal8")


def test_planes_outlive_their_frame_and_stay_what_they_were() -> None:
    layout = Layout("yuv", 8, (1, 1))
    decoded = video_frame(Frame(noise(layout, 64, 48), layout, Color(), 0, Fraction(1, 25)))
    frame = frame_of(decoded, 0, Fraction(1, 25), Color())
    before = [plane.copy() for plane in frame.planes]
    other = Frame(noise(layout, 64, 48, seed=1), layout, Color(), 1, Fraction(1, 25), origin=frame.origin)
    changed = planes_of(video_frame(other))[0]
    del decoded
    assert all(np.array_equal(a, b) for a, b in zip(before, frame.planes, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(changed, other.planes, strict=True))
    again = planes_of(video_frame(frame))[0]
    assert all(np.array_equal(a, b) for a, b in zip(before, again, strict=True))
    with pytest.raises(ValueError):
        frame.planes[0][0, 0] = 1


@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_conversion_uses_the_tagged_matrix_and_range(matrix: int) -> None:
    kr, kb = Color(matrix=matrix).luma_weights(48)
    red = np.zeros((48, 64), np.uint8)
    full = Frame((red + 255, red, red), Layout("rgb"), Color(matrix=matrix), 0, Fraction(1, 25))
    (y, cb, cr), _ = planes_of(convert(video_frame(full), "yuv444p"))
    assert y[20, 30] == pytest.approx(16 + 219 * kr, abs=1)
    assert cb[20, 30] == pytest.approx(128 - 224 * kr / (2 * (1 - kb)), abs=1)
    assert cr[20, 30] == pytest.approx(240, abs=1)


def test_every_frame_once_with_b_frames_and_variable_rate(tmp_path: Path) -> None:
    pts = [0, 3000, 3100, 9000, 12345, 12346, 20000, 33000, 33333, 40000, 50000, 60001]
    made = frames(len(pts), pts=pts, time_base=Fraction(1, 90000))
    path = write(tmp_path / "vfr.mp4", Recipe(made, bframes=3))
    with open_source(path) as source:
        got = list(source)
        assert [f.pts for f in got] == pts
        assert source.info.time_base == Fraction(1, 90000)
        assert (source.concealed, source.damaged, source.warnings) == (0, False, [])


def test_frames_stored_behind_the_audio_are_read_too(tmp_path: Path) -> None:
    given = write(tmp_path / "a.mkv", Recipe(frames(9), bframes=2, audio="libopus"))
    path = str(tmp_path / "sound-first.mkv")
    with av.open(given) as before, av.open(path, "w") as after:
        copies = {s.index: after.add_stream_from_template(s, opaque=True) for s in reversed(before.streams)}
        for packet in before.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                after.mux(packet)
    with open_source(path) as source:
        assert len(list(source)) == 9


def test_names_are_in_the_order_of_their_numbers() -> None:
    """Digits that are not decimal, such as a superscript, are letters."""
    names = ["a²2.png", "a10.png", "a2.png", "1²3.png"]
    assert sorted(names, key=natural_order) == ["1²3.png", "a2.png", "a10.png", "a²2.png"]


def test_a_raw_stream_gets_its_times_from_the_rate(tmp_path: Path) -> None:
    path = write(tmp_path / "raw.h264", Recipe(frames(10), bframes=2, container="h264"))
    with open_source(path) as source:
        got = [f.pts * f.time_base for f in source]
    assert got == [Fraction(i, 25) for i in range(10)]


def test_repeated_and_reversed_pts_are_sorted_and_nudged(tmp_path: Path) -> None:
    wrong = [100, 140, 140, 220, 180, 300, 300, 300]
    given = write(tmp_path / "a.mkv", Recipe(frames(8), codec="ffv1"))
    path = str(tmp_path / "wrong.mkv")
    with av.open(given) as before, av.open(path, "w") as after:
        copy = after.add_stream_from_template(before.streams.video[0], opaque=True)
        for pts, packet in zip(wrong, before.demux(video=0), strict=False):
            packet.stream, packet.pts, packet.dts = copy, pts, packet.pts // 10
            after.mux(packet)
    with open_source(given) as source:
        pictures = [f.planes[0].tobytes() for f in source]
    with open_source(path) as source:
        shown = [(f.pts, f.planes[0].tobytes()) for f in source]
        assert source.concealed == 0
    # The times are sorted; the pictures stay in the decoder's order, which is that of showing.
    assert shown == list(zip([100, 140, 141, 180, 220, 300, 301, 302], pictures, strict=True))


def test_info_says_what_the_file_says(tmp_path: Path) -> None:
    color = Color(9, 16, 9, False, 3)
    made = frames(5, Layout("yuv", 10, (1, 1)), color=color)
    path = write(
        tmp_path / "a.mp4", Recipe(made, aspect=Fraction(4, 3), matrix=(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30))
    )
    with open_source(path) as source:
        info = source.info
        assert (info.width, info.height, info.layout) == (64, 48, Layout("yuv", 10, (1, 1)))
        assert info.color == color
        assert all(f.color == color for f in source)
        assert (info.frames, info.frame_rate, info.codec) == (5, Fraction(25), "h264")
        assert info.sample_aspect_ratio == Fraction(4, 3)
        assert info.rotation == -90
        assert info.duration_seconds == pytest.approx(0.2)


@pytest.mark.parametrize("keep", [False, True])
def test_a_cut_gives_the_frames_from_start_to_before_end(tmp_path: Path, keep: bool) -> None:
    path = write(tmp_path / "a.mp4", Recipe(frames(30), bframes=2, options={"g": "8"}))
    cut = SourceOptions(start_seconds=0.41, end_seconds=0.8, keep_timestamps=keep)
    with open_source(path, cut) as source:
        tick = source.info.time_base
        got = [f.pts * tick for f in source]
    shift = 0 if keep else Fraction("0.41")
    assert len(got) == 9
    assert abs(got[0] + shift - Fraction(11, 25)) <= tick
    assert abs(got[-1] + shift - Fraction(19, 25)) <= tick


def test_the_cover_is_not_the_video(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", Recipe(frames(3), cover=True))
    with open_source(path) as source:
        assert (source.info.width, len(list(source))) == (64, 3)


@pytest.mark.parametrize("hwaccel", ["auto", "none"])
def test_hardware_decoding_gives_the_same_samples(tmp_path: Path, hwaccel: str) -> None:
    path = write(tmp_path / "a.mp4", Recipe(frames(8, size=(256, 144)), bframes=2))
    with open_source(path) as source:
        expected = list(source)
    with open_source(path, SourceOptions(hwaccel=hwaccel)) as source:
        got = list(source)
    assert [f.pts for f in got] == [f.pts for f in expected]
    assert all(
        np.array_equal(a, b)
        for f, g in zip(got, expected, strict=True)
        for a, b in zip(f.planes, g.planes, strict=True)
    )


def test_unknown_hardware_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", Recipe(frames(2)))
    with pytest.raises(UsageError, match="abacus"):
        open_source(path, SourceOptions(hwaccel="abacus"))


class TestBadInput:
    def refused(self, path: str, *words: str) -> None:
        with pytest.raises(InputError) as caught:
            open_source(path)
        message = str(caught.value)
        assert message.startswith(path)
        assert "\n" not in message
        assert all(word in message for word in words), message

    def test_missing(self, tmp_path: Path) -> None:
        self.refused(str(tmp_path / "none.mp4"), "no such file")

    def test_a_name_that_no_file_has(self) -> None:
        with pytest.raises(InputError):
            open_source("x" * 5000)
        with pytest.raises(InputError):
            open_source("a\0b.mp4")

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").touch()
        self.refused(str(tmp_path / "a.mp4"), "is empty")

    def test_not_media(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_bytes(os.urandom(5000))
        self.refused(str(tmp_path / "a.mp4"))

    def test_a_text_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.mkv").write_text("shopping list\n" * 40)
        self.refused(str(tmp_path / "a.mkv"))

    def test_audio_only(self, tmp_path: Path) -> None:
        path = str(tmp_path / "a.wav")
        with av.open(path, "w") as container:
            stream = container.add_stream("pcm_s16le", rate=48000, layout="mono")
            block = av.AudioFrame.from_ndarray(np.zeros((1, 480), np.int16), format="s16", layout="mono")
            block.sample_rate = 48000
            container.mux(stream.encode(block))
        self.refused(path, "no video", "audio")

    def test_truncated_before_its_index(self, tmp_path: Path) -> None:
        path = Path(write(tmp_path / "a.mp4", Recipe(frames(10))))
        path.write_bytes(path.read_bytes()[:1500])
        self.refused(str(path))

    def test_folder_without_images(self, tmp_path: Path) -> None:
        self.refused(str(tmp_path), "no PNG or JPEG")

    def test_addresses_are_not_opened(self) -> None:
        self.refused("http://127.0.0.1:9/a.mp4", "URL")

    def test_a_playlist_opens_no_network(self, tmp_path: Path) -> None:
        (tmp_path / "a.m3u8").write_text(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
        )
        self.refused(str(tmp_path / "a.m3u8"))

    def test_an_empty_cut(self) -> None:
        with pytest.raises(UsageError):
            open_source("a.mp4", SourceOptions(start_seconds=2, end_seconds=1))

    @pytest.mark.parametrize(
        "name", ["-a.mp4", "a b.mp4", "%03d.mp4", "a'\"b.mp4", "a\nb.mp4", "pipe:0.mp4", "é漢.mp4"]
    )
    def test_any_file_name_can_be_opened(self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        plain = write(tmp_path / "plain.mkv", Recipe(frames(2), codec="ffv1"))
        os.rename(plain, tmp_path / name)
        monkeypatch.chdir(tmp_path)
        with open_source(name) as source:
            assert len(list(source)) == 2


def test_a_pipe_is_read_without_seeking(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", Recipe(frames(7), bframes=2))

    class Pipe:
        """What standard input offers to a reader that cannot seek."""

        def __init__(self, data: bytes) -> None:
            self.file = io.BytesIO(data)

        def read(self, size: int = -1) -> bytes:
            return self.file.read(size)

    pipe: Any = Pipe(Path(path).read_bytes())
    with VideoSource(pipe, "standard input", SourceOptions()) as source:
        assert len(list(source)) == 7
