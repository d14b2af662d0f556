"""Options that several commands share: declared once, they mean the same everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from support.commands import run
from support.videos import footage
from vdeblur.cli import cli

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
