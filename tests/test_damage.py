"""Damaged input: what can be decoded is, gaps are bridged with the last good frame, and all of it is counted."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.container import InputContainer

from support.videos import Recipe, copy, frames, packets, restless, write
from vdeblur.errors import InputError
from vdeblur.media.options import SinkOptions, SourceOptions
from vdeblur.media.sinks import open_sink
from vdeblur.media.sources import open_source
from vdeblur.media.video_source import VideoSource

INTRA = {"g": "1"}
"""Every frame on its own: the loss of one costs no other."""


class Broken:
    """A container that can be read no further."""

    def __init__(self, container: InputContainer, error: Exception) -> None:
        self.format, self._error = container.format, error

    def demux(self) -> None:
        raise self._error


def made(folder: Path, name: str, codec: str, options: dict[str, str] | None = None, audio: str | None = None) -> Path:
    recipe = Recipe(frames(60, make=restless), codec=codec, options={"g": "15"} | (options or {}))
    recipe.audio, recipe.audio_seconds = audio, 2.3
    if codec == "libx264":
        recipe.bframes = 2
    return Path(write(folder / name, recipe))


def times(path: Path) -> tuple[list[Fraction], int, bool, list[str]]:
    with open_source(str(path)) as source:
        seconds = [f.pts * f.time_base for f in source]
        return seconds, source.concealed, source.damaged, source.warnings


def wipe(path: Path, numbers: range) -> None:
    """Fill the payloads of these pictures with zeros."""
    payloads = [data for _, data in packets(str(path), "video")]
    data = path.read_bytes()
    for number in numbers:
        data = data.replace(payloads[number], bytes(len(payloads[number])))
    path.write_bytes(data)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "codec", "options"), [("a.mkv", "libx264", {}), ("a.mp4", "libx264", {}), ("a.mp4", "libx264", INTRA)]
)
def test_flipped_bits_lose_no_frame_and_no_time_stamp(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], seed: int
) -> None:
    path = made(tmp_path, name, codec, options)
    whole = times(path)
    assert whole[1:] == (0, False, [])
    data, dice = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(12):
        data[dice.randrange(len(data) // 4, len(data) * 3 // 4)] ^= 1 << dice.randrange(8)
    path.write_bytes(data)
    seconds, concealed, damaged, _ = times(path)
    assert seconds == whole[0]
    assert concealed > 0
    assert damaged


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.mp4", "libx265"), ("a.ts", "libx264")])
def test_an_erased_stretch_is_concealed(tmp_path: Path, name: str, codec: str) -> None:
    path = made(tmp_path, name, codec)
    whole = times(path)[0]
    data = bytearray(path.read_bytes())
    start, length = len(data) // 2, len(data) // 20
    data[start : start + length] = bytes(length)
    path.write_bytes(data)
    seconds, concealed, damaged, _ = times(path)
    assert len(seconds) == len(whole)
    assert max(abs(a - b) for a, b in zip(seconds, whole, strict=True)) <= Fraction(1, 100)
    assert concealed > 0
    assert damaged


def test_a_lost_frame_is_concealed_by_the_last_good_one(tmp_path: Path) -> None:
    path = made(tmp_path, "a.mkv", "libx264", INTRA)
    wipe(path, range(7, 8))
    with open_source(str(path)) as source:
        got = list(source)
        assert source.concealed == 1
    assert all(np.array_equal(a, b) for a, b in zip(got[6].planes, got[7].planes, strict=True))
    assert not np.array_equal(got[7].planes[0], got[8].planes[0])


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.mkv", "ffv1"), ("a.avi", "mpeg4")])
def test_a_file_that_ends_early_gives_its_frames_and_a_warning(tmp_path: Path, name: str, codec: str) -> None:
    path = made(tmp_path, name, codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    seconds, _, damaged, warnings = times(path)
    assert 5 < len(seconds) < 60
    assert damaged
    assert len(warnings) == 1
    assert "truncated" in warnings[0]


def test_audio_stays_in_sync_over_concealed_frames(tmp_path: Path) -> None:
    path = made(tmp_path, "a.mkv", "libx264", INTRA, audio="libopus")
    sound = packets(str(path), "audio")
    wipe(path, range(20, 25))
    out = str(tmp_path / "o.mkv")
    copy(source := open_source(str(path)), open_sink(out, source, SinkOptions(codec="ffv1")))
    assert source.concealed == 5
    assert packets(out, "audio") == sound
    assert [t for t, _ in packets(out, "video")] == [Fraction(i, 25) for i in range(60)]


@pytest.mark.parametrize("error", [av.InvalidDataError(1, "damaged"), IndexError("a stream that is not there")])
def test_a_container_that_breaks_behind_the_last_wanted_frame(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames are whole, and so is the sound up to there: it is damage, not an error."""
    path = made(tmp_path, "in.mkv", "libx264", audio="aac")
    with open_source(str(path), SourceOptions(end_seconds=0.6)) as source:
        assert isinstance(source, VideoSource)
        source.keep({stream.index for stream in source.others})
        reader = source._reader
        given = iter(source)
        read = [next(given)]
        monkeypatch.setattr(reader, "container", Broken(reader.container, error))
        read += given
        assert (len(read), source.damaged) == (15, True)


