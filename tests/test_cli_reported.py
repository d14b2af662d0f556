"""What people met at the command line and should not have: each test holds a kind of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from support.commands import run
from support.videos import count_frames, footage
from vdeblur.cli import cli

FILTER = ("-m", "unsharp")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=50, audio=True)


def errors(result: Result) -> list[str]:
    """The lines on stderr, each of which must be an error in one line."""
    lines = result.stderr.splitlines()
    assert lines
    assert all(line.startswith("vdeblur: error: ") for line in lines), lines
    return lines


# -- an empty part of the input --------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("--ss", "99"), ("--ss", "99", "--to", "100"), ("--ss", "0.401", "--to", "0.402")])
def test_a_time_range_without_frames_is_an_error_that_states_the_length_and_keeps_an_existing_output(
    clip: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    good = tmp_path / "out.mp4"
    good.write_bytes(b"precious")
    result = run(clip, "-o", good, "-y", *FILTER, *words)
    assert result.exit_code == 3
    (line,) = errors(result)
    assert "no frame between" in line
    assert "2.00 s long" in line
    assert "--ss" in line
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert good.read_bytes() == b"precious"


def test_an_empty_duration_is_told_by_its_own_flag(clip: Path, tmp_path: Path) -> None:
    (line,) = errors(run(clip, "-o", tmp_path / "out.mp4", "-t", "0"))
    assert "-t 0" in line
    assert "--to" not in line


# -- where the output goes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_folder_as_output_takes_the_whole_video_under_its_name(clip: Path, tmp_path: Path, slash: str) -> None:
    assert run(clip, "-o", f"{tmp_path}{slash}", *FILTER).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["clip.deblur.mp4"]
    kinds = [
        stream["type"] for stream in json.loads(run("info", tmp_path / "clip.deblur.mp4", "--json").stdout)["streams"]
    ]
    assert kinds == ["video", "audio"]


def test_a_missing_folder_is_named(clip: Path, tmp_path: Path) -> None:
    (line,) = errors(run(clip, "-o", f"{tmp_path}/missing/", *FILTER))
    assert "no such folder" in line


def test_the_help_names_every_suffix_that_can_be_written() -> None:
    from vdeblur.media.containers import FORMATS, MORE_FORMATS
    from vdeblur.media.paths import IMAGE_SUFFIXES

    named = set(run("in.mp4", "--help").stdout.replace(",", " ").replace(";", " ").replace("(", " ").split())
    named |= {word.rstrip(").") for word in named}
    assert {*FORMATS, *MORE_FORMATS, *IMAGE_SUFFIXES} <= named


# -- settings that cannot be -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--crf", "99"), ("libx264: crf must be 0 to 51", "--crf")),
        (("--crf", "-3"), ("libx264: crf must be 0 to 51", "--crf")),
        (("--preset", "warp"), ("ultrafast superfast", "placebo", "--preset")),
        (("--preset", "mediun"), ('did you mean "medium"?', "--preset")),
        (("--codec", "libx265", "--crf", "52"), ("libx265: crf must be 0 to 51", "--crf")),
        (("--codec", "libx265", "--preset", "8"), ("ultrafast", "--preset")),
        (("--codec", "libsvtav1", "--crf", "64"), ("0 to 63", "--crf")),
        (("--codec", "libsvtav1", "--preset", "14"), ("to 13", "--preset")),
        (("--codec", "libsvtav1", "--preset", "slow"), ("to 13", "--preset")),
        (("--codec", "libvpx-vp9", "--crf", "-1"), ("0 to 63", "--crf")),
        (("--codec", "ffv1", "--crf", "3"), ("ffv1 has no crf", "--crf")),
        (("--codec", "libx266"), ("no such video encoder", "--codec")),
        (("--pix-fmt", "yuv9"), ("yuv420p10le", "--pix-fmt")),
        (("-e", "bogus=1"), ("no option bogus", "`vdeblur encoders libx264`", "--encoder-option")),
        (("-e", "rc-lookhead=3"), ('did you mean "rc-lookahead"?', "--encoder-option")),
        (("--codec", "hvec"), ('did you mean "hevc"?', "--codec")),
        (("-e", "tune=warp"), ("film stillimage", "--encoder-option")),
        (("-e", "crf=99"), ("0 to 51", "--encoder-option")),
        (("--hwaccel", "abacus"), ("auto none", "--hwaccel")),
        (("--ss", "3", "--to", "2"), ("--to 2",)),
    ],
)
def test_an_encoder_setting_out_of_range_is_one_line_with_the_valid_values_and_the_flag(
    clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], words: tuple[str, ...], said: tuple[str, ...]
) -> None:
    result = run(clip, "-o", tmp_path / "out.mkv", *FILTER, *words)
    assert result.exit_code == 2
    (line,) = errors(result)
    for part in said:
        assert part in line
    assert capfd.readouterr().err == ""  # the encoder itself has nothing to say
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("--crf", "0"),
        ("--crf", "51", "--preset", "placebo"),
        ("--codec", "libsvtav1", "--crf", "63", "--preset", "13"),
        ("--codec", "libvpx-vp9", "--crf", "0", "--preset", "8"),
        ("-e", "tune=film,zerolatency"),
    ],
)
def test_the_ends_of_the_ranges_are_taken(clip: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    result = run(clip, "-o", tmp_path / "out.mkv", *FILTER, "-t", "0.2", *words)
    assert result.exit_code == 0, result.stderr


def test_other_errors_are_reported_with_an_existing_output(clip: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken.mp4"
    taken.write_bytes(b"precious")
    result = run(clip, "-o", taken, "-m", "fats", "--crf", "99", "--preset", "warp", "--pix-fmt", "yuv9")
    assert result.exit_code == 5
    lines = errors(result)
    for part in ("already exists", "0 to 51", "ultrafast", "yuv9", 'did you mean "fast"?'):
        assert sum(part in line for line in lines) == 1
    assert len(lines) == 5
    assert "-y/--overwrite" in lines[0]
    result = run(tmp_path / "missing.mp4", "-o", taken, "--codec", "hvec", *FILTER)
    assert result.exit_code == 3
    assert len(errors(result)) == 3
    assert "missing.mp4: no such file" in errors(result)[0]
    assert len(errors(run(tmp_path / "nowhere" / "missing.mp4"))) == 1  # no word of the output that it would have had
    assert [path.name for path in tmp_path.iterdir()] == ["taken.mp4"]
    assert taken.read_bytes() == b"precious"


# -- what is said ----------------------------------------------------------------------------------------------------


def test_json_reports_damage_warnings_and_memory_fallbacks(tmp_path: Path) -> None:
    whole = footage(tmp_path / "whole.mkv", frames=50, size=(160, 120)).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: 2 * len(whole) // 3])
    result = run(tmp_path / "cut.mkv", *FILTER, "--json")
    assert result.exit_code == 6
    said = json.loads(result.stdout)
    assert said["damaged"] is True
    assert any("truncated" in warning for warning in said["warnings"])
    assert said["retreats"] == []


def test_a_resumed_run_counts_only_new_frames_and_resuming_is_not_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vdeblur.jobs.one_piece import restore_piece as real

    clip = footage(tmp_path / "in.mkv", frames=800, size=(32, 24))
    words = (clip, "-o", tmp_path / "out.mkv", *FILTER, "--json")
    calls = 0

    def stopping(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError("the power went")
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("vdeblur.jobs.restore.restore_piece", stopping)
    assert run(*words).exit_code == 1
    monkeypatch.setattr("vdeblur.jobs.restore.restore_piece", real)
    result = run(*words)
    assert result.exit_code == 0, result.stderr
    assert "vdeblur: " + str(tmp_path / "out.mkv") + ": resuming, 1 of" in result.stderr
    assert "warning" not in result.stderr
    said = json.loads(result.stdout)
    assert said["frames"] == 800 == count_frames(tmp_path / "out.mkv")
    assert 0 < said["earlier"] < 800
    assert said["fps"] == pytest.approx((800 - said["earlier"]) / said["seconds"], rel=0.01)
    assert f"{said['earlier']} frames of an earlier run" in result.stderr


def test_training_without_anything_to_learn_from_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (line,) = errors(run("train"))
    assert "nothing to learn from" in line
    assert "--data" in line
    (tmp_path / "empty").mkdir()
    assert run("train", "--data", "empty").exit_code == 3
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_batch_output_is_aligned_in_columns_and_in_full_sentences(clip: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "good.mp4").write_bytes(clip.read_bytes())
    (folder / "bad.mp4").write_text("not a film\n" * 50)
    plan = run("batch", folder, "-o", out, *FILTER, "--dry-run").stdout.splitlines()
    assert len({line.index(str(folder)) for line in plan[:-1]}) == 1
    assert plan[-1].startswith("1 of 2 files to restore, 50 frames, about 0:0")
    assert plan[-1].endswith("with 1 worker") or "workers" in plan[-1]
    first = run("batch", folder, "-o", out, *FILTER, "--jobs", "1")
    assert first.exit_code == 7
    again = run("batch", folder, "-o", out, *FILTER, "--jobs", "1")
    assert all(line.startswith("vdeblur: ") for line in again.stderr.splitlines())
    assert "1 failed, 1 already done" in again.stderr


def test_a_dry_run_estimate_includes_decoding_encoding_and_start_up(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the whole line: a slow encoder must show in the estimate."""
    import time

    from vdeblur.jobs.job import Job
    from vdeblur.jobs.trial import try_out
    from vdeblur.loading import ModelOptions
    from vdeblur.media.video_sink import VideoSink

    plain = try_out(Job(str(clip), model=ModelOptions("unsharp")))
    real = VideoSink.write

    def slow(sink: VideoSink, frame: object) -> None:
        time.sleep(0.02)
        real(sink, frame)  # type: ignore[arg-type]

    monkeypatch.setattr(VideoSink, "write", slow)
    slowed = try_out(Job(str(clip), model=ModelOptions("unsharp")))
    assert plain is not None
    assert slowed is not None
    assert slowed.pixels_per_second < 64 * 48 / 0.02
    assert plain.start_seconds > 0


