"""Inputs that people met trouble with, each as one of a kind: what a player shows comes out, or one clear line."""

from __future__ import annotations

import io
import struct
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.codec.context import Flags
from numpy.typing import NDArray

from support.commands import run
from support.videos import YUV420, Recipe, copy, frames, noise, packets, write
from vdeblur.errors import InputError, OutputError
from vdeblur.frames import MATRIX_BT470BG, Color, Layout, StreamInfo
from vdeblur.media.encoder_settings import encoder_settings
from vdeblur.media.options import SinkOptions, SourceOptions
from vdeblur.media.paths import default_output, is_image_input
from vdeblur.media.planes import native_format, video_frame
from vdeblur.media.probe import probe
from vdeblur.media.sinks import open_sink
from vdeblur.media.sources import open_source
from vdeblur.media.video_sink import VideoSink
from vdeblur.media.video_source import VideoSource

INFO = StreamInfo(64, 48, YUV420, Color(), Fraction(1, 25))
FFV1, WHOLE = SinkOptions(codec="ffv1"), SourceOptions()


def times(path: str, options: SourceOptions = WHOLE) -> tuple[list[Fraction], bool, list[str]]:
    """The times of all frames as the package reads them, whether the input counts as damaged, and what is said."""
    with open_source(path, options) as source:
        seconds = [frame.pts * frame.time_base for frame in source]
        return seconds, source.damaged, source.warnings


def shown(path: str) -> list[Fraction]:
    """The times of all frames as FFmpeg decodes them."""
    with av.open(path) as container:
        return [Fraction(frame.pts or 0) * Fraction(frame.time_base or 1) for frame in container.decode(video=0)]


# -- AVI -------------------------------------------------------------------------------------------------------------


def with_empty_chunks(path: Path, empty: set[int], count: int, codec: str = "mjpeg") -> str:
    """An AVI in which some of `count` chunks hold nothing, as capture programs write a frame that repeats."""
    shown_at = [number for number in range(count) if number not in empty]
    recipe = Recipe(frames(len(shown_at), pts=shown_at), codec=codec, options={"strict": "-1"})
    write(path, recipe)  # the muxer fills gaps with empty chunks, but for those at the end
    data = bytearray(path.read_bytes())
    behind = count - 1 - shown_at[-1]
    index = data.rfind(b"idx1")
    (length,) = struct.unpack_from("<I", data, index + 4)
    data[index + 8 + length : index + 8 + length] = b"00dc\x00\0\0\0\0\0\0\0\0\0\0\0" * behind
    struct.pack_into("<I", data, index + 4, length + 16 * behind)
    struct.pack_into("<I", data, 4, len(data) - 8)
    struct.pack_into("<I", data, data.find(b"avih") + 8 + 16, count)
    struct.pack_into("<I", data, data.find(b"strh") + 8 + 32, count)
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4", "ffv1"])
@pytest.mark.parametrize("empty", [{1}, {3, 4, 5, 6}, {2, 7, 13}, {18, 19}, set(range(1, 20, 2))])
def test_empty_chunks_of_avi_repeat_and_are_not_missing(tmp_path: Path, empty: set[int], codec: str) -> None:
    path = with_empty_chunks(tmp_path / "a.avi", empty, 20, codec)
    assert times(path) == ([Fraction(n, 25) for n in range(20) if n not in empty], False, [])


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_an_avi_that_ends_early_is_still_recognised(tmp_path: Path, share: float) -> None:
    path = Path(with_empty_chunks(tmp_path / "a.avi", {3, 4}, 40))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    _, damaged, said = times(str(path))
    assert damaged
    assert ["truncated" in line for line in said] == [True]


@pytest.mark.parametrize("codec", [None, "libx264", "mpeg4", "mjpeg", "ffv1"])
@pytest.mark.parametrize("source", ["libx264", "mpeg4"])
def test_in_avi_every_frame_keeps_its_time(tmp_path: Path, source: str, codec: str | None) -> None:
    """It has no presentation times: a codec that reorders would be shown late."""
    path = write(tmp_path / "a.mkv", Recipe(frames(20), codec=source, audio="ac3", audio_seconds=0.8))
    out = str(tmp_path / "b.avi")
    copy(taken := open_source(path), open_sink(out, taken, SinkOptions(codec=codec)))
    with av.open(out) as container:
        held = [p.dts * p.time_base for p in container.demux(video=0) if p.size and p.dts is not None]
    assert held == [Fraction(n, 25) for n in range(20)]
    assert times(out)[0] == held
    if codec is None:
        assert shown(out) == held
    again = str(tmp_path / "c.mkv")
    copy(taken := open_source(out), open_sink(again, taken, FFV1))
    assert times(again)[0] == held


