"""Inputs whose damage makes a plan of segments wrong: they are restored all the same, in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner
from media import Recipe, frames, packets, write

from vdeblur.cli import cli
from vdeblur.frames import Frame
from vdeblur.sources import open_source

EVERY = Fraction(1, 2)


def film(path: Path, codec: str) -> Path:
    """Forty seconds at two frames a second, in two or more segments."""
    shot = frames(80, pts=range(0, 80 * 40, 40), time_base=Fraction(1, 80))
    return Path(write(path, Recipe(shot, codec=codec, rate=1 / EVERY, options={"g": "5", "bf": "0"})))


def shift_stamps(path: Path, numbers: Sequence[int], seconds: int) -> None:
    """Move the presentation times of these pictures of a transport stream (ISO/IEC 13818-1, 2.4.3.7)."""
    data, at, places = bytearray(path.read_bytes()), 0, []
    while (at := data.find(b"\x00\x00\x01\xe0", at)) >= 0:
        if data[at + 7] & 0x80:
            places.append(at + 9)
        at += 4
    for place in (places[number] for number in numbers):
        a, b, c, d, e = data[place : place + 5]
        pts = (a >> 1 & 7) << 30 | b << 22 | c >> 1 << 15 | d << 7 | e >> 1
        pts += seconds * 90000
        fields = (a & 0xF0 | pts >> 29 & 0xE | 1, pts >> 22 & 0xFF, pts >> 14 & 0xFE | 1, pts >> 7 & 0xFF)
        data[place : place + 5] = bytes((*fields, pts << 1 & 0xFE | 1))
    path.write_bytes(data)


def restored(path: Path, code: int) -> tuple[list[Frame], str]:
    out = path.with_name("out.mkv")
    result = CliRunner().invoke(cli, [str(path), "-o", str(out), "-m", "unsharp", "--codec", "ffv1"])
    assert result.exit_code == code, result.stderr
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([path.name, "out.mkv"])
    with open_source(str(out)) as source:
        return list(source), result.stderr


@pytest.mark.parametrize(
    ("numbers", "seconds", "said"),
    [
        ([20], 60, "segments lack 1 frames"),  # ends up last among the packets, but not among the pictures
        (range(20, 30), 60, "gives none of the frames of its segment"),
        ([20], -60, "segments lack 1 frames"),
    ],
)
def test_times_that_damage_made_up(tmp_path: Path, numbers: Sequence[int], seconds: int, said: str) -> None:
    path = film(tmp_path / "in.ts", "mpeg2video")
    shift_stamps(path, numbers, seconds)
    after, stderr = restored(path, 0)
    assert len(after) == 80
    assert said in stderr
    assert "going on in one piece" in stderr
    assert "error" not in stderr


@pytest.mark.parametrize("numbers", [range(60, 80), range(30, 50)])
def test_a_segment_of_which_nothing_is_left(tmp_path: Path, numbers: range) -> None:
    path = film(tmp_path / "in.mkv", "libx264")
    payloads = [payload for _, payload in packets(str(path), "video")]
    data = path.read_bytes()
    for number in numbers:
        data = data.replace(payloads[number], bytes(len(payloads[number])))
    path.write_bytes(data)
    after, _ = restored(path, 6)
    assert len(after) >= 60
    assert after[-1].seconds >= 29
