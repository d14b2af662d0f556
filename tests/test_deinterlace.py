"""Fields are parted before a network sees them, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.interlacing import comb, interlaced, woven
from support.videos import YUV420, Recipe, frames, write
from vdeblur.media.options import SourceOptions
from vdeblur.media.sources import open_source


def test_flagged_fields_are_parted_and_it_is_said(tmp_path: Path) -> None:
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


def test_unflagged_fields_are_parted_on_request(tmp_path: Path) -> None:
    path = write(tmp_path / "p.mkv", Recipe(frames(4, make=woven), codec="ffv1"))
    with open_source(path, SourceOptions(deinterlace="bwdif")) as source:
        got = list(source)
    assert len(got) == 4
    assert all(comb(f.planes[0]) < comb(woven(YUV420, 64, 48, i)[0]) / 10 for i, f in enumerate(got))
