"""`vdeblur INPUT...`: several inputs are a batch, and words that are no inputs are understood."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.commands import run
from support.videos import count_frames, footage

FILTER = ("-m", "unsharp")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two videos and something that is none."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.mp4", "b.mkv"):
        footage(folder / name, frames=10)
    (folder / "bad.mp4").write_text("not a film\n" * 50)
    return folder


def test_several_inputs_are_written_next_to_themselves_and_one_failure_does_not_stop_the_others(folder: Path) -> None:
    inputs = sorted(folder.iterdir())
    result = run(*inputs, *FILTER)
    assert result.exit_code == 7
    assert "bad.mp4" in result.stderr
    assert "2 restored, 1 failed" in result.stderr
    shown = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    assert shown == ["a.deblur.mp4", "a.mp4", "b.deblur.mkv", "b.mkv", "bad.mp4"]
    assert count_frames(folder / "a.deblur.mp4") == count_frames(folder / "b.deblur.mkv") == 10


def test_the_same_command_resumes_and_does_not_take_outputs_as_inputs(folder: Path) -> None:
    (folder / "bad.mp4").unlink()
    assert run(*folder.glob("*.m*"), *FILTER).exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.deblur.*")}
    again = run(*folder.glob("*.m*"), *FILTER)  # the shell's pattern now holds the outputs as well
    assert again.exit_code == 0
    assert "2 already done" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.deblur.*")} == before


def test_inputs_of_several_folders_leave_nothing_in_the_one_that_these_share(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    other = tmp_path / "other"
    other.mkdir()
    (folder / "b.mkv").rename(other / "b.mkv")
    words = (folder / "a.mp4", other / "b.mkv", *FILTER)
    assert run(*words).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "in", "other"]
    assert [count_frames(path) for path in (folder / "a.deblur.mp4", other / "b.deblur.mkv")] == [10, 10]
    assert "2 already done" in run(*words).stderr
    assert sorted(path.name for path in other.iterdir()) == ["b.deblur.mkv", "b.mkv"]


def test_the_disk_of_each_output_is_checked(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "full").mkdir()
    (folder / "b.mkv").rename(tmp_path / "full" / "b.mkv")
    real = shutil.disk_usage

    def usage(path: Path) -> Any:
        return real(path)._replace(free=0 if Path(path).name == "full" else 1 << 50)

    monkeypatch.setattr("vdeblur.batch.scheduler.shutil.disk_usage", usage)
    result = run(folder / "a.mp4", tmp_path / "full" / "b.mkv", *FILTER)
    assert result.exit_code == 5
    assert f"{tmp_path / 'full'}: 0 kB free" in result.stderr


def test_a_folder_takes_them_all_with_a_report(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(folder / "a.mp4", folder / "b.mkv", "-o", out, *FILTER, "--ss", "0.2", "-t", "0.16", "--json")
    assert result.exit_code == 0, result.stderr
    assert [file["frames"] for file in json.loads(result.stdout)["files"]] == [4, 4]
    assert {path.name for path in out.iterdir()} == {".vdeblur-batch", "a.mp4", "b.mkv", "report.json", "report.html"}


@pytest.mark.parametrize("option", ["--no-resume", "--keep-temp"])
def test_options_that_a_batch_cannot_follow_are_refused(folder: Path, option: str) -> None:
    result = run(*folder.iterdir(), *FILTER, option)
    assert (result.exit_code, option in result.stderr) == (2, True)
    assert not list(folder.glob("*.deblur.*"))


def test_outputs_of_others_are_kept_unless_overwriting_is_requested(folder: Path) -> None:
    (folder / "a.deblur.mp4").write_bytes(b"precious")
    words = (folder / "a.mp4", folder / "b.mkv", *FILTER)
    result = run(*words)
    assert "1 left alone" in result.stderr
    assert (folder / "a.deblur.mp4").read_bytes() == b"precious"
    assert run(*words, "-y").exit_code == 0
    assert count_frames(folder / "a.deblur.mp4") == 10


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("a.mp4", "out.mp4"), 3, 'did you mean "-o out.mp4"?'),
        (("inof", "a.mp4"), 3, 'did you mean "info"?'),
        (("bacth", "a.mp4", "-o", "out"), 3, 'did you mean "batch"?'),
        (("a.mp4", "b.mkv", "missing.mp4"), 3, "missing.mp4: no such file"),
        (("a.mp4", "b.mkv", "-o", "out.mp4"), 2, "not a folder"),
        (("a.mp4", "b.mkv", "-o", "-"), 2, "pipe"),
        (("-", "b.mkv"), 2, "pipe"),
        (("a.mp4", "b.mkv", "--frobnicate"), 2, "--frobnicate"),
        (("a.mp4", "--modle", "fast"), 2, "--model"),
    ],
)
def test_a_misspelt_option_gets_a_suggestion_and_writes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    result = run(*words)
    assert result.exit_code == code
    (line,) = result.stderr.splitlines()
    assert said in line
    assert sorted(folder.iterdir()) == before


def test_the_last_line_states_both_sizes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    result = run(folder / "a.mp4", "-o", out, *FILTER, "--codec", "ffv1", "--json")
    said = json.loads(result.stdout)
    assert (said["output_bytes"], said["input_bytes"]) == (out.stat().st_size, (folder / "a.mp4").stat().st_size)
    kilobytes = [max(round(size / 1000), 1) for size in (said["output_bytes"], said["input_bytes"])]
    assert f"; {kilobytes[0]} kB (input: {kilobytes[1]} kB)" in result.stderr


def test_the_batchs_last_line_sums_the_sizes_of_what_it_made(folder: Path) -> None:
    inputs = [folder / "a.mp4", folder / "b.mkv"]
    result = run(*inputs, *FILTER)
    outputs = [folder / "a.deblur.mp4", folder / "b.deblur.mkv"]
    made, given = (max(round(sum(path.stat().st_size for path in paths) / 1000), 1) for paths in (outputs, inputs))
    assert f"2 restored; 20 frames restored; {made} kB (inputs: {given} kB)" in result.stderr
