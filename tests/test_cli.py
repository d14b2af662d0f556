"""The command line as people and programs meet it: words in, exit code, one line, and files out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import Result

from support.commands import ROOT, run
from support.videos import count_frames, encoded_with, footage, sound_only
from vdeblur.cli.values import Seconds

FILTER = ("-m", "unsharp")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage(tmp_path_factory.mktemp("clip") / "clip.mp4", audio=True)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("VDEBLUR_"):
            monkeypatch.delenv(name)


def one_line(result: Result) -> str:
    """The error that ended a command, which must be a single line without a traceback."""
    (line,) = result.stderr.splitlines()
    assert line.startswith("vdeblur: error: ")
    assert result.stdout == ""
    return line


# -- the main job ----------------------------------------------------------------------------------------------------


def test_zero_config_writes_beside_the_input(clip: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(clip.read_bytes())
    result = run(source, *FILTER)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert count_frames(tmp_path / "in.deblur.mp4") == 12
    assert "12 frames in" in result.stderr
    assert "unsharp on cpu (native)" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.deblur.mp4", "in.mp4"]


def test_json_says_what_was_done(clip: Path, tmp_path: Path) -> None:
    result = run(clip, "-o", tmp_path / "out.mkv", *FILTER, "--json", "-q")
    said = json.loads(result.stdout)
    assert said["seconds"] > 0
    assert said["fps"] > 0
    fixed = {key: said[key] for key in said if key not in ("seconds", "fps", "input_bytes", "output_bytes")}
    assert fixed == {
        "frames": 12,
        "earlier": 0,
        "model": "unsharp",
        "device": "cpu",
        "precision": "native",
        "fallbacks": 0,
        "scene_cuts": 0,
        "concealed": 0,
        "damaged": False,
        "warnings": [],
        "retreats": [],
        "output": str(tmp_path / "out.mkv"),
    }
    assert result.stderr == ""


def test_progress_is_json_lines_that_end_with_the_last_frame(clip: Path, tmp_path: Path) -> None:
    result = run(clip, "-o", tmp_path / "out.mkv", *FILTER, "--progress", "json")
    lines = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert lines[-1]["frames"] == 12
    assert lines[-1]["share"] == 1
    assert all(first["frames"] <= second["frames"] for first, second in pairwise(lines))


def test_a_bar_is_drawn_on_request_and_not_without_a_terminal(clip: Path, tmp_path: Path) -> None:
    with_bar = run(clip, "-o", tmp_path / "a.mkv", *FILTER, "--progress", "bar", NO_COLOR="1")
    assert "12 frames," in with_bar.stderr
    assert "\x1b[3" not in with_bar.stderr
    assert len(run(clip, "-o", tmp_path / "b.mkv", *FILTER).stderr.splitlines()) == 1


def test_start_and_end_times_trim_the_stream(clip: Path, tmp_path: Path) -> None:
    assert run(clip, "-o", tmp_path / "a.mkv", *FILTER, "--ss", "0.2", "--to", "0:00.36").exit_code == 0
    assert run(clip, "-o", tmp_path / "b.mkv", *FILTER, "--ss", "0.2", "-t", "0.16").exit_code == 0
    assert count_frames(tmp_path / "a.mkv") == count_frames(tmp_path / "b.mkv") == 4


@pytest.mark.parametrize(("kind", "width"), [("split", 64), ("side", 128)])
def test_compare_shows_both(clip: Path, tmp_path: Path, kind: str, width: int) -> None:
    assert run(clip, "-o", tmp_path / "out.mkv", *FILTER, "--compare", kind).exit_code == 0
    found = json.loads(run("info", tmp_path / "out.mkv", "--json").stdout)
    assert (found["video"]["width"], found["video"]["height"]) == (width, 48)


def test_encoder_settings_arrive(clip: Path, tmp_path: Path) -> None:
    words = ("--codec", "ffv1", "--pix-fmt", "yuv444p", "-e", "slices=4")
    assert run(clip, "-o", tmp_path / "out.mkv", *FILTER, *words).exit_code == 0
    video = json.loads(run("info", tmp_path / "out.mkv", "--json").stdout)["video"]
    assert video["codec"] == "ffv1"
    assert video["layout"]["chroma_shift"] == [0, 0]


def test_images_take_a_frame_rate_and_a_pipe_a_format(tmp_path: Path) -> None:
    footage(tmp_path / "in.mp4", frames=5)
    assert run(tmp_path / "in.mp4", "-o", f"{tmp_path}/pictures/%05d.png", *FILTER).exit_code == 0
    assert len(list((tmp_path / "pictures").iterdir())) == 5
    result = run(tmp_path / "pictures", "-o", tmp_path / "out.mp4", *FILTER, "-r", "30000/1001")
    assert result.exit_code == 0, result.stderr
    assert json.loads(run("info", tmp_path / "out.mp4", "--json").stdout)["video"]["frame_rate"] == "30000/1001"
    command = [sys.executable, "-m", "vdeblur", str(tmp_path / "in.mp4"), "-o", "-", "-f", "y4m", *FILTER]
    piped = subprocess.run(command, capture_output=True, cwd=ROOT, check=True)
    assert piped.stdout.startswith(b"YUV4MPEG2 W64 H48")


@pytest.mark.parametrize("rate", ["0", "-1", "fast", "1/0", "nan", "inf"])
def test_other_rates_are_refused(clip: Path, rate: str) -> None:
    result = run(clip, "-r", rate)
    assert result.exit_code == 2
    assert "is not a frame rate" in one_line(result)


def test_a_pipe_carries_the_stream(clip: Path, tmp_path: Path) -> None:
    mkv = footage(tmp_path / "in.mkv")
    command = [sys.executable, "-m", "vdeblur", "-", "-o", "-", *FILTER]
    piped = subprocess.run(command, input=mkv.read_bytes(), capture_output=True, cwd=ROOT, check=True)
    (tmp_path / "out.mkv").write_bytes(piped.stdout)
    assert count_frames(tmp_path / "out.mkv") == 12
    assert b"stdout: 12 frames" in piped.stderr


def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path) -> None:
    long = footage(tmp_path / "in.mkv", frames=200, size=(160, 120))
    command = [sys.executable, "-m", "vdeblur", str(long), "-o", "-", *FILTER, "-e", "qp=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


# -- where options come from -----------------------------------------------------------------------------------------


def test_a_config_file_fills_options_and_the_command_line_wins(clip: Path, tmp_path: Path) -> None:
    config = tmp_path / "vdeblur.toml"
    config.write_text(
        'model = "nlm"\ncodec = "ffv1"\nss = "0:00.2"\noverwrite = true\nencoder-option = { slices = 4 }\n'
    )
    output = tmp_path / "out.mkv"
    output.write_bytes(b"old")
    result = run(clip, "-o", output, "--config", config, *FILTER, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["model"] == "unsharp"
    assert json.loads(result.stdout)["frames"] == 7
    assert json.loads(run("info", output, "--json").stdout)["video"]["codec"] == "ffv1"


@pytest.mark.parametrize("given", ['"crf=30"', '["crf=30"]', "{ crf = 30 }"])
def test_an_option_that_may_be_repeated_takes_one_value_too(clip: Path, tmp_path: Path, given: str) -> None:
    config = tmp_path / "vdeblur.toml"
    config.write_text(f"encoder-option = {given}\n")
    result = run(clip, "-o", tmp_path / "out.mkv", "--config", config, *FILTER)
    assert result.exit_code == 0, result.stderr
    assert float(encoded_with(tmp_path / "out.mkv")["crf"]) == 30


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('modle = "unsharp"', 'unknown key "modle"; did you mean "model"?'),
        ("strength = 2", "--strength': 2.0 is not in the range 0<=x<=1. (from a --config file)"),
        ("model = {}", '"model" takes one value'),
        ("model", "not valid TOML"),
    ],
)
def test_an_invalid_config_file_is_a_one_line_error(clip: Path, tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "vdeblur.toml"
    config.write_text(text)
    result = run(clip, "-o", tmp_path / "out.mkv", "--config", config)
    assert result.exit_code == 2
    assert said in one_line(result)


def test_the_environment_fills_options_between_config_and_command_line(clip: Path, tmp_path: Path) -> None:
    config = tmp_path / "vdeblur.toml"
    config.write_text('model = "nlm"')
    words = (clip, "-o", tmp_path / "out.mkv", "--config", config, "--json", "-y")
    assert json.loads(run(*words, VDEBLUR_MODEL="unsharp").stdout)["model"] == "unsharp"
    assert json.loads(run(*words, "-m", "unsharp", VDEBLUR_MODEL="nlm").stdout)["model"] == "unsharp"
    assert json.loads(run(*words).stdout)["model"] == "nlm"
    assert "(from a variable of the environment)" in one_line(run(*words, VDEBLUR_STRENGTH="2"))
    assert "from" not in one_line(run(*words, "--strength", "2"))


@pytest.mark.parametrize(
    ("text", "seconds"), [("12.5", 12.5), ("1:02", 62), ("1:02:03.25", 3723.25), ("0", 0), ("90", 90), ("90:00", 5400)]
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert Seconds().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "a", "-1", "1:60", "1.5:00", "1:2:3:4", "nan", "inf", "1:"])
def test_other_times_are_refused(clip: Path, text: str) -> None:
    result = run(clip, "--ss", text)
    assert result.exit_code == 2
    assert "neither seconds" in one_line(result)


# -- inputs and outputs that cannot be -------------------------------------------------------------------------------


@pytest.fixture
def bad(tmp_path: Path, clip: Path) -> Path:
    """A folder of inputs that no one can restore."""
    whole = clip.read_bytes()
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "truncated.mp4").write_bytes(whole[:200])
    (tmp_path / "text.mp4").write_text("not a film\n" * 50)
    sound_only(tmp_path / "sound.m4a")
    (tmp_path / "taken.mkv").write_bytes(b"precious")
    return tmp_path


@pytest.mark.parametrize("name", ["missing.mp4", "empty.mp4", "truncated.mp4", "text.mp4", "sound.m4a"])
def test_a_bad_input_is_one_line_with_code_3(bad: Path, name: str) -> None:
    before = sorted(bad.iterdir())
    result = run(bad / name, "-o", bad / "out.mkv", *FILTER)
    assert result.exit_code == 3
    assert name in one_line(result)
    assert sorted(bad.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-o", "taken.mkv"), 5, "taken.mkv"),
        (("-o", "taken.mkv", "-n"), 5, "taken.mkv"),
        (("-o", "nowhere/out.mkv"), 5, "nowhere"),
        (("-o", "out.mkv", "--codec", "libx246"), 2, "libx246"),
        (("-o", "out.mkv", "-m", "unsharpen"), 3, 'did you mean "unsharp"?'),
        (("-o", "out.mkv", "-m", "none.safetensors"), 3, "none.safetensors"),
        (("-o", "out.mkv", "--strength", "1.5"), 2, "--strength"),
        (("-o", "out.mkv", "--frobnicate"), 2, "--frobnicate"),
        (("-o", "out.mkv", "--ss", "3", "--to", "2"), 2, "--to 2"),
        (("-o", "out.mkv", "--to", "3", "-t", "2"), 2, "--to and -t"),
        (("-o", "-", "--json"), 2, "stdout"),
        (("-o", "out.mkv", "-e", "crf"), 2, "key=value"),
    ],
)
def test_a_usage_error_is_one_line_with_its_exit_code(
    bad: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(bad)
    before = sorted(bad.iterdir())
    model = () if "-m" in words else FILTER
    result = run(clip, *words, *model)
    assert result.exit_code == code
    assert said in one_line(result)
    assert sorted(bad.iterdir()) == before
    assert (bad / "taken.mkv").read_bytes() == b"precious"


def test_an_unknown_device_is_code_4(clip: Path, tmp_path: Path) -> None:
    from vdeblur.backends.checkpoints import save
    from vdeblur.models import build

    network = build("cnn", {})
    save(tmp_path / "model.safetensors", network, "cnn", network.state_dict(), {})
    result = run(clip, "-o", tmp_path / "out.mkv", "-m", tmp_path / "model.safetensors", "-d", "cuda:99")
    assert result.exit_code == 4
    assert "cuda:99" in one_line(result)
    assert not (tmp_path / "out.mkv").exists()


def test_a_mistyped_command_is_recognised() -> None:
    assert 'did you mean "models"?' in one_line(run("modles"))


def test_an_internal_error_is_one_line_and_v_shows_where(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vdeblur.restorers.classical import LumaFilter

    def broken(*_: object) -> None:
        raise KeyError("broken\nfilter")

    monkeypatch.setattr(LumaFilter, "restore", broken)
    result = run(clip, "-o", tmp_path / "out.mkv", *FILTER)
    assert result.exit_code == 1
    assert "-v shows the traceback" in one_line(result)
    result = run(clip, "-o", tmp_path / "out.mkv", *FILTER, "-v")
    assert result.exit_code == 1
    assert 'raise KeyError("broken\\nfilter")' in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_input_is_restored_as_far_as_it_goes_with_code_6(tmp_path: Path) -> None:
    whole = footage(tmp_path / "whole.mkv", frames=50, size=(160, 120)).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: 2 * len(whole) // 3])
    result = run(tmp_path / "cut.mkv", *FILTER, "--json")
    assert result.exit_code == 6
    assert "the input was damaged" in result.stderr
    restored = json.loads(result.stdout)["frames"]
    assert 10 < restored < 50
    assert count_frames(tmp_path / "cut.deblur.mkv") == restored


def test_scene_cuts_are_counted_unless_turned_off(tmp_path: Path) -> None:
    footage(tmp_path / "in.mp4", frames=20, size=(128, 96), cut_at=9)
    words = (tmp_path / "in.mp4", "-o", tmp_path / "out.mkv", "-y", "--json", *FILTER)
    result = run(*words)
    assert json.loads(result.stdout)["scene_cuts"] == 1
    assert "; 1 scene cut" in result.stderr
    assert json.loads(run(*words, "--scene-cuts", "off").stdout)["scene_cuts"] == 0


# -- stopping --------------------------------------------------------------------------------------------------------


STOP_SECONDS = 10
"""Two where nothing else runs; without a bound of its own a job of these tests would go on for a minute."""


def wait_until_handled(pid: int, signum: signal.Signals) -> None:
    """Until the process has a handler for the signal: before that, the system's own ends it, which is as quiet."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        time.sleep(2)
        return
    for _ in range(200):
        caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt"))
        if int(caught.split()[1], 16) >> (signum - 1) & 1:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} never handled {signum.name}")


