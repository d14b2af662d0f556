"""Options of the command line that say how an input is read and restored, through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from support.commands import run
from support.interlacing import comb, interlaced
from support.networks import tiny
from support.videos import Recipe, frames, write
from vdeblur.backends.checkpoints import save
from vdeblur.frames import Frame
from vdeblur.media.options import SourceOptions
from vdeblur.media.sources import open_source

LOSSLESS = ("--codec", "ffv1", "-y")


def shown(path: Path) -> list[Frame]:
    with open_source(str(path), SourceOptions(deinterlace="off")) as source:
        return list(source)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = tiny("convlstm")
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save(path, network, "convlstm", network.state_dict(), {})
    return path


def test_tiles_give_the_same_image(tmp_path: Path, model: Path) -> None:
    clip = write(tmp_path / "in.mkv", Recipe(frames(4, size=(250, 130)), codec="ffv1"))
    results = {}
    for tile in ("0", "64", "auto"):
        result = run(clip, "-o", tmp_path / "out.mkv", "-m", model, "-d", "cpu", "--tile", tile, *LOSSLESS)
        assert result.exit_code == 0, result.stderr
        results[tile] = shown(tmp_path / "out.mkv")
    for tile in ("64", "auto"):
        for one, other in zip(results["0"], results[tile], strict=True):
            for a, b in zip(one.planes, other.planes, strict=True):
                assert int(np.abs(a.astype(int) - b).max()) <= 1


@pytest.mark.parametrize("tile", ["63", "-64", "big", "1.5", ""])
def test_other_tiles_are_refused(tmp_path: Path, tile: str) -> None:
    result = run("in.mkv", "--tile", tile)
    assert result.exit_code == 2
    assert "neither auto, 0 (no tiles) nor a side" in result.stderr


def test_fields_are_separated_by_default_and_kept_on_request(tmp_path: Path) -> None:
    clip = interlaced(tmp_path)
    out = tmp_path / "out.mkv"
    combs = {}
    for mode in ("auto", "off", "bwdif"):
        result = run(clip, "-o", out, "-m", "unsharp", "--strength", "0", "--deinterlace", mode, *LOSSLESS)
        assert result.exit_code == 0, result.stderr
        assert ("deinterlaced with bwdif" in result.stderr) == (mode != "off")
        combs[mode] = comb(shown(out)[1].planes[0])
    assert combs["off"] > 10 * combs["auto"]
    assert combs["off"] > 10 * combs["bwdif"]


def test_hardware_decoding_falls_back_to_software(tmp_path: Path) -> None:
    clip = write(tmp_path / "in.mkv", Recipe(frames(4)))
    results = {}
    for hwaccel in ("auto", "none"):
        words = ("-m", "unsharp", "--hwaccel", hwaccel, "--json", *LOSSLESS)
        result = run(clip, "-o", tmp_path / "out.mkv", *words)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["frames"] == 4
        results[hwaccel] = [f.planes[0].tobytes() for f in shown(tmp_path / "out.mkv")]
    assert results["auto"] == results["none"]
    result = run(clip, "-o", tmp_path / "out.mkv", "-m", "unsharp", "--hwaccel", "abacus", "-y")
    assert result.exit_code == 2
    assert "abacus: unknown hardware" in result.stderr


def test_a_container_is_named_for_input_and_output(tmp_path: Path) -> None:
    raw = tmp_path / "film"
    raw.write_bytes(Path(write(tmp_path / "in.h264", Recipe(frames(5), container="h264"))).read_bytes())
    words = ("--input-format", "h264", "-r", "50", "-f", "mkv", "-m", "unsharp")
    result = run(raw, "-o", tmp_path / "out.film", *words)
    assert result.exit_code == 0, result.stderr
    assert [f.seconds for f in shown(tmp_path / "out.film")] == [0, 0.02, 0.04, 0.06, 0.08]
    assert "unknown output format" in run(raw, "-o", tmp_path / "x.film", "-f", "papyrus", *words[:4]).stderr
    assert run(raw, "--input-format", "papyrus", "-m", "unsharp").exit_code in (2, 3)
