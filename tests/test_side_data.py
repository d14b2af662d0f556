"""What frames carry beside their samples: kept where the encoder can, named in a warning where it cannot."""

from __future__ import annotations

import gc
import struct
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.sidedata.sidedata import Type
from hypothesis import given
from hypothesis import strategies as st

from support import sei
from support.videos import Recipe, copy, frames, packets
from support.videos import write as write_clip
from vdeblur.frames import Layout
from vdeblur.media.mp4_boxes import dolby_vision_box
from vdeblur.media.options import SinkOptions
from vdeblur.media.probe import probe
from vdeblur.media.probe_text import to_text
from vdeblur.media.sei import RPU, Message, carried_by, is_encoder_info, messages_of, with_messages
from vdeblur.media.side_data import DESCRIPTIONS, NEW_NAMES, SideData, kinds
from vdeblur.media.sinks import open_sink
from vdeblur.media.sources import open_source
from vdeblur.media.video_sink import PROGRESSIVE

ENCODERS = ["libx264", "libx265", "mpeg2video", "libsvtav1", "libvpx-vp9", "ffv1", "prores_ks", "mjpeg"]
FAST = {"libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": "12"}


def passed(path: str, out: Path, codec: str) -> tuple[list[str], set[str]]:
    """What was said, and what the frames of the output carry."""
    source = open_source(path)
    sink = open_sink(str(out), source, SinkOptions(codec=codec, preset=FAST.get(codec)))
    copy(source, sink)
    with av.open(str(out)) as container:
        reader = SideData()
        found = set().union(*(kinds(reader.of(frame)) for frame in container.decode(video=0)))
    return sink.warnings, found


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("kind", sei.MESSAGES)
def test_every_kind_of_stream_is_kept_or_reported(tmp_path: Path, kind: str, encoder: str) -> None:
    hevc = kind in sei.HEVC_ONLY
    path = sei.write(tmp_path / ("a.hevc" if hevc else "a.h264"), "libx265" if hevc else "libx264", [kind])
    with open_source(path) as source:
        assert kind in source.side_data  # type: ignore[attr-defined]
    said, found = passed(path, tmp_path / "out.mkv", encoder)
    named = [line for line in said if f"the {DESCRIPTIONS[kind]} of the source: dropped" in line]
    assert (kind in found) != bool(named), (said, found)
    assert len(named) <= 1


@pytest.mark.parametrize(("codec", "suffix"), [("libx265", "mp4"), ("libx265", "mkv"), ("prores_ks", "mov")])
def test_a_stream_that_says_it_is_progressive_still_does(tmp_path: Path, codec: str, suffix: str) -> None:
    def field_order(path: Path) -> int:
        with av.open(str(path)) as container:
            return container.streams.video[0].codec_context.field_order

    source, out = tmp_path / f"a.{suffix}", tmp_path / f"out.{suffix}"
    with av.open(str(source), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"x265-params": "log-level=none"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.codec_context.field_order = 64, 48, PROGRESSIVE
        stream.pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame(64, 48, stream.pix_fmt)))
        container.mux(stream.encode(None))
    assert field_order(source) == PROGRESSIVE
    passed(str(source), out, codec)
    assert field_order(out) == PROGRESSIVE


def test_hdr10_and_captions_survive_in_hevc(tmp_path: Path) -> None:
    path = sei.write(tmp_path / "a.h264", "libx264", ["A53_CC"])
    said, found = passed(path, tmp_path / "out.mp4", "libx265")
    assert "A53_CC" in found
    assert not said