# -- edit lists ------------------------------------------------------------------------------------------------------


def edited(path: Path, hidden: int, fragmented: bool) -> str:
    """An MP4 of 60 frames whose edit list starts at the frame `hidden`, as a phone trims a clip."""
    options = {"movflags": "frag_keyframe+empty_moov+delay_moov"} if fragmented else {}
    given = Path(write(path, Recipe(frames(60), options={"g": "25"}, bframes=2, audio="aac", audio_seconds=2.4)))
    if fragmented:
        whole = given.rename(path.with_name("whole.mp4"))
        with av.open(str(whole)) as source, av.open(str(path), "w", container_options=options) as made:
            streams = {s.index: made.add_stream_from_template(s, opaque=True) for s in source.streams}
            for packet in source.demux():
                if packet.size:
                    packet.stream = streams[packet.stream_index]
                    made.mux(packet)
    data = bytearray(path.read_bytes())
    at = data.find(b"elst", data.find(b"moov"))
    duration, start, rate = struct.unpack_from(">IiI", data, at + 12)
    mdhd = data.find(b"mdhd")
    (scale,) = struct.unpack_from(">I", data, mdhd + 16)
    (movie,) = struct.unpack_from(">I", data, data.find(b"mvhd") + 16)
    kept = max(duration - hidden * movie // 25, 0)
    struct.pack_into(">IiI", data, at + 12, kept, start + hidden * scale // 25, rate)
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("fragmented", [False, True])
@pytest.mark.parametrize("hidden", [1, 8, 25, 30])
@pytest.mark.parametrize("name", ["b.mkv", "b.mp4", "b.nut"])
def test_frames_hidden_by_an_edit_list_stay_hidden(tmp_path: Path, name: str, hidden: int, fragmented: bool) -> None:
    path, out = edited(tmp_path / "a.mp4", hidden, fragmented), str(tmp_path / name)
    source = open_source(path)
    sink = open_sink(out, source, FFV1)
    given = copy(source, sink)
    assert (source.damaged, source.warnings) == (False, [])
    assert [frame.pts * frame.time_base for frame in given] == [Fraction(n, 25) for n in range(60 - hidden)]
    found = shown(out)  # NUT holds nothing before zero, where sound begins: all of it moves
    assert [time - (found[0] if name == "b.nut" else 0) for time in found] == [
        Fraction(n, 25) for n in range(60 - hidden)
    ]


def test_a_cut_counts_from_what_is_shown(tmp_path: Path) -> None:
    path = edited(tmp_path / "a.mp4", 8, fragmented=True)
    assert times(path, SourceOptions(start_seconds=1.0, end_seconds=1.2))[0] == [Fraction(n, 25) for n in range(5)]


def test_an_mp4_that_ends_early_is_still_recognised(tmp_path: Path) -> None:
    path = Path(edited(tmp_path / "a.mp4", 30, fragmented=False))
    data = path.read_bytes()
    moov = data.find(b"moov") - 4
    (length,) = struct.unpack_from(">I", data, moov)
    media = data.find(b"mdat") - 4
    path.write_bytes(data[:media] + data[moov : moov + length] + data[media : media + (moov - media) // 2])
    try:
        _, damaged, _ = times(str(path))
    except InputError:
        return  # nothing is where the index says
    assert damaged


# -- encryption ------------------------------------------------------------------------------------------------------


KEYS = {
    "encryption_scheme": "cenc-aes-ctr",
    "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
    "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def rewrapped(given: str, path: Path, options: dict[str, str]) -> Path:
    """The same packets in another MP4."""
    with av.open(given) as source, av.open(str(path), "w", container_options=options) as made:
        stream = made.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                made.mux(packet)
    return path


def protected(path: Path, scheme: bytes) -> str:
    """An MP4 with common encryption."""
    given = write(path.with_name("plain.mp4"), Recipe(frames(30), bframes=0, options={"g": "10"}))
    data = bytearray(rewrapped(given, path, KEYS).read_bytes())
    at = data.find(b"schm")
    data[at + 8 : at + 12] = scheme
    path.write_bytes(data)
    return str(path)


def with_clear_lead(path: Path, clear: int) -> str:
    """An MP4 in fragments of 10 frames, the first `clear` of them not encrypted, as services leave a start."""
    given = write(path.with_name("plain.mp4"), Recipe(frames(60), bframes=0, options={"g": "10"}))
    plain = rewrapped(given, path.with_name("fragments.mp4"), FRAGMENTS).read_bytes().split(b"moof")
    data = rewrapped(given, path, FRAGMENTS | KEYS).read_bytes().split(b"moof")
    assert len(plain) == len(data) == 7
    # (the length before a fragment's name lies at the end of the part before it)
    parts = [data[0][:-4] + plain[0][-4:], *plain[1:clear], plain[clear][:-4] + data[clear][-4:], *data[clear + 1 :]]
    path.write_bytes(b"moof".join(parts))
    return str(path)


@pytest.mark.parametrize("scheme", [b"cenc", b"cbcs", b"cens", b"cbc1"])
def test_encrypted_files_are_refused_as_such(tmp_path: Path, scheme: bytes) -> None:
    path = protected(tmp_path / "a.mp4", scheme)
    with pytest.raises(InputError, match="is encrypted"), open_source(path) as source:
        list(source)


@pytest.mark.parametrize("clear", [1, 3, 5])
def test_an_encrypted_file_with_an_unencrypted_start_is_recognised(tmp_path: Path, clear: int) -> None:
    path, out = with_clear_lead(tmp_path / "a.mp4", clear), tmp_path / "out.mp4"
    plain, held = (packets(file, "video") for file in (str(tmp_path / "plain.mp4"), path))
    assert [a == b for a, b in zip(plain, held, strict=True)] == [True] * 10 * clear + [False] * (60 - 10 * clear)
    out.write_bytes(b"an older result")
    result = run(path, "-o", out, "-y", "-m", "unsharp")
    assert result.exit_code == 3
    assert "is encrypted" in result.stderr
    assert result.stderr.count("error:") == 1
    assert out.read_bytes() == b"an older result"
    assert not list(tmp_path.glob(".*"))


# -- pipes -----------------------------------------------------------------------------------------------------------


class Unseekable(io.BytesIO):
    """What FFmpeg may only read on or write on."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise OSError("a pipe")


@pytest.mark.parametrize("channels", ["mono", "stereo", "5.1"])
@pytest.mark.parametrize("container", ["matroska", "mp4", "mov", "flv", "nut", "mpegts"])
def test_aac_of_a_transport_stream_plays_in_every_container_on_a_pipe(
    tmp_path: Path, container: str, channels: str
) -> None:
    """There every packet describes itself; others want that in a header, and on a pipe it cannot be filled in later."""
    path = tmp_path / "a.ts"
    with av.open(str(path), "w") as made:
        video: Any = made.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt, video.options = 64, 48, "yuv420p", {"preset": "ultrafast"}
        audio: Any = made.add_stream("aac", rate=44100, layout=channels)
        for index in range(25):
            made.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
            sound = av.AudioFrame("fltp", channels, 1764)
            for plane in sound.planes:
                plane.update(bytes(plane.buffer_size))
            sound.sample_rate, sound.pts, sound.time_base = 44100, index * 1764, Fraction(1, 44100)
            made.mux(audio.encode(sound))
        made.mux(video.encode(None))
        made.mux(audio.encode(None))
    pipe = Unseekable()
    source = open_source(str(path))
    copy(source, VideoSink(pipe, "pipe", source, SinkOptions(container=container, codec="libx264"), source.info))
    with av.open(str(path)) as given, av.open(io.BytesIO(pipe.getvalue()), "r") as got:
        before, after = (list(container.decode(audio=0)) for container in (given, got))
    assert [frame.samples for frame in before] == [frame.samples for frame in after]
    assert {frame.layout.name for frame in before} == {frame.layout.name for frame in after}
    assert all(np.array_equal(a.to_ndarray(), b.to_ndarray()) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("name", ["b.mkv", "b.mp4", "b.mov"])
def test_a_transport_stream_becomes_a_file_with_the_same_streams(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.ts", Recipe(frames(25), audio="aac", audio_seconds=0.9))
    out = str(tmp_path / name)
    copy(source := open_source(path), open_sink(out, source))
    with av.open(path) as given, av.open(out) as got:
        kinds = [[(stream.type, stream.codec_context.name) for stream in c.streams] for c in (given, got)]
        assert kinds[0] == kinds[1]
        before, after = (sum(frame.samples for frame in c.decode(audio=0)) for c in (given, got))
        assert before == after


def test_audio_that_starts_long_after_the_video_is_found(tmp_path: Path) -> None:
    """Its first packet is read ahead for; the video that comes before it is not lost."""
    recipe = Recipe(frames(60), audio="aac", audio_start=2.0, audio_seconds=0.3)
    path = write(tmp_path / "a.ts", recipe)
    pipe = Unseekable()
    source = open_source(path)
    given = copy(source, VideoSink(pipe, "pipe", source, SinkOptions(container="matroska"), source.info))
    assert len(given) == 60
    with av.open(io.BytesIO(pipe.getvalue()), "r") as got:
        assert sum(frame.samples for frame in got.decode(audio=0)) > 10_000
    with av.open(io.BytesIO(pipe.getvalue()), "r") as got:
        assert len(list(got.decode(video=0))) == 60


def test_an_mp4_with_its_index_at_the_end_is_named_on_a_pipe(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.mp4", Recipe(frames(40, size=(128, 96), make=noise), audio="aac")))
    with pytest.raises(InputError, match=r"its index at the end.*name the file"):
        VideoSource(Unseekable(path.read_bytes()), "standard input", WHOLE)


# -- what was written ------------------------------------------------------------------------------------------------


def test_an_output_that_cannot_be_read_again_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that loses what it was given, in the place of encoders and muxers that write what no one reads."""
    path, out = write(tmp_path / "a.mkv", Recipe(frames(5))), tmp_path / "b.mkv"
    out.write_bytes(b"an older result")
    end = VideoSink._end

    def lossy(self: VideoSink) -> None:
        end(self)
        assert self._partial
        data = self._partial.path.read_bytes()
        self._partial.path.write_bytes(data[:200] + bytes(len(data) - 200))

    monkeypatch.setattr(VideoSink, "_end", lossy)
    source = open_source(path)
    with pytest.raises(OutputError, match=r"cannot be decoded|can be decoded"):
        copy(source, open_sink(str(out), source, SinkOptions(codec="ffv1", overwrite=True)))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mkv", "b.mkv"]
    assert out.read_bytes() == b"an older result"


@pytest.mark.parametrize("size", [(640, 480), (16_000, 9_000), (20_000, 6_000)])
def test_ffv1_of_any_size_is_opened_by_its_decoder(size: tuple[int, int]) -> None:
    info = replace(INFO, width=size[0], height=size[1])
    encoder: Any = av.CodecContext.create("ffv1", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = *size, "yuv420p", Fraction(1, 25)
    encoder.options = encoder_settings("ffv1", info, None, FFV1)
    encoder.open()
    decoder: Any = av.CodecContext.create("ffv1", "r")
    decoder.extradata, decoder.width, decoder.height = encoder.extradata, *size
    decoder.open()


# -- colour and chapters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("size", [(64, 48), (64, 720)])
def test_vp8_is_bt601_with_and_without_alpha(tmp_path: Path, size: tuple[int, int], alpha: bool) -> None:
    """By RFC 6386 (9.2); players would take it for BT.709 from 720 lines up."""
    layout = Layout("yuv", 8, (1, 1), alpha)
    path = tmp_path / "a.webm"
    with av.open(str(path), "w") as made:
        video: Any = made.add_stream("libvpx", rate=25)
        video.width, video.height, video.pix_fmt = *size, native_format(layout)
        video.options = {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0"}
        if alpha:
            video.metadata["alpha_mode"] = "1"
        for frame in frames(2, layout, size):
            made.mux(video.encode(video_frame(frame)))
        made.mux(video.encode(None))
    with open_source(str(path)) as source:
        assert {frame.color.matrix for frame in source} == {MATRIX_BT470BG}
        assert source.info.color.matrix == MATRIX_BT470BG


@pytest.mark.parametrize("name", ["b.mp4", "b.mov", "b.mkv", "b.webm"])
def test_chapters_are_kept_without_a_word_about_their_track(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.mp4", Recipe(frames(10), chapters=2))
    assert [kept.fate for kept in probe(path).streams] == ["restored", "kept as chapters"]
    source = open_source(path)
    sink = open_sink(str(tmp_path / name), source)
    copy(source, sink)
    assert sink.warnings == []
    with av.open(str(tmp_path / name)) as got:
        assert [chapter["metadata"]["title"] for chapter in got.chapters()] == ["part 0", "part 1"]


# -- animations ------------------------------------------------------------------------------------------------------


def animation(path: Path, codec: str, pix_fmt: str, count: int = 6) -> str:
    """A moving disc of changing colour; GIF, animated PNG or animated WebP."""
    with av.open(str(path), "w") as made:
        video: Any = made.add_stream(codec, rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, pix_fmt
        for index in range(count):
            made.mux(video.encode(av.VideoFrame.from_ndarray(disc(index), "rgb24").reformat(format=pix_fmt)))
        made.mux(video.encode(None))
    return str(path)


def disc(index: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:48, :64]
    image = np.full((48, 64, 3), 20, np.uint8)
    image[(x - 10 - 8 * index) ** 2 + (y - 24) ** 2 < 100] = [250, 40 * index, 128]
    return image


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"), [("a.gif", "gif", "rgb8"), ("a.apng", "apng", "rgb24"), ("a.png", "apng", "rgb24")]
)
def test_animations_are_read_as_videos(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    made = Path(animation(tmp_path / f"made.{codec}", codec, pix_fmt))
    path = str(made.rename(tmp_path / name))
    assert times(path)[0] == [Fraction(n, 10) for n in range(6)]
    assert default_output(path) == str(tmp_path / "a.deblur.mkv")


def test_a_png_that_does_not_move_is_an_image(tmp_path: Path) -> None:
    path = str(tmp_path / "a.png")
    cv2.imwrite(path, disc(0))
    assert is_image_input(path)
    with open_source(path) as source:
        assert source.info.codec == "PNG images"


@pytest.mark.parametrize("count", [1, 6])
def test_an_animated_webp_is_named_as_what_it_is(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a.webp"
    moving = cv2.Animation()
    moving.frames, moving.durations = [disc(index) for index in range(count)], [100] * count
    if count == 1:
        cv2.imwrite(str(path), disc(0))
        assert len(times(str(path))[0]) == 1
        return
    assert cv2.imwriteanimation(str(path), moving)
    with pytest.raises(InputError, match="animated WebP"):
        open_source(str(path))


def test_gif_keeps_its_colours(tmp_path: Path) -> None:
    """In a palette for each frame: more than 256 colours in all come out, those of a frame nearly as they are."""
    count = 40
    made = [replace(f, planes=smooth_rgb(index), layout=Layout("rgb")) for index, f in enumerate(frames(count))]
    path, out = write(tmp_path / "a.mkv", Recipe(made, codec="ffv1")), tmp_path / "b.gif"
    source = open_source(path)
    sink = open_sink(str(out), source)
    given = copy(source, sink)
    assert ["256 colours" in line for line in sink.warnings] == [True]
    with av.open(str(out)) as container:
        got = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(got) == count
    assert len({tuple(colour) for image in got for colour in image.reshape(-1, 3)}) > 256
    for before, after in zip(given, got, strict=True):
        wanted = np.stack(before.planes, axis=-1).astype(int)
        assert np.abs(wanted - after).mean() < 6
    assert shown(str(out)) == [Fraction(n, 25) for n in range(count)]


def smooth_rgb(index: int) -> Any:
    y, x = np.mgrid[:48, :64]
    return tuple((128 + 100 * np.sin(x / 20 + y / 30 + index / 7 + 2 * c)).astype(np.uint8) for c in range(3))


# -- times and tags that stay -----------------------------------------------------------------------------------------


def uneven(path: Path, last: int, bframes: int) -> str:
    """A clip of variable rate in which every frame, the last one too, says how long it lasts; with sound by FFmpeg."""
    steps = [3000, 2880, 3120, 6000, 3000, 4500, 1500, 3000, 9000, 3000]
    with av.open(str(path), "w") as made:
        video: Any = made.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        context = video.codec_context
        context.time_base = video.time_base = Fraction(1, 90000)
        context.flags |= Flags.frame_duration
        context.options = {"preset": "veryfast", "bf": str(bframes), "x264-params": "b-adapt=0"}
        audio: Any = made.add_stream("aac", rate=48000, layout="mono")
        at = 0
        for index, step in enumerate([*steps * 3, last]):
            frame = av.VideoFrame.from_ndarray(disc(index % 6), "rgb24").reformat(format="yuv420p")
            frame.pts, frame.duration, frame.time_base = at, step, Fraction(1, 90000)
            made.mux(video.encode(frame))
            at += step
        made.mux(video.encode(None))
        sound = av.AudioFrame("fltp", "mono", 4800)
        sound.planes[0].update(bytes(sound.planes[0].buffer_size))
        sound.sample_rate, sound.pts, sound.time_base = 48000, 0, Fraction(1, 48000)
        made.mux([*audio.encode(sound), *audio.encode(None)])
    return str(path)


def length(path: str) -> Fraction:
    """As the header states it; of MP4 by hand, since FFmpeg adds up decoding times, which end before the frames do."""
    data = Path(path).read_bytes()
    if (at := data.find(b"mvhd")) > 0:
        scale, units = struct.unpack_from(">II", data, at + 16)
        return Fraction(units, scale)
    with av.open(path, "r") as container:
        return Fraction(container.duration or 0, 1_000_000)


@pytest.mark.parametrize(("last", "bframes"), [(1500, 0), (3000, 0), (7000, 0), (1500, 2), (3000, 2)])
@pytest.mark.parametrize(("given", "name"), [("a.mp4", "b.mp4"), ("a.mov", "b.mov"), ("a.mp4", "b.mkv")])
def test_a_clip_is_as_long_as_before(tmp_path: Path, given: str, name: str, last: int, bframes: int) -> None:
    path, out = uneven(tmp_path / given, last, bframes), str(tmp_path / name)
    source = open_source(path)
    passed = copy(source, open_sink(out, source, SinkOptions(codec="libx264")))
    ends = [frame.pts + frame.duration for frame in passed]
    assert ends[:-1] == [frame.pts for frame in passed[1:]]
    assert abs(length(out) - length(path)) <= Fraction(1, 1000)


@pytest.mark.parametrize("name", ["b.mkv", "b.webm"])
def test_copied_streams_keep_the_name_of_their_encoder(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / "a.mkv")
    with av.open(path, "w") as made:
        video: Any = made.add_stream("libvpx-vp9", rate=25)
        video.width, video.height, video.pix_fmt, video.options = 64, 48, "yuv420p", {"cpu-used": "8"}
        video.metadata["ENCODER"] = "an encoder of yesterday"
        audio: Any = made.add_stream("libopus", rate=48000, layout="mono")
        audio.metadata["ENCODER"] = "the maker of this sound"
        for frame in frames(5):
            made.mux(video.encode(video_frame(frame)))
        sound = av.AudioFrame("flt", "mono", 4800)
        sound.sample_rate, sound.pts, sound.time_base = 48000, 0, Fraction(1, 48000)
        made.mux([*video.encode(None), *audio.encode(sound), *audio.encode(None)])
    source = open_source(path)
    copy(source, open_sink(str(tmp_path / name), source, SinkOptions(codec="vp9")))
    with av.open(str(tmp_path / name)) as got:
        tags = [{key.upper(): value for key, value in stream.metadata.items()} for stream in got.streams]
    assert tags[1]["ENCODER"] == "the maker of this sound"
    assert tags[0].get("ENCODER") != "an encoder of yesterday"


# -- sequences and sound that is called experimental ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([1, 2, 3, 4, 5], None),
        ([10, 20, 30, 40], None),
        ([1, 2, 4, 5, 8], "3 of its numbers are missing, the first after f_0002.png"),
        ([10, 20, 40, 50], "1 of its numbers are missing, the first after f_0020.png"),
        ([3, 1700, 2955, 9001], None),
        ([1, 9], None),
    ],
)
def test_a_sequence_with_gaps_is_reported(tmp_path: Path, numbers: list[int], said: str | None) -> None:
    for number in numbers:
        cv2.imwrite(str(tmp_path / f"f_{number:04d}.png"), disc(number % 6))
    with open_source(str(tmp_path)) as source:
        assert len(list(source)) == len(numbers)
        assert [said in line for line in source.warnings] == [True] if said else source.warnings == []


@pytest.mark.needs("ffmpeg")  # PyAV's wheel has no encoder of TrueHD and DTS
@pytest.mark.parametrize("name", ["b.mp4", "b.mkv"])
@pytest.mark.parametrize("codec", ["truehd", "dca"])
def test_truehd_and_dts_stay_in_mp4(tmp_path: Path, codec: str, name: str) -> None:
    plain, path = write(tmp_path / "plain.mp4", Recipe(frames(10))), str(tmp_path / "a.mp4")
    sound = ["-f", "lavfi", "-i", "sine=d=0.4:r=48000", "-ac", "2", "-c:a", codec, "-strict", "-2"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", plain, *sound, "-c:v", "copy", path], check=True, timeout=60)
    source = open_source(path)
    sink = open_sink(str(tmp_path / name), source)
    copy(source, sink)
    assert sink.warnings == []
    before, after = ([data for _, data in packets(file, "audio")] for file in (path, str(tmp_path / name)))
    assert before == after != []