def test_damaged_side_data_costs_no_frame(tmp_path: Path) -> None:
    path, mp4, out = (
        write(tmp_path / "a.mkv", Recipe(frames(10), subtitles="ass")),
        tmp_path / "b.mp4",
        tmp_path / "c.mkv",
    )
    copy(source := open_source(path), open_sink(str(mp4), source))
    shown = next(data for _, data in packets(str(mp4), "subtitle") if b"one" in data)
    mp4.write_bytes(mp4.read_bytes().replace(shown, b"\xff" * len(shown)))  # it claims more text than there is
    sink = open_sink(str(out), source := open_source(str(mp4)), SinkOptions(codec="ffv1"))
    assert len(copy(source, sink)) == 10
    assert source.damaged
    assert any("damaged text of subtitle stream 1" in warning for warning in sink.warnings)
    assert len(packets(str(out), "video")) == 10
    assert [text for _, text in packets(str(out), "subtitle") if b"two" in text]


@pytest.mark.parametrize("seed", [*range(20), 813, 1030])  # the last two once named a codec that does not exist
def test_any_damage_ends_in_frames_or_a_one_line_error(tmp_path: Path, seed: int) -> None:
    """Truncate, flip, splice, repeat: a seeded fuzzer over small files of several containers."""
    dice = random.Random(seed)
    name, codec = dice.choice([("a.mkv", "libx264"), ("a.mp4", "libx264"), ("a.ts", "mpeg2video"), ("a.avi", "mpeg4")])
    path = Path(write(tmp_path / name, Recipe(frames(15, make=restless), codec=codec)))
    data = bytearray(path.read_bytes())
    for _ in range(dice.randrange(1, 4)):
        at, to = sorted(dice.randrange(len(data)) for _ in range(2))
        kind = dice.choice(["cut", "flip", "wipe", "splice", "repeat"])
        if kind == "cut":
            del data[max(to, 200) :]
        elif kind == "flip":
            for _ in range(20):
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        elif kind == "wipe":
            data[at : at + 300] = bytes(len(data[at : at + 300]))
        elif kind == "splice":
            del data[at : min(to, at + 2000)]
        else:
            data[at:at] = data[at : min(to, at + 2000)]
    path.write_bytes(data)
    out = tmp_path / "o.mkv"
    try:
        passed = copy(source := open_source(str(path)), open_sink(str(out), source, SinkOptions(codec="ffv1")))
    except InputError as refusal:
        problems = [part for part in ("\n", "Traceback") if part in str(refusal)] + [str(out)] * out.exists()
    else:
        problems = [] if [f.pts for f in passed] == sorted({f.pts for f in passed}) else ["pts do not rise"]
        problems += [] if len(packets(str(out), "video")) == len(passed) else ["frames are lost"]
    assert not problems


def test_another_video_stream_that_is_damaged_is_kept_as_it_is(tmp_path: Path) -> None:
    """What was written is read again, but for what was copied."""
    path, out = tmp_path / "a.mkv", str(tmp_path / "b.mkv")
    with av.open(str(path), "w") as made:
        streams: list[Any] = [made.add_stream("mpeg2video", rate=25) for _ in range(2)]
        for stream, size in zip(streams, [(64, 48), (96, 64)], strict=True):
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for stream in streams:
            for packet in stream.encode(av.VideoFrame(stream.width, stream.height, "yuv420p")) + stream.encode(None):
                if stream is streams[0]:
                    damaged = av.Packet(bytes(len(bytes(packet))))
                    damaged.stream, damaged.pts, damaged.dts = stream, packet.pts, packet.dts
                    damaged.time_base, packet = packet.time_base, damaged
                made.mux(packet)
    source = open_source(str(path))
    assert (source.info.width, source.info.height) == (96, 64)
    assert len(copy(source, open_sink(out, source, SinkOptions(codec="ffv1")))) == 1
    with open_source(out) as again:
        assert len(list(again)) == 1
