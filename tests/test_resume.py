"""Resume, with real processes that are killed without warning."""

from __future__ import annotations

import json
import signal
from fractions import Fraction
from pathlib import Path

import pytest

import vdeblur
from support import videos
from support.commands import run, started, until
from support.videos import decoded, largest_difference
from vdeblur.errors import OutputError
from vdeblur.jobs.claim import LOCK_FILE, Claim
from vdeblur.jobs.folder import JobFolder, folder_of
from vdeblur.jobs.job import Job
from vdeblur.jobs.whole import restore_whole
from vdeblur.loading import ModelOptions
from vdeblur.media.options import SinkOptions

SETTINGS = ("-m", "unsharp", "--codec", "ffv1")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Ninety seconds at two frames a second: seven segments of the usual length."""
    frames = videos.frames(180, pts=[500 * i for i in range(180)], time_base=Fraction(1, 1000))
    recipe = videos.Recipe(frames, rate=Fraction(2), options={"g": "6"}, bframes=2, audio="aac", audio_seconds=90)
    return Path(videos.write(tmp_path / "film.mkv", recipe))


def test_after_kill_9_the_same_command_gives_the_same_frames(film: Path, tmp_path: Path) -> None:
    """Killed while planning, inside a segment, between a segment and its manifest, and later."""
    output = tmp_path / "out.mkv"
    folder = folder_of(str(output))
    moments = [
        lambda: (folder / "job.json").exists(),
        lambda: any(folder.glob("*.part")),
        lambda: (folder / "00001.mkv").exists(),
        lambda: (folder / "00004.json").exists(),
    ]
    kept = 0
    for moment in moments:
        with started(film, "-o", output, *SETTINGS) as process:
            until(moment, process)
            process.send_signal(signal.SIGKILL)
        assert not output.exists()
        manifests = len(list(folder.glob("0*.json")))
        assert manifests >= kept
        kept = manifests
    result = run(film, "-o", output, *SETTINGS, "--json")
    assert result.exit_code == 0
    assert f"resuming, {kept} of" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mkv", "out.mkv"]
    whole = restore_whole(
        Job(str(film), str(tmp_path / "whole.mkv"), ModelOptions("unsharp"), sink=SinkOptions(codec="ffv1"))
    )
    assert whole.frames == json.loads(result.stdout)["frames"] == 180
    assert largest_difference(decoded(whole.output), decoded(str(output))) == 0
    assert videos.packets(str(output), "audio") == videos.packets(str(film), "audio")


def stopped(film: Path, output: Path, *words: str) -> Path:
    """A folder of a job that was interrupted after its first segments."""
    folder = folder_of(str(output))
    with started(film, "-o", output, *SETTINGS, *words) as process:
        until(lambda: (folder / "00001.json").exists(), process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 130
    assert "run the same command to resume" in said
    assert not output.exists()
    return folder


def test_ctrl_c_keeps_what_is_done(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    folder = stopped(film, output)
    assert list(folder.glob("*.part")) == []
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("0*")}
    result = run(film, "-o", output, *SETTINGS, "--keep-temp")
    assert result.exit_code == 0
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("0*")}
    assert len(after) > len(before)
    assert before.items() <= after.items()


def test_an_error_of_the_encoder_is_told_once_and_of_the_output(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    result = run(film, "-o", output, "-m", "unsharp", "-e", "nonsense=1")
    assert result.exit_code == 2
    assert result.stderr.count("nonsense") == 1
    assert str(folder_of(str(output))) not in result.stderr


def test_a_run_that_only_joins_names_no_speed(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    assert run(film, "-o", output, *SETTINGS, "--keep-temp").exit_code == 0
    output.unlink()
    joined = run(film, "-o", output, *SETTINGS)
    assert joined.exit_code == 0
    assert "180 frames of an earlier run" in joined.stderr
    assert "fps" not in joined.stderr


@pytest.mark.parametrize(
    ("words", "changed"), [(("-m", "nlm"), "model"), (("--strength", "0.5"), "settings"), ((), "input")]
)
def test_another_model_settings_or_input_restart_the_job_with_a_warning(
    film: Path, tmp_path: Path, words: tuple[str, ...], changed: str
) -> None:
    output = tmp_path / "out.mkv"
    stopped(film, output)
    if changed == "input":
        videos.write(film, videos.Recipe(videos.frames(30)))
    result = run(film, "-o", output, *SETTINGS, *words)
    assert result.exit_code == 0
    assert f"{changed} changed since the last run" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mkv", "out.mkv"]


@pytest.mark.parametrize(
    "words",
    [("--crf", "900"), ("-e", "nonsense=1"), ("--pix-fmt", "foo"), ("--codec", "foo"), ("-m", "fast", "-d", "cuda:77")],
)
def test_what_is_done_outlives_a_command_that_cannot_begin(film: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    output = tmp_path / "out.mkv"
    folder = stopped(film, output)
    done = sorted(folder.iterdir())
    assert run(film, "-o", output, *SETTINGS, *words).exit_code in (2, 4)
    assert sorted(folder.iterdir()) == done
    assert run(film, "-o", output, *SETTINGS, *words, "--no-resume").exit_code in (2, 4)
    short = videos.write(tmp_path / "short.mkv", videos.Recipe(videos.frames(3)))
    assert run("segment", output, "--prepare", short, *SETTINGS).exit_code == 2
    assert sorted(folder.iterdir()) == done


def test_a_second_run_of_a_job_is_refused_at_once(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    folder = folder_of(str(output))
    with started(film, "-o", output, *SETTINGS) as process:
        until(lambda: (folder / "00001.json").exists(), process)
        process.send_signal(signal.SIGSTOP)
        held = sorted(folder.glob("*"))
        commands = [(film, "-o", output), (film, "-o", output, "--no-resume"), ("segment", output, "--prepare", film)]
        said = [run(*words, *SETTINGS) for words in commands]
        left = sorted(folder.glob("*"))
        process.send_signal(signal.SIGCONT)
        assert process.wait() == 0
    assert left == held
    for result in said:
        assert result.exit_code == 5
        (line,) = result.stderr.splitlines()
        assert f"{output}: another run is at work on it; wait for its end, or stop it" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mkv", "out.mkv"]
    assert len(decoded(str(output))) == 180


def test_a_folder_is_removed_with_the_lock_of_a_killed_run_but_not_that_of_a_living_one(tmp_path: Path) -> None:
    folder = tmp_path / ".out.mkv.vdeblur"
    with Claim(folder, "out.mkv") as claim:
        claim.take()
        JobFolder.remove_at(folder)
        assert [path.name for path in folder.iterdir()] == [LOCK_FILE]
    assert not folder.exists()
    folder.mkdir()
    (folder / LOCK_FILE).touch()
    JobFolder.remove_at(folder)
    assert not folder.exists()


def test_no_resume_goes_through_in_one_piece(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    folder = stopped(film, output)
    assert run(film, "-o", output, *SETTINGS, "--no-resume").exit_code == 0
    assert not folder.exists()
    assert len(decoded(str(output))) == 180


def test_an_output_that_exists_is_refused_before_the_work(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    output.write_bytes(b"precious")
    result = run(film, "-o", output, *SETTINGS)
    assert result.exit_code == 5
    assert "already exists" in result.stderr
    assert output.read_bytes() == b"precious"
    assert not folder_of(str(output)).exists()


def test_restore_takes_a_path_as_the_command_does(tmp_path: Path) -> None:
    clip = Path(videos.write(tmp_path / "in.mkv", videos.Recipe(videos.frames(3, size=(64, 48)), codec="ffv1")))
    summary = vdeblur.restore(clip)
    assert (summary.frames, summary.output) == (3, str(tmp_path / "in.deblur.mkv"))
    assert len(decoded(summary.output)) == 3
    with pytest.raises(OutputError, match="already exists"):
        vdeblur.restore(str(clip))