@pytest.mark.timing
def test_a_signal_in_a_silent_pipe_stops_soon(tmp_path: Path) -> None:
    """One where the decoder waits for more in a thread, and one where not even the header has come."""
    stream = footage(tmp_path / "in.mkv", frames=300, size=(160, 120)).read_bytes()
    for start in (stream[: len(stream) // 2], b""):
        command = [sys.executable, "-m", "vdeblur", "-", "-o", str(tmp_path / "out.mkv"), *FILTER, "--progress", "json"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            process.stdin.write(start)
            process.stdin.flush()
            if start:
                process.stderr.readline()
            else:
                wait_until_handled(process.pid, signal.SIGTERM)
            sent = time.monotonic()
            process.send_signal(signal.SIGTERM)
            rest = process.stderr.read()
            assert process.wait() == 143
            assert time.monotonic() - sent < STOP_SECONDS
            assert b"Traceback" not in rest
        assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


@pytest.mark.timing
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_job_soon_and_leaves_no_output(tmp_path: Path, signum: signal.Signals) -> None:
    long = footage(tmp_path / "in.mp4", frames=400, size=(320, 240))
    command = [sys.executable, "-m", "vdeblur", str(long), "-m", "nlm", "--progress", "json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        assert json.loads(process.stderr.readline())["frames"] == 1
        start = time.monotonic()
        process.send_signal(signum)
        rest = process.stderr.read()
        assert process.wait() == 128 + signum
        assert time.monotonic() - start < STOP_SECONDS
    assert rest.splitlines()[-1] == "vdeblur: stopped; nothing was written under the output's name"
    assert "Traceback" not in rest
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


# -- the other commands ----------------------------------------------------------------------------------------------


def test_help_shows_options_commands_and_examples() -> None:
    text = run("--help").stdout
    for word in ("--compare", "doctor", "completion", "vdeblur input.mp4 -o out.mkv"):
        assert word in text
    assert run("in.mp4", "--help").stdout.startswith("Usage: vdeblur INPUT... [-o OUTPUT] [OPTIONS]")
    assert run().exit_code == 2
    assert "--help" in one_line(run())


def test_a_file_named_like_a_command_is_given_with_its_folder(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").write_bytes(clip.read_bytes())
    assert run("./models", "-o", "out.mkv", *FILTER).exit_code == 0
    assert count_frames(tmp_path / "out.mkv") == 12


def test_info_lists_streams_and_whether_they_are_kept(clip: Path) -> None:
    found = json.loads(run("info", clip, "--json").stdout)
    assert (found["video"]["width"], found["video"]["height"], found["video"]["frames"]) == (64, 48, 12)
    assert [(stream["type"], stream["fate"]) for stream in found["streams"]] == [
        ("video", "restored"),
        ("audio", "copied"),
    ]
    assert found["output"] == str(clip.with_name("clip.deblur.mp4"))
    text = run("info", clip).stdout
    assert "h264 64x48, 25 fps" in text
    assert "audio aac, 48 kHz, stereo, " in text


def test_models_lists_what_is_published() -> None:
    from vdeblur.backends.published import published

    found = json.loads(run("models", "--json").stdout)
    assert [model["name"] for model in found] == [model.name for model in published()]
    assert all(set(model) == {"name", "kind", "params", "gmac_720p", "sha256", "default_on", "int8"} for model in found)
    assert all(model["name"] in run("models").stdout for model in found)


def test_doctor_tries_what_it_names() -> None:
    result = run("doctor", "--json")
    found = json.loads(result.stdout)
    assert found["encoders"]["libx264"] is True
    assert "cpu" in found["devices"]
    assert all(found["weights"].values())
    assert result.exit_code == (3 if found["problems"] else 0)


def test_doctor_knows_an_encoder_that_only_has_a_name() -> None:
    from vdeblur.media.encoder_trial import encodes

    assert encodes("libx264")
    assert not encodes("no_such_encoder")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell: str) -> None:
    assert "_VDEBLUR_COMPLETE" in run("completion", shell).stdout


@pytest.fixture
def completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_VDEBLUR_COMPLETE", "bash_complete")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("vdeblur mo", "plain,models"),
        ("vdeblur --comp", "plain,--compare"),
        ("vdeblur in.mp4 --stre", "plain,--strength"),
        ("vdeblur in.mp4 -m qu", "plain,quality"),
        ("vdeblur in.mp4 -m uns", "plain,unsharp"),
        ("vdeblur batch in -m fa", "plain,fast"),
        ("vdeblur in.mp4 --quality b", "plain,best"),
    ],
)
@pytest.mark.usefixtures("completed")
def test_the_shell_is_offered_words(words: str, offered: str) -> None:
    count = str(len(words.split()) - 1)
    assert offered in run(COMP_WORDS=words, COMP_CWORD=count).stdout.splitlines()
