"""The conformance matrix: what goes in, case by case, against what must come out with an identity restorer."""

from __future__ import annotations

import io
import itertools
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from support.cases import CASES, LAYOUTS, PQ, same_tags
from support.in_memory import distance
from support.needs import SHARED
from support.videos import Recipe, copy, frames, info_of, write
from vdeblur.frames import Color, Frame, Layout
from vdeblur.media.options import SinkOptions, SourceOptions
from vdeblur.media.sinks import open_sink
from vdeblur.media.sources import open_source
from vdeblur.media.video_sink import VideoSink
from vdeblur.media.video_source import VideoSource

YUV420 = Layout("yuv", 8, (1, 1))
SHARED_CLIPS = SHARED / "clips"


def with_planes_of_its_own(frame: Frame) -> Frame:
    """A frame as a restorer returns it: planes of its own, all else as it was."""
    return Frame(
        tuple(plane.copy() for plane in frame.planes),
        frame.layout,
        frame.color,
        frame.pts,
        frame.time_base,
        frame.duration,
        frame.origin,
    )


def streams_of(path: str) -> list[Any]:
    with av.open(path) as container:
        return [
            (s.type, s.metadata.get("language"), int(s.disposition), dict(s.metadata).get("filename"))
            for s in container.streams
        ]


@pytest.mark.parametrize("copies", [False, True], ids=["same planes", "new planes"])
@pytest.mark.parametrize("case", CASES)
def test_matroska_to_matroska(tmp_path: Path, case: str, copies: bool) -> None:
    path, out = write(tmp_path / "in.mkv", CASES[case]()), str(tmp_path / "out.mkv")
    with open_source(path) as source, open_sink(out, source, SinkOptions(codec="ffv1")) as sink:
        info, before = source.info, []
        for frame in source:
            before.append(frame)
            sink.write(with_planes_of_its_own(frame) if copies else frame)
        assert sink.warnings == source.warnings == []
    with open_source(out) as again:
        after = list(again)
        assert again.info.layout == info.layout
        assert again.info.color == info.color
        assert (again.info.sample_aspect_ratio or 1) == (info.sample_aspect_ratio or 1)
        assert again.info.rotation == info.rotation
        assert (again.info.width, again.info.height) == (info.width, info.height)
    assert len(after) == len(before) == len(CASES[case]().frames)
    assert all(distance(a, b) == 0 for a, b in zip(before, after, strict=True))
    assert all(
        abs(a.pts * a.time_base - b.pts * b.time_base) <= Fraction(1, 1000) for a, b in zip(before, after, strict=True)
    )
    assert streams_of(out) == streams_of(path)


@pytest.mark.parametrize("ratio", [Fraction(16, 11), Fraction(4, 3), Fraction(9, 16), Fraction(1234, 1233)])
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("o.mp4", "ffv1"),
        ("o.mp4", "vp9"),
        ("o.mov", "prores"),
        ("o.mkv", "h264"),
        ("o.mkv", "hevc"),
        ("o.mkv", "ffv1"),
        ("o.mkv", "vp9"),
        ("o.mkv", "av1"),
        ("o.mkv", "mjpeg"),
        ("o.mkv", "prores"),
        ("o.webm", "vp9"),
    ],
)
def test_the_shape_of_pixels_is_kept(tmp_path: Path, name: str, codec: str, ratio: Fraction) -> None:
    path, out = write(tmp_path / "in.mp4", Recipe(frames(2, size=(96, 48)), aspect=ratio)), str(tmp_path / name)
    with av.open(path) as container:
        titles = [dict(stream.metadata).get("title") for stream in container.streams]
    sink = open_sink(out, source := open_source(path), SinkOptions(codec=codec))
    copy(source, sink)
    assert source.info.sample_aspect_ratio == ratio
    assert info_of(out).sample_aspect_ratio == ratio
    assert sink.warnings == []
    with av.open(out) as container:
        assert [dict(stream.metadata).get("title") for stream in container.streams] == titles
        assert len(list(container.decode(video=0))) == 2