def test_library_errors_name_values_and_command_line_errors_name_flags() -> None:
    """Whoever calls from Python has no flags; `settings` of an error names what the command line turns into them."""
    import ast
    import re

    import vdeblur

    root = Path(vdeblur.__file__).parent
    found = []
    for path in root.rglob("*.py"):
        if path.is_relative_to(root / "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called.endswith(("Error", "warnings.append")) or called.startswith("log."):
                texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
                texts = [re.sub("`[^`]*`", "", text) for text in texts]  # a whole command may be named
                found += [f"{path.name}: {text}" for text in texts if re.search(r"(^|[\s('\"])--[a-z]{2,}", text)]
    assert found == []


def test_encoders_and_their_options_are_listed_without_ffmpeg() -> None:
    from vdeblur.media.encoders import ENCODERS

    listed = {row["encoder"]: row for row in json.loads(run("encoders", "--json").stdout)}
    assert set(listed) == set(ENCODERS.values())
    assert listed["libx265"]["crf"] == "0 to 51"
    assert listed["libsvtav1"]["preset"].endswith("to 13")
    options = {option["name"]: option for option in json.loads(run("encoders", "h264", "--json").stdout)}
    assert "grain" in options["tune"]["names"]
    assert options["crf"]["default"] == ""  # the encoder's own mark for "not set" is no value
    text = run("encoders", "h264").stdout
    assert all(name in text for name in options)
    assert all(encoder in run("encoders").stdout for encoder in listed)
    (line,) = errors(run("encoders", "libx266"))
    assert 'did you mean "libx26' in line


def test_a_folder_of_videos_and_the_word_help_are_understood(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(clip.read_bytes())
    (line,) = errors(run(tmp_path))
    assert f"`vdeblur batch {tmp_path} -o FOLDER`" in line
    assert run("help", "batch").stdout == run("batch", "--help").stdout
    assert run("help").stdout == run("--help").stdout
    (line,) = errors(run("segment", tmp_path / "out.mkv"))
    assert "prepare it first (--prepare)" in line


# -- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*cli.commands])
def test_help_shows_examples_before_options_and_cuts_no_sentence(name: str) -> None:
    text = run(name, "--help").stdout
    assert "..." not in text.replace("PATHS...", "").replace("0 ... N-1", "").replace("INPUT...", "")
    if cli.commands[name].examples:  # type: ignore[attr-defined]
        assert text.index("Examples:") < text.index("General:")


def test_the_first_help_lists_the_version_and_whole_descriptions() -> None:
    text = run("--help").stdout
    assert "--version" in text
    assert "..." not in text.replace("INPUT...", "")
    assert text.index("Examples:") < text.index("Restore:") < text.index("General:")


def test_a_dry_run_puts_nothing_into_a_pipe(clip: Path) -> None:
    words = (clip, "-o", "-", "--dry-run", *FILTER)
    for container in ("mkv", "nut", "y4m"):
        done = run(*words, "-f", container)
        assert (done.exit_code, done.stdout_bytes) == (0, b""), done.stderr
    refused = run(*words, "--crf", "99", "-f", "mkv")
    assert (refused.exit_code, refused.stdout_bytes) == (2, b"")


def test_a_dry_run_of_one_input_checks_everything_and_writes_nothing(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    result = run(clip, "-o", out, "--dry-run", "--json", *FILTER)
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    assert (said["input"], said["output"]) == (str(clip), str(out))
    assert 0 < said["seconds"] < 60
    assert "ready, takes about 0:" in result.stderr
    assert len(errors(run(clip, "-o", out, "--dry-run", "--crf", "99", "--preset", "warp", *FILTER))) == 2
    assert "no frame between" in errors(run(clip, "-o", out, "--dry-run", "--ss", "99", *FILTER))[0]
    both = run(clip, clip.with_name("clip.mp4"), "--dry-run", *FILTER)
    assert both.exit_code == 0
    assert "1 of 1 files to restore" in both.stdout
    assert list(tmp_path.iterdir()) == []
