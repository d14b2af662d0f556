"""Fields are parted before a network sees them, and nothing else is touched."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import field_coded
from support.interlacing import comb, interlaced, woven
from support.videos import YUV420, Recipe, frames, write
from vdeblur.frames import Frame
from vdeblur.media.h264_fields import FieldPairs
from vdeblur.media.options import SourceOptions
from vdeblur.media.sources import open_source
from vdeblur.media.video_source import VideoSource


def test_flagged_fields_are_separated_with_a_warning(tmp_path: Path) -> None:
    path = interlaced(tmp_path)
    with open_source(path, SourceOptions(deinterlace="off")) as source:
        before = list(source)
        assert "interlaced" in source.warnings[0]
    with open_source(path) as source:
        after = list(source)
        assert "bwdif" in source.warnings[0]
    assert [f.pts for f in after] == [f.pts for f in before] == [0, 40, 80, 200, 240, 300]
    assert after[0].layout == YUV420
    assert all(comb(b.planes[0]) > 10 * comb(a.planes[0]) for a, b in zip(after, before, strict=True))


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_progressive_frames_are_not_touched(tmp_path: Path, mode: str) -> None:
    path = write(tmp_path / "p.mkv", Recipe(frames(4, make=woven), codec="ffv1"))
    with open_source(path, SourceOptions(deinterlace=mode)) as source:
        got = list(source)
        assert source.warnings == []
    assert all(np.array_equal(f.planes[0], woven(YUV420, 64, 48, i)[0]) for i, f in enumerate(got))


def test_unflagged_fields_are_separated_on_request(tmp_path: Path) -> None:
    path = write(tmp_path / "p.mkv", Recipe(frames(4, make=woven), codec="ffv1"))
    with open_source(path, SourceOptions(deinterlace="bwdif")) as source:
        got = list(source)
    assert len(got) == 4
    assert all(comb(f.planes[0]) < comb(woven(YUV420, 64, 48, i)[0]) / 10 for i, f in enumerate(got))


# -- frames coded as two fields (PAFF) --------------------------------------------------------------------------------

CODED = {"all fields": range(0), "first fields": range(10, 20), "first frames": range(8), "all frames": range(30)}
"""Which of 30 frames are coded as frames."""


def coded(path: Path, how: str, apart: bool = False) -> tuple[str, list[Frame]]:
    given = frames(30, size=field_coded.SIZE)
    units = field_coded.access_units([frame.planes for frame in given], CODED[how])
    return field_coded.write(path, units, apart), given


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("how", CODED)
@pytest.mark.parametrize("name", ["a.ts", "a.mp4", "a.mov", "a.mkv", "a.nut", "a.avi"])
def test_two_coded_fields_are_one_frame(tmp_path: Path, name: str, how: str, apart: bool) -> None:
    """In one packet or two: second fields are neither lost frames nor counted as frames."""
    path, given = coded(tmp_path / name, how, apart)
    with open_source(path, SourceOptions(deinterlace="off")) as source:
        got = list(source)
        assert (source.damaged, source.concealed) == (False, 0)
        assert source.info.frame_rate == 25
        assert source.info.frames in (29, 30)  # (NUT states no duration of the last one)
    assert [f.pts * f.time_base for f in got] == [Fraction(n, 25) for n in range(30)]
    assert all(
        np.array_equal(a, b) for f, g in zip(given, got, strict=True) for a, b in zip(f.planes, g.planes, strict=True)
    )


@pytest.mark.parametrize("how", CODED)
def test_a_raw_stream_of_fields_is_as_fast_as_its_frames(tmp_path: Path, how: str) -> None:
    path, _ = coded(tmp_path / "a.h264", how)
    with open_source(path, SourceOptions(deinterlace="off")) as source:
        assert [f.pts * f.time_base for f in source] == [Fraction(n, 25) for n in range(30)]
        assert not source.damaged


@pytest.mark.parametrize("how", ["all fields", "first frames"])
def test_a_lost_frame_among_fields_is_still_recognised(tmp_path: Path, how: str) -> None:
    given = frames(30, size=field_coded.SIZE)
    units = field_coded.access_units([frame.planes for frame in given], CODED[how])
    units[20] = [unit[: len(unit) // 8] for unit in units[20]]
    with open_source(field_coded.write(tmp_path / "a.mp4", units, apart=True)) as source:
        assert len(list(source)) == 30
        assert source.damaged
        assert source.concealed >= 1


@pytest.mark.parametrize("apart", [False, True])
def test_segments_are_planned_by_frames_not_fields(tmp_path: Path, apart: bool) -> None:
    path, _ = coded(tmp_path / "a.mp4", "first fields", apart)
    with open_source(path) as source:
        assert isinstance(source, VideoSource)
        found = source.packet_times()
        assert found
        assert [pts * source.info.time_base for pts in found[0]] == [Fraction(n, 25) for n in range(30)]
        assert [pts * source.info.time_base for pts in sorted(found[1])] == [0, Fraction(12, 25), Fraction(24, 25)]


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_fields_are_searched_in_headers_with_any_damage(extradata: bytes, packet: bytes) -> None:
    for start in (b"\0\0\1\x67", b"\1\x64\0\x1f\xff\xe1\0\x40\x67"):
        pairs = FieldPairs(start + extradata)
        assert pairs.is_second(b"\0\0\1\x41" + packet) in (True, False)
        assert not FieldPairs(extradata[:3]).is_second(packet)
