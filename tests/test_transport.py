"""Transport streams that end before their time: what shows it is found, what does not is not made up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import ROOT
from support.videos import Recipe, frames, restless, write
from vdeblur.media.sources import open_source
from vdeblur.media.transport import truncation_of


def plain(data: bytes) -> bytes:
    return data


def timed(data: bytes) -> bytes:
    """Each packet behind four bytes of time, as Blu-ray has it."""
    return b"".join(bytes(4) + data[i : i + 188] for i in range(0, len(data), 188))


def with_parity(data: bytes) -> bytes:
    return b"".join(data[i : i + 188] + bytes(16) for i in range(0, len(data), 188))


KINDS = [(plain, 188), (timed, 192), (with_parity, 204)]
Kind = Callable[[bytes], bytes]


def stream(folder: Path, codec: str = "libx264", bframes: int | None = 2, audio: str | None = "ac3") -> bytes:
    recipe = Recipe(frames(60, make=restless), codec=codec, audio=audio, audio_seconds=2.3, options={"g": "15"})
    recipe.bframes = bframes
    return Path(write(folder / "in.ts", recipe)).read_bytes()


def told_of(path: Path) -> tuple[bool, list[str]]:
    with open_source(str(path)) as source:
        assert len(list(source)) > 20
        return source.damaged, source.warnings


@pytest.mark.parametrize(("kind", "size"), KINDS)
@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video"])
def test_a_stream_truncated_within_a_packet_is_recognised_and_a_complete_one_is_not(
    tmp_path: Path, codec: str, kind: Kind, size: int
) -> None:
    data = stream(tmp_path, codec)
    path = tmp_path / "in.m2ts"
    path.write_bytes(kind(data))
    assert told_of(path) == (False, [])
    for packets in (len(data) // 188 * 7 // 10, len(data) // 188 * 9 // 10):
        path.write_bytes(kind(data)[: packets * size + 100])
        damaged, warnings = told_of(path)
        assert damaged
        assert any("truncated, its last packet is incomplete" in warning for warning in warnings)


def places_of(data: bytes, first: int) -> list[int]:
    """Where PES packets of a stream id begin, as offsets of transport packets."""
    starts = range(0, len(data), 188)
    return [at for at in starts if data[at + 1] & 0x40 and bytes((0, 0, 1, first)) in data[at + 4 : at + 188]]


def test_an_incomplete_audio_packet(tmp_path: Path) -> None:
    data, path = stream(tmp_path), tmp_path / "cut.ts"
    path.write_bytes(data[: places_of(data, 0xBD)[-1] + 188])
    damaged, warnings = told_of(path)
    assert damaged
    assert "the last packet of one of its streams is incomplete" in warnings[-1]


def test_a_truncated_raw_stream_is_recognised_by_missing_reordered_frames(tmp_path: Path) -> None:
    data, path = stream(tmp_path, audio=None), tmp_path / "cut.ts"
    found = []
    for end in places_of(data, 0xE0)[-9:]:
        path.write_bytes(data[:end])
        damaged, warnings = told_of(path)
        found.append(damaged)
        assert damaged == any("frames are missing before its last one" in warning for warning in warnings)
    assert 4 <= sum(found) < 9  # with two B-frames in three, every third cut leaves no trace


def test_a_frame_without_stuffing_is_only_a_hint_of_truncation(tmp_path: Path) -> None:
    data, path = stream(tmp_path, bframes=0, audio=None), tmp_path / "cut.ts"
    long = next(a for a, b in zip(places_of(data, 0xE0)[30:], places_of(data, 0xE0)[31:], strict=False) if b - a > 999)
    path.write_bytes(data[: long + 188])
    assert truncation_of(path.read_bytes()) == (False, "its last frame may be incomplete")
    assert any("does not state its length" in warning for warning in told_of(path)[1])


@pytest.mark.parametrize("tail", [b"", b"G", bytes(5000), b"G" * 187, b"no transport stream at all" * 999])
def test_other_formats_are_not_judged_as_transport_streams(tail: bytes) -> None:
    assert truncation_of(tail) == (False, None)


def test_a_pipe_that_ends_early_is_recognised_too(tmp_path: Path) -> None:
    data = stream(tmp_path)
    command = [sys.executable, "-m", "vdeblur", "-", "-o", str(tmp_path / "out.mkv"), "-y", "-m", "unsharp"]
    for given, code in ((data, 0), (data[: len(data) * 8 // 10 // 188 * 188 + 100], 6)):
        done = subprocess.run(command, input=given, capture_output=True, cwd=ROOT, check=False)
        assert done.returncode == code, done.stderr
        assert (b"truncated" in done.stderr) == (code == 6)