def test_side_data_that_starts_later_is_reported_too(tmp_path: Path) -> None:
    path = sei.write(tmp_path / "a.h264", "libx264", ["A53_CC", "AFD"], first=4)
    said, _ = passed(path, tmp_path / "out.mkv", "ffv1")
    assert [line.partition("carry the ")[2] for line in said] == [
        "active format description of the source: dropped",
        "closed captions of the source: dropped",
    ]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_side_data_stays_with_its_frame(tmp_path: Path, codec: str) -> None:
    """Also where the encoder codes frames in another order, and where the messages begin later."""
    data = b""
    for number in range(12):
        words = sei.USER_DATA[:16] + bytes([number]) * 3 + b"\0\0\1\0\0\0"  # with what has to be escaped
        data += sei.encoded("libx265", [(5, words)] if number > 3 else [], count=1)
    path, out = tmp_path / "a.hevc", str(tmp_path / "out.mkv")
    path.write_bytes(data)
    source = open_source(str(path))
    sink = open_sink(out, source, SinkOptions(codec=codec, preset="medium"))
    with source, sink:
        for frame in source:
            planes: Any = tuple(plane >> 1 for plane in frame.planes)
            sink.write(replace(frame, planes=planes))
    assert sink.warnings == []
    with av.open(out) as container:
        reader = SideData()
        found = [reader.of(frame).get("SEI_UNREGISTERED") for frame in container.decode(video=0)]
    assert [None if said is None else said[16] for said in found] == [None] * 4 + list(range(4, 12))
    assert all(said is None or said[19:] == b"\0\0\1\0\0\0" for said in found)


@pytest.mark.parametrize("container", ["a.mp4", "a.mkv", "a.ts"])
def test_messages_are_read_from_every_container(tmp_path: Path, container: str) -> None:
    """Some put a length before each unit, some a start code."""
    kinds = ["DYNAMIC_HDR_PLUS", "AMBIENT_VIEWING_ENVIRONMENT", "S12M_TIMECODE"]
    raw = sei.write(tmp_path / "a.hevc", "libx265", kinds)
    for path, out in ((raw, container), (str(tmp_path / container), "out.mp4")):
        said, found = passed(path, tmp_path / out, "libx265")
        assert (said, found) == ([], set(kinds))


def test_a_dolby_vision_unit_follows_the_slices() -> None:
    """Its payload is not looked into, so any will do."""
    rpu = Message(RPU, b"\x19\x08\x09" + bytes(range(1, 60)) + b"\x80")
    stream = sei.encoded("libx265", [], count=1)
    ridden = with_messages(stream, (rpu,), "hevc")
    assert ridden.startswith(stream)
    assert messages_of(ridden, "hevc", None) == (rpu,)
    assert with_messages(stream, (rpu,), "h264") == stream
    assert carried_by((rpu,), "hevc") == {"DOVI_RPU_BUFFER", "DOVI_METADATA"}


@given(st.binary(max_size=300), st.sampled_from(["h264", "hevc"]), st.sampled_from([None, bytes([1]) + bytes(40)]))
def test_side_data_is_searched_in_packets_with_any_damage(data: bytes, codec: str, extradata: bytes | None) -> None:
    for message in messages_of(data, codec, extradata):
        assert isinstance(message.payload, bytes)


@given(st.binary(min_size=16, max_size=700))
def test_any_user_data_comes_back_as_it_was(data: bytes) -> None:
    message = Message(5, data)
    for codec in ("h264", "hevc"):
        expected = () if is_encoder_info(data) else (message,)
        assert messages_of(with_messages(b"", (message,), codec), codec, None) == expected


def test_a_frame_that_changes_keeps_what_it_carries(tmp_path: Path) -> None:
    """Also where it comes out of the decoder in an order that is not the encoder's."""
    source = open_source(sei.write(tmp_path / "a.h264", "libx264", ["A53_CC"]))
    sink = open_sink(str(tmp_path / "out.mp4"), source, SinkOptions(codec="libx264"))
    with source, sink:
        for frame in source:
            planes: Any = tuple(plane >> 1 for plane in frame.planes)
            sink.write(replace(frame, planes=planes))
    with av.open(str(tmp_path / "out.mp4")) as container:
        reader = SideData()
        assert all("A53_CC" in reader.of(frame) for frame in container.decode(video=0))


@pytest.mark.parametrize("number", [*NEW_NAMES, 200])
def test_types_that_pyav_does_not_know_have_a_name(number: int) -> None:
    value: object = Type(number).value
    assert value == number
    assert Type(number) is Type(number)
    assert Type(number).name == NEW_NAMES.get(number, "TYPE_200")


def exif(path: Path) -> str:
    """Motion JPEG with an Exif segment in every frame, of the same file size as without it: a comment's place."""
    source = Path(write_clip(path.with_name("plain.avi"), Recipe(frames(4), codec="mjpeg", options={"strict": "-1"})))
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0], opaque=True)
        segment = b"Exif\0\0" + b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"  # turned by 90 degrees
        for packet in given.demux(video=0):
            if packet.size:
                data = bytes(packet)
                data = data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:]
                changed = av.Packet(data)
                changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
                changed.stream, changed.is_keyframe = stream, True
                made.mux(changed)
    return str(path)