@pytest.mark.parametrize("container", ["mkv", "webm"])
def test_the_shape_of_pixels_goes_down_a_pipe(tmp_path: Path, container: str) -> None:
    path = write(tmp_path / "in.mp4", Recipe(frames(9), aspect=Fraction(16, 11), metadata={"title": "t" * 500}))
    pipe = io.BytesIO()
    with open_source(path) as source:
        options = SinkOptions(codec="vp9", container=container)
        with VideoSink(pipe, "pipe", source, options, source.info) as sink:
            for frame in source:
                sink.write(frame)
    (tmp_path / "out").write_bytes(pipe.getvalue())
    assert info_of(str(tmp_path / "out")).sample_aspect_ratio == Fraction(16, 11)
    with open_source(str(tmp_path / "out")) as again:
        assert len(list(again)) == 9


@pytest.mark.parametrize(("name", "codec"), [("o.nut", "ffv1"), ("o.avi", "mjpeg")])
def test_a_lost_shape_of_pixels_is_named(tmp_path: Path, name: str, codec: str) -> None:
    path = write(tmp_path / "in.mkv", Recipe(frames(2), aspect=Fraction(16, 11)))
    sink = open_sink(str(tmp_path / name), source := open_source(path), SinkOptions(codec=codec))
    copy(source, sink)
    assert "drops the pixel ratio 16:11" in sink.warnings[0]


@pytest.mark.parametrize("color", [Color(2, 2, 1, False), Color(2, 2, 2, True), Color(9, 2, 2, False), Color()])
@pytest.mark.parametrize("name", ["o.mp4", "o.mkv"])
def test_incomplete_colour_tags_stay_as_they_are(tmp_path: Path, color: Color, name: str) -> None:
    path, out = write(tmp_path / "in.mkv", Recipe(frames(2, color=color), codec="ffv1")), str(tmp_path / name)
    copy(source := open_source(path), open_sink(out, source, SinkOptions(codec="ffv1")))
    assert info_of(out).color == source.info.color == color


def test_a_resolution_change_in_the_middle_loses_no_frame(tmp_path: Path) -> None:
    parts = [
        write(tmp_path / f"{w}.h264", Recipe(frames(5, size=(w, h)), container="h264")) for w, h in [(64, 48), (96, 80)]
    ]
    joined = tmp_path / "joined.h264"
    joined.write_bytes(b"".join(Path(part).read_bytes() for part in parts))
    out = str(tmp_path / "o.mp4")
    sink = open_sink(out, source := open_source(str(joined)))
    before = copy(source, sink)
    assert [f.size for f in before] == [(64, 48)] * 5 + [(96, 80)] * 5
    assert any("changes size from" in warning for warning in sink.warnings)
    with open_source(out) as again:
        after = list(again)
    assert [f.size for f in after] == [(64, 48)] * 10
    assert [f.pts * f.time_base for f in after] == [f.pts * f.time_base for f in before]


H264_LAYOUTS = ["420 8 bit", "422 8 bit", "444 8 bit", "420 10 bit", "422 10 bit", "444 10 bit", "grey", "grey 10 bit"]


TAGGED = ["full range", "limited 601", "PQ", "variable rate", "rotation"]
WITH_OPUS = ["late start", "sound"]
"""Which MP4 holds and MOV does not."""


