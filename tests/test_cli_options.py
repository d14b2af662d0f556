"""Options that several commands share: declared once, they mean the same everywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import Result

from support.commands import ROOT, run
from support.videos import Recipe, count_frames, footage, frames, write
from vdeblur.cli import cli
from vdeblur.cli.config import ConfigOption

LIGHT = {"models", "presets", "encoders", "doctor", "completion", "export"}
"""Commands that compute nothing worth holding back; all others do."""
OF_A_JOB = {
    *("--model", "--device", "--precision", "--views", "--tile", "--strength", "--only-blurred", "--scene-cuts"),
    *("--frame-rate", "--deinterlace", "--hwaccel"),
    *("--codec", "--crf", "--preset", "--pix-fmt", "--encoder-option"),
}


def flags(name: str) -> set[str]:
    return {flag for parameter in cli.commands[name].params for flag in parameter.opts}


def test_every_setting_of_a_job_is_an_option_of_every_command_that_takes_jobs() -> None:
    for name in ("restore", "batch", "segment"):
        assert flags(name) >= OF_A_JOB, name


def test_every_command_that_computes_can_be_held_back() -> None:
    for name in set(cli.commands) - LIGHT:
        assert flags(name) >= {"--threads", "--nice"}, name


def test_a_flag_means_the_same_in_all_commands() -> None:
    shared = OF_A_JOB - {"--model"} | {"--threads", "--nice"}  # eval takes several models
    kinds: dict[str, set[str]] = {}
    defaults: dict[str, set[str]] = {}
    for name, command in cli.commands.items():
        for parameter in command.params:
            assert isinstance(parameter, click.Option | click.Argument)
            for flag in set(parameter.opts) & shared:
                kinds.setdefault(flag, set()).add(f"{parameter.type} {parameter.opts}")
                if name in ("restore", "batch", "segment"):
                    defaults.setdefault(flag, set()).add(str(parameter.default))
    for found in (kinds, defaults):
        assert {flag: len(values) for flag, values in found.items()} == dict.fromkeys(shared, 1)


def test_every_option_has_a_variable_named_after_its_long_flag_and_one_for_its_command_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, command in cli.commands.items():
        context = click.Context(command, **command.context_settings)
        for option in command.params:
            if not isinstance(option, click.Option):
                continue
            (flag, *_) = (flag for flag in option.opts if flag.startswith("--"))
            suffix = flag[2:].upper().replace("-", "_")
            wanted = {f"VDEBLUR_{name.upper()}_{suffix}": "one command", f"VDEBLUR_{suffix}": "all commands"}
            if (name, flag) in {("train", "--config"), ("info", "--model")}:  # another thing than in other commands
                wanted.popitem()
            for variable, value in reversed(wanted.items()):
                monkeypatch.setenv(variable, value)
                assert option.resolve_envvar_value(context) == value, (name, variable)
            for variable in wanted:
                monkeypatch.delenv(variable)
            assert option.resolve_envvar_value(context) is None


def test_flags_and_values_arrive_from_the_environment(tmp_path: Path) -> None:
    clip = footage(tmp_path / "in.mp4", frames=3)
    words = (clip, "-o", tmp_path / "out.mp4", "-m", "unsharp")
    done = run(*words, VDEBLUR_JSON="1", VDEBLUR_FORMAT="mkv", VDEBLUR_QUIET="1")
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout)["frames"] == 3
    assert (tmp_path / "out.mp4").read_bytes().startswith(b"\x1aE\xdf\xa3")
    told = run("info", clip, VDEBLUR_INFO_JSON="1", VDEBLUR_JSON="0", VDEBLUR_MODEL="fast")
    assert json.loads(told.stdout)["video"]["width"] == 64
    prepared = run("segment", tmp_path / "parts.mkv", VDEBLUR_PREPARE=str(clip))
    assert "too short" in prepared.stderr


def test_the_manual_names_the_commands_that_take_a_file_of_options(tmp_path: Path) -> None:
    takers = {
        name for name, command in cli.commands.items() if any(isinstance(one, ConfigOption) for one in command.params)
    }
    text = " ".join((ROOT / "docs/usage.md").read_text(encoding="utf-8").split())
    (named,) = re.findall(r"`vdeblur INPUT`, ([^.]*?) also take options from a TOML file", text)
    assert {"restore", *re.findall(r"`(\w+)`", named)} == takers
    for name in takers - {"restore"}:
        assert "--config" in run(name, "--help").stdout
    config = ROOT / "examples/presets.toml"
    refused = run("train", "--data", tmp_path, "--run", tmp_path / "run", VDEBLUR_CONFIG=str(config))
    assert "presets" not in refused.stderr


def test_batch_and_segment_take_the_options_of_the_main_command(tmp_path: Path) -> None:
    clip = footage(tmp_path / "in.mp4", frames=20, size=(128, 96), cut_at=9)
    words = ("-m", "unsharp", "--codec", "ffv1", "--pix-fmt", "yuv444p", "--scene-cuts", "off", "--tile", "0")
    done = run("batch", clip, "-o", tmp_path / "out", "--name", "{stem}.mkv", *words, "--deinterlace", "off", "--json")
    assert done.exit_code == 0, done.stderr
    video = json.loads(run("info", tmp_path / "out" / "in.mkv", "--json").stdout)["video"]
    assert (video["codec"], video["layout"]["chroma_shift"]) == ("ffv1", [0, 0])
    refused = run("batch", clip, "-o", tmp_path / "other", "-m", "unsharp", "--hwaccel", "abacus", "--tries", "1")
    assert "abacus" in refused.stderr


def test_a_segment_keeps_its_options_for_every_step(tmp_path: Path) -> None:
    clip = footage(tmp_path / "in.mkv", frames=800, size=(32, 24))
    output = tmp_path / "out.mkv"
    words = ("-m", "unsharp", "--codec", "ffv1", "--pix-fmt", "yuv444p", "--tile", "64")
    prepared = run("segment", output, "--prepare", clip, *words)
    assert int(prepared.stdout) > 1
    for index in range(int(prepared.stdout)):
        assert run("segment", output, "--index", str(index)).exit_code == 0
    assert run("segment", output, "--join").exit_code == 0
    assert json.loads(run("info", output, "--json").stdout)["video"]["layout"]["chroma_shift"] == [0, 0]


def test_a_step_that_cannot_be_done_says_which_comes_first(tmp_path: Path) -> None:
    clip = footage(tmp_path / "in.mkv", frames=800, size=(32, 24))
    output = tmp_path / "out.mkv"
    assert run("segment", output, "--prepare", clip, "-m", "unsharp").exit_code == 0
    both = run("segment", output, "--index", "0", "--join")
    assert (both.exit_code, "give one of them" in both.stderr) == (2, True)
    for words in (("--index", "0", "--crf", "30"), ("--join", "-m", "nlm"), ("-e", "bf=0"), ("--index", "0", "-y")):
        late = run("segment", output, *words)
        assert (late.exit_code, "belongs to --prepare, which stores it" in late.stderr) == (2, True)
    named = {"VDEBLUR_CRF": "30"}  # for all commands
    assert run("segment", output, "--index", "1", "-d", "cpu", "--threads", "1", "--nice", "0", **named).exit_code == 0
    assert run("segment", output, "--index", "0").exit_code == 0
    joined = run("segment", output, "--join")
    assert joined.exit_code == 5
    assert "not restored yet: 2 (--index)" in joined.stderr


def restore_segments(output: Path, clip: Path, *words: str) -> None:
    """All steps before `--join`; `words` are those of `--prepare`."""
    prepared = run("segment", output, "--prepare", clip, "-m", "unsharp", *words)
    assert int(prepared.stdout) > 1
    for index in range(int(prepared.stdout)):
        assert run("segment", output, "--index", str(index)).exit_code == 0


def test_joining_tells_of_damage_and_of_losses_as_the_main_command_does(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.mkv", Recipe(frames(1000, size=(32, 24)), attachment=True, options={"g": "25"}))
    clip = tmp_path / "in.mkv"
    clip.write_bytes(Path(whole).read_bytes()[:-3000])

    def told(result: Result) -> list[str]:
        return [line for line in result.stderr.splitlines() if line.startswith("vdeblur: warning: ")]

    output = tmp_path / "out.mp4"
    at_once = run(clip, "-o", output, "-m", "unsharp")
    assert at_once.exit_code == 6, at_once.stderr
    assert any("truncated" in line for line in told(at_once))
    assert any("cannot hold" in line for line in told(at_once))
    output.unlink()
    restore_segments(output, clip)
    joined = run("segment", output, "--join")
    assert (joined.exit_code, told(joined)) == (6, told(at_once))
    assert "the input was damaged" in joined.stderr


def test_an_array_refuses_an_existing_output_before_its_work_unless_told_to_replace_it(tmp_path: Path) -> None:
    clip = footage(tmp_path / "in.mkv", frames=800, size=(32, 24))
    output = tmp_path / "out.mkv"
    output.write_bytes(b"precious")
    refused = run("segment", output, "--prepare", clip, "-m", "unsharp")
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert "already exists" in refused.stderr
    assert "-y/--overwrite" in refused.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", "out.mkv"]

    restore_segments(output, clip, "-y")
    assert run("segment", output, "--join").exit_code == 0
    assert count_frames(output) == 800


def test_an_output_that_appears_while_segments_are_restored_is_replaced_only_on_request(tmp_path: Path) -> None:
    clip = footage(tmp_path / "in.mkv", frames=800, size=(32, 24))
    output = tmp_path / "out.mkv"
    restore_segments(output, clip)
    output.write_bytes(b"precious")
    assert run("segment", output, "--join").exit_code == 5
    assert output.read_bytes() == b"precious"
    assert run("segment", output, "--join", "-y").exit_code == 0
    assert count_frames(output) == 800


@pytest.mark.needs("linux")
def test_threads_and_niceness_are_set_before_heavy_libraries_are_loaded(tmp_path: Path) -> None:
    code = (
        "import os, sys, torch, cv2\n"
        "sys.argv = ['vdeblur', *sys.argv[1:]]\n"
        "from vdeblur.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(torch.get_num_threads(), cv2.getNumThreads(), os.nice(0) - int(sys.argv[-1]))\n"
    )
    clip = footage(tmp_path / "in.mp4", frames=3)
    words = [str(clip), "-o", str(tmp_path / "out.mkv"), "-m", "unsharp", "-q", "--threads", "1", "--nice", "3"]
    before = os.nice(0)
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1", str(before)]


@pytest.mark.parametrize("words", [("--threads", "0"), ("--threads", "many"), ("--nice", "20"), ("--nice", "-1")])
def test_other_counts_are_refused(words: tuple[str, str]) -> None:
    result = run("in.mp4", *words)
    assert result.exit_code == 2
    assert words[0] in result.stderr
    assert len(result.stderr.splitlines()) == 1