@pytest.mark.parametrize("name", ["a.avi", "a.mov", "a.mkv"])
def test_exif_in_motion_jpeg_ends_no_job(tmp_path: Path, name: str) -> None:
    said, _ = passed(exif(tmp_path / name), tmp_path / "out.mkv", "libx264")
    assert [line for line in said if "Exif metadata" in line]


def test_info_shows_what_the_first_frame_carries(tmp_path: Path) -> None:
    assert "side data Exif metadata" in to_text(probe(exif(tmp_path / "a.mov")))
    path = sei.write(tmp_path / "a.h264", "libx264", ["A53_CC", "AFD"])
    assert probe(path).side_data == ("active format description", "closed captions")


def test_reading_side_data_keeps_no_frame_alive(tmp_path: Path) -> None:
    """PyAV keeps side data in a cycle with its frame: read off that, it would be held until a collection."""
    with av.open(sei.write(tmp_path / "a.h264", "libx264", ["A53_CC"])) as container:
        decoded = list(container.decode(video=0))
    reader = SideData()
    gc.collect()
    gc.disable()
    try:
        # Threads of other tests may still hold frames of theirs.
        known = decoded + [thing for thing in gc.get_objects() if type(thing) is av.VideoFrame]
        for frame in decoded:
            reader.of(frame)
        collected = [thing for thing in gc.get_objects() if type(thing) is av.VideoFrame]
        assert all(thing.width <= 8 or thing in known for thing in collected)
    finally:
        gc.enable()


@pytest.mark.parametrize("size", [(64, 262_192), (400_000, 16), (1, 1)])
def test_frames_of_any_shape_are_looked_at(size: tuple[int, int]) -> None:
    """As damaged headers claim them; swscale does not make them tiny in one step."""
    assert SideData().of(av.VideoFrame(*size, "gray")) == {}


# -- what MP4 and MOV say of a track ----------------------------------------------------------------------------------


def box(kind: bytes, *fields: bytes) -> bytes:
    body = b"".join(fields)
    return struct.pack(">I", 8 + len(body)) + kind + body


def described(path: str, boxes: bytes) -> str:
    """Put boxes at the end of the first track's sample entry of an MP4 whose index is its last box."""
    data = bytearray(Path(path).read_bytes())
    entry = max(data.find(kind) for kind in (b"avc1\0\0\0\0", b"hvc1\0\0\0\0", b"hev1\0\0\0\0")) - 4
    (length,) = struct.unpack_from(">I", data, entry)
    data[entry + length : entry + length] = boxes
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        place = data.find(kind, data.find(b"moov")) - 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + len(boxes))
    struct.pack_into(">I", data, entry, length + len(boxes))
    Path(path).write_bytes(data)
    return path


NONE = bytes(4)  # version and flags
POSE = box(b"prhd", NONE, struct.pack(">3i", 10 << 16, -20 << 16, 5 << 16))
PROJECTIONS = {
    "equirectangular": box(b"equi", NONE, bytes(16)),
    "a part of the sphere": box(b"equi", NONE, struct.pack(">4I", 1 << 30, 1 << 30, 1 << 29, 1 << 29)),
    "cube map": box(b"cbmp", NONE, struct.pack(">2I", 0, 4)),
}


def views(path: str) -> dict[str, bytes]:
    with open_source(path) as source:
        found: dict[str, bytes] = source.side_data  # type: ignore[attr-defined]
    return {kind: found[kind] for kind in ("SPHERICAL", "STEREO3D") if kind in found}


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("stereo", [None, 0, 1, 2])
@pytest.mark.parametrize("name", ["b.mp4", "b.mov"])
def test_a_sphere_stays_one_in_mp4(tmp_path: Path, name: str, stereo: int | None, projection: str) -> None:
    """By FFmpeg's reading of Spherical Video V2."""
    sphere = box(b"sv3d", box(b"svhd", NONE, b"\0"), box(b"proj", POSE, PROJECTIONS[projection]))
    seen = b"" if stereo is None else box(b"st3d", NONE, bytes([stereo]))
    path = described(write_clip(tmp_path / "a.mp4", Recipe(frames(4))), seen + sphere)
    given = views(path)
    assert "SPHERICAL" in given
    said, _ = passed(path, tmp_path / name, "libx265")
    assert said == []
    assert views(str(tmp_path / name)) == given


