"""Any mixture of right and wrong words: one line for each fault, a known exit code, nothing half done."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.commands import ROOT, run
from support.videos import footage

CODES = {0, 2, 3, 4, 5}
"""Done, usage, input, device, output: a mixture of words is never an internal error."""

VALUES = {
    "--crf": ["0", "17", "51", "52", "-1", "nan", "inf", "1e9", "abc", ""],
    "--preset": ["fast", "placebo", "8", "warp", "", "-1", "ultra fast"],
    "--codec": ["h264", "libx265", "ffv1", "mjpeg", "vp9", "hvec", "aac", "", "rawvideo"],
    "--pix-fmt": ["yuv420p", "yuv444p10le", "gray", "rgb24", "yuv9", ""],
    "-e": ["tune=film", "tune=warp", "crf=99", "bogus=1", "x", "=1", "threads=1", "preset=8"],
    "--strength": ["0", "0.5", "1", "2", "-1", "nan"],
    "--ss": ["0", "0:00.1", "99", "-1", "1:60", "abc"],
    "--to": ["0.2", "0", "99"],
    "-t": ["0.1", "0", "99"],
    "--tile": ["auto", "0", "64", "63", "big"],
    "--views": ["1", "8", "9"],
    "--precision": ["auto", "fp32", "fp16", "int3"],
    "-d": ["cpu", "auto", "cuda:99", "tpu", ""],
    "-m": ["unsharp", "nlm", "fats", "missing.safetensors", "", "."],
    "--quality": ["draft", "best", "bets", ""],
    "--deinterlace": ["off", "bwdif", "on"],
    "--hwaccel": ["none", "auto", "abacus", ""],
    "-f": ["mkv", "mp4", "papyrus", ""],
    "-r": ["25", "30000/1001", "0", "fast"],
    "--only-blurred": ["auto", "3", "0", "x"],
    "--scene-cuts": ["off", "on"],
    "--compare": ["side", "split", "top"],
    "--preview": ["0.1", "0", "x"],
    "--threads": ["1", "0", "many"],
    "-o": ["out.mkv", "out.mp4", "out.webm", "out.txt", "out", "taken.mkv", "nowhere/out.mkv", "%03d.png", ".", ""],
}
WORDS: list[tuple[str, ...]] = [(flag, value) for flag, values in VALUES.items() for value in values]
WORDS += [("-y",), ("--json",), ("-q",), ("--dry-run",), ("--no-resume",), ("--keep-temp",), ("--frobnicate",)]
INPUTS = ["in.mkv", "in.mkv", "in.mkv", "missing.mp4", "text.mp4", ".", "", "inof"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage(tmp_path_factory.mktemp("clip") / "in.mkv", frames=10)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@given(name=st.sampled_from(INPUTS), words=st.lists(st.sampled_from(WORDS), max_size=5, unique_by=lambda word: word[0]))
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_any_command_line_ends_with_a_known_exit_code_and_leaves_nothing_incomplete(
    clip: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: list[tuple[str, ...]]
) -> None:
    with tempfile.TemporaryDirectory() as made, monkeypatch.context() as patch:
        folder = Path(made)
        patch.chdir(folder)
        (folder / "in.mkv").write_bytes(clip.read_bytes())
        (folder / "text.mp4").write_text("not a film\n" * 50)
        (folder / "taken.mkv").write_bytes(b"precious")
        before = contents(folder)
        flat = [part for word in words for part in word]
        model = [] if "-m" in flat or "--quality" in flat else ["-m", "unsharp"]
        result = run(name, *flat, *model)
        assert result.exit_code in CODES, result.stderr
        assert "Traceback" not in result.stderr
        assert "[error]" not in result.stderr
        after = contents(folder)
        assert {path: after.get(path) for path in before if path != "taken.mkv"} == {
            path: before[path] for path in before if path != "taken.mkv"
        }
        assert not [path for path in after if ".part" in path or ".vdeblur-" in path]
        if result.exit_code:
            assert after == before
            assert all(line.startswith("vdeblur: ") for line in result.stderr.splitlines())
            assert result.stderr.splitlines()[-1].startswith("vdeblur: error: ")


def test_the_example_of_presets_is_one_that_works(clip: Path, tmp_path: Path) -> None:
    import tomllib

    (tmp_path / "in.mkv").write_bytes(clip.read_bytes())
    example = ROOT / "examples" / "presets.toml"
    for name in tomllib.loads(example.read_text())["presets"]:
        out = tmp_path / f"{name}.mkv"
        words = ("-o", out, "--config", example, "--quality", name, "-m", "unsharp")
        result = run(tmp_path / "in.mkv", *words)
        assert result.exit_code == 0, result.stderr
        assert out.stat().st_size > 0
        assert name in run("presets", "--config", example).stdout
