"""Inputs that people met trouble with, each as one of a kind: what a player shows comes out, or one clear line."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest

from support.videos import Recipe, copy, frames, write
from vdeblur.errors import InputError
from vdeblur.media.options import SinkOptions, SourceOptions
from vdeblur.media.sinks import open_sink
from vdeblur.media.sources import open_source

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
def test_an_avi_that_is_cut_short_is_still_noticed(tmp_path: Path, share: float) -> None:
    path = Path(with_empty_chunks(tmp_path / "a.avi", {3, 4}, 40))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    _, damaged, said = times(str(path))
    assert damaged
    assert ["cut short" in line for line in said] == [True]


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
def test_what_an_edit_list_hides_stays_hidden(tmp_path: Path, name: str, hidden: int, fragmented: bool) -> None:
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


def test_an_mp4_that_is_cut_short_is_still_noticed(tmp_path: Path) -> None:
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


def protected(path: Path, scheme: bytes, clear: int = 0) -> str:
    """An MP4 with common encryption; the first `clear` frames are not encrypted, as services leave a start."""
    options = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    }
    given = write(path.with_name("plain.mp4"), Recipe(frames(30), bframes=0, options={"g": "10"}))
    with av.open(given) as source, av.open(str(path), "w", container_options=options) as made:
        stream = made.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                made.mux(packet)
    data = bytearray(path.read_bytes())
    at = data.find(b"schm")
    data[at + 8 : at + 12] = scheme
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("scheme", [b"cenc", b"cbcs", b"cens", b"cbc1"])
def test_encrypted_files_are_refused_as_such(tmp_path: Path, scheme: bytes) -> None:
    path = protected(tmp_path / "a.mp4", scheme)
    with pytest.raises(InputError, match="is encrypted"), open_source(path) as source:
        list(source)