@pytest.mark.parametrize("name", ["b.mkv", "b.ts"])
def test_a_sphere_that_is_lost_is_named(tmp_path: Path, name: str) -> None:
    sphere = box(b"sv3d", box(b"svhd", NONE, b"\0"), box(b"proj", POSE, PROJECTIONS["equirectangular"]))
    path = described(write_clip(tmp_path / "a.mp4", Recipe(frames(4))), sphere)
    said, _ = passed(path, tmp_path / name, "libx264")
    assert ["spherical projection of the source is dropped" in line for line in said] == [True]


DOLBY_VISION = box(b"dvvC", struct.pack(">BBH", 1, 0, 8 << 9 | 2 << 3 | 0b101), bytes([4 << 4]), bytes(19))
SECOND_LAYER = box(b"dvcC", struct.pack(">BBH", 1, 0, 7 << 9 | 2 << 3 | 0b111), bytes([6 << 4]), bytes(19))


ANY_RPU = Message(RPU, b"\x19\x08\x09" + bytes(range(1, 60)) + b"\x80")


def dolby_vision(path: Path, said: bytes) -> str:
    raw = path.with_suffix(".hevc")
    units = [sei.encoded("libx265", [], count=1) for _ in range(4)]
    raw.write_bytes(b"".join(with_messages(unit, (ANY_RPU,), "hevc") for unit in units))
    with av.open(str(raw)) as given, av.open(str(path), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0], opaque=True)
        for number, packet in enumerate(p for p in given.demux(video=0) if p.size):
            packet.stream, packet.pts, packet.dts = stream, number * 40, number * 40
            packet.time_base = Fraction(1, 1000)
            made.mux(packet)
    return described(str(path), said)


@pytest.mark.parametrize("said", [DOLBY_VISION, SECOND_LAYER, b""])
@pytest.mark.parametrize("name", ["b.mp4", "b.mov", "b.mkv"])
def test_what_an_mp4_says_of_dolby_vision_is_kept_or_named(tmp_path: Path, name: str, said: bytes) -> None:
    path, out = dolby_vision(tmp_path / "a.mp4", said), tmp_path / name
    warned, _ = passed(path, out, "libx265")
    with av.open(str(out)) as container:
        extradata = container.streams.video[0].codec_context.extradata
    assert [messages_of(data, "hevc", extradata) for _, data in packets(str(out), "video")] == [(ANY_RPU,)] * 4
    is_kept = said == DOLBY_VISION and name != "b.mkv"
    assert ["Dolby Vision description in the container is dropped" in line for line in warned] == [True] * (not is_kept)
    assert (DOLBY_VISION in out.read_bytes()) == is_kept


@given(st.binary(max_size=300), st.integers(0, 3))
def test_an_index_with_any_damage_can_be_read(data: bytes, track: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.mp4")
        path.write_bytes(box(b"moov", box(b"trak", data)) + data)
        assert dolby_vision_box(str(path), track) is None


DISPLAYS = {
    "usual": "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)",
    "dark": "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(1000,50)",
    "no luminance": "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(0,0)",
    "no primaries": "G(0,0)B(0,0)R(0,0)WP(0,0)L(10000000,50)",
}


@pytest.mark.parametrize("display", DISPLAYS)
def test_mastering_data_is_kept_as_it_is_given(tmp_path: Path, display: str) -> None:
    params = f"log-level=none:master-display={DISPLAYS[display]}:max-cll=1000,400"
    recipe = Recipe(frames(4, Layout("yuv", 10, (1, 1))), codec="libx265", options={"x265-params": params})
    path = write_clip(tmp_path / "a.mp4", recipe)
    source: Any = open_source(path)
    given = source.side_data["MASTERING_DISPLAY_METADATA"], source.side_data["CONTENT_LIGHT_LEVEL"]
    copy(source, open_sink(str(tmp_path / "b.mp4"), source, SinkOptions(codec="libx265", preset="ultrafast")))
    again: Any = open_source(str(tmp_path / "b.mp4"))
    assert (again.side_data["MASTERING_DISPLAY_METADATA"], again.side_data["CONTENT_LIGHT_LEVEL"]) == given
    again.close()