@pytest.mark.parametrize(
    ("case", "suffix"),
    [*itertools.product([*H264_LAYOUTS, *TAGGED], ["mp4", "mov"]), *itertools.product(WITH_OPUS, ["mp4"])],
)
def test_lossless_h264_in_mp4_has_exact_times(tmp_path: Path, case: str, suffix: str) -> None:
    path, out = write(tmp_path / "in.mkv", CASES[case]()), str(tmp_path / f"out.{suffix}")
    lossless = SinkOptions(codec="h264", encoder_options={"qp": "0"}, preset="ultrafast")
    before = copy(source := open_source(path), open_sink(out, source, lossless))
    with open_source(out) as again:
        after = list(again)
        assert same_tags(source.info.color, again.info.color)
        assert again.info.rotation == source.info.rotation
    if source.info.layout.model == "gray":  # H.264 decoders hand out grey with neutral chroma
        after = [replace(f, planes=f.planes[:1]) for f in after]
    assert [f.pts * f.time_base for f in after] == [f.pts * f.time_base for f in before]
    assert all(distance(a, b) == 0 for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("case", ["420 12 bit", "422 10 bit", "444 12 bit", "rgb", "rgb 10 bit", "PQ"])
def test_lossless_hevc(tmp_path: Path, case: str) -> None:
    path, out = write(tmp_path / "in.mkv", CASES[case]()), str(tmp_path / "out.mp4")
    lossless = SinkOptions(
        codec="hevc", encoder_options={"x265-params": "lossless=1:log-level=none"}, preset="ultrafast"
    )
    before = copy(source := open_source(path), open_sink(out, source, lossless))
    with open_source(out) as again:
        after = list(again)
        tagged = again.info.color
    assert all(distance(a, b) == 0 for a, b in zip(before, after, strict=True))
    assert tagged.matrix == source.info.color.matrix
    assert (tagged.primaries, tagged.transfer) == (source.info.color.primaries, source.info.color.transfer)


HDR10 = (
    "log-level=none:hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    ":max-cll=1000,400"
)


@pytest.mark.parametrize("codec", ["hevc", "av1", "h264", "ffv1"])
def test_hdr10_metadata_is_kept_or_its_loss_reported(tmp_path: Path, codec: str) -> None:
    made = Recipe(frames(2, Layout("yuv", 10, (1, 1)), color=PQ), codec="libx265", options={"x265-params": HDR10})
    path, out = write(tmp_path / "in.mkv", made), str(tmp_path / "out.mp4")
    sink = open_sink(out, source := open_source(path), SinkOptions(codec=codec))
    copy(source, sink)
    if codec == "ffv1":
        assert "HDR10" in sink.warnings[0]
        return
    with VideoSource(out, out, SourceOptions()) as again:
        found = again.side_data
    assert sink.warnings == []
    assert struct.unpack("=2I", found["CONTENT_LIGHT_LEVEL"]) == (1000, 400)
    numbers = struct.unpack("=20i", found["MASTERING_DISPLAY_METADATA"][:80])
    values = [n / d for n, d in zip(numbers[::2], numbers[1::2], strict=True)]
    written = [34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450]  # R, G, B, white point in 0.00002
    assert values[:8] == pytest.approx([v / 50000 for v in written], abs=1e-4)
    assert values[8:] == pytest.approx([0.005, 1000], abs=1e-3)  # cd/m2


@pytest.mark.parametrize(("name", "codec"), [("o.mkv", "ffv1"), ("o.mov", "prores"), ("o.webm", "vp9")])
def test_alpha_goes_through(tmp_path: Path, name: str, codec: str) -> None:
    made = Recipe(frames(2, LAYOUTS["yuv with alpha"]), codec="ffv1")
    path, out = write(tmp_path / "in.mkv", made), str(tmp_path / name)
    before = copy(source := open_source(path), open_sink(out, source, SinkOptions(codec=codec)))
    with open_source(out) as again:
        after = list(again)
    scale = 1 << again.info.layout.bits - 8
    assert again.info.layout.alpha
    for one, other in zip(before, after, strict=True):
        assert np.abs(one.planes[-1] - other.planes[-1] / scale).max() <= 8


@pytest.mark.needs("shared")
@pytest.mark.parametrize("clip", sorted(p.name for p in SHARED_CLIPS.glob("*")) if SHARED_CLIPS.is_dir() else [])
def test_odd_clips_pass_through(tmp_path: Path, clip: str) -> None:
    """The first 12 frames of each: nothing fails, times and tags hold, planes are those that were decoded."""
    out = str(tmp_path / "out.mkv")
    with open_source(str(SHARED_CLIPS / clip)) as source, open_sink(out, source, SinkOptions(codec="ffv1")) as sink:
        before = []
        for frame, _ in zip(source, range(12), strict=False):
            before.append(frame)
            sink.write(frame)
    with open_source(out) as again:
        after = list(again)
        assert same_tags(source.info.color, again.info.color)
        assert again.info.rotation == source.info.rotation
        assert (again.info.sample_aspect_ratio or 1) == (source.info.sample_aspect_ratio or 1)
    assert all(distance(a, b) == 0 for a, b in zip(before, after, strict=True))
    assert all(
        abs(a.pts * a.time_base - b.pts * b.time_base) <= Fraction(1, 1000) for a, b in zip(before, after, strict=True)
    )
