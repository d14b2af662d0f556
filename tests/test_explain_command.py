"""`vdeblur explain`: what it writes, what it refuses, and the evidence beside a restored video."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import ROOT, run
from support.explained import write_model
from support.networks import tiny
from support.videos import footage


@pytest.fixture
def model(tmp_path: Path) -> str:
    return write_model(tmp_path / "random.safetensors", tiny("convlstm", residual=0.3))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return footage(tmp_path / "clip.mp4", frames=8, cut_at=5)


def test_a_page_pictures_and_figures(tmp_path: Path, clip: Path, model: str) -> None:
    words = ("explain", clip, "-m", model, "-d", "cpu", "--views", "2")
    done = run(*words, "--frames", "2-4", "--images", tmp_path / "maps", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [frame["frame"] for frame in told["frames"]] == [2, 3, 4]
    assert (tmp_path / "clip.explained.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "maps" / "000003-sources.png").is_file()

    again = run(*words, "--at", "0.1")
    assert again.exit_code == 5
    assert "already exists" in again.stderr
    assert run(*words, "--at", "0.1", "-y", "-q").stderr == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--point", "64,10"), 3, "is outside the frames of 64x48"),
        (("--at", "0:09"), 3, "no frame is shown at 9 s"),
        (("--point", "here"), 2, "not a pixel such as 320,180"),
        (("--frames", "9-2"), 2, "not a range of frames"),
        (("--frames", "1-2", "--at", "0"), 2, "give one of them"),
        (("--frames", "90-120"), 3, "no frame 90; it has 8"),
        (("-m", "fats"), 3, 'did you mean "fast"?'),
        (("-o", "findings.json", "--json"), 2, "name it .html"),
        (("-o", "/nowhere/page.html"), 5, "cannot write the page"),
        (("--evidence", "nothing.mp4"), 3, "nothing.mp4: no such file"),
        (("--evidence", "x.mp4", "--at", "0"), 2, "--evidence covers all frames"),
    ],
)
def test_usage_errors_are_one_line(clip: Path, model: str, words: tuple[str, ...], code: int, said: str) -> None:
    done = run("explain", clip, "-m", model, "-d", "cpu", "--views", "1", *words)
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_page_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    done = run("explain", tmp_path / "no clip.mp4", "-o", tmp_path / "absent/page.html")
    assert (done.exit_code, len(done.stderr.splitlines())) == (5, 1)
    assert "absent/page.html: cannot write the page" in done.stderr


@pytest.mark.needs("linux")
def test_findings_are_printed_though_the_page_turns_out_not_to_fit(tmp_path: Path, clip: Path, model: str) -> None:
    code = (  # no file may grow, as on a disk that others have filled during the work
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "from vdeblur.cli import main; sys.argv[0] = 'vdeblur'; main()"
    )
    words = ["explain", str(clip), "-m", model, "-d", "cpu", "--views", "1", "--json"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 5, done.stderr
    assert len(json.loads(done.stdout)["frames"]) == 8
    assert "clip.explained.html: cannot write the page" in done.stderr


def test_evidence_ties_a_restored_video_to_its_input(tmp_path: Path, clip: Path, model: str) -> None:
    output = tmp_path / "clip.deblur.mp4"
    assert run(clip, "-o", output, "-m", model, "-d", "cpu", "--precision", "fp32", "--crf", "4").exit_code == 0
    words = ("explain", clip, "-m", model, "-d", "cpu", "--views", "2", "-y")
    done = run(*words, "--evidence", output)
    assert done.exit_code == 0, done.output
    assert "agrees" in done.stderr
    told = json.loads((tmp_path / "clip.deblur.mp4.evidence.json").read_text())
    assert told["agrees"]
    assert told["agreement_db"]["least"] > 40
    for name, file in (("input", clip), ("output", output), ("model", Path(model))):
        assert told[name]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert told["cuts"] == [5]
    assert told["fallbacks"] == []
    assert told["settings"] == {"precision": "fp32", "views": 2, "scene_cuts": True}
    assert len(told["frames"]) == 8
    assert all(frame["shares"] and frame["spread"] is not None for frame in told["frames"])
    assert [frame["pts"] for frame in told["frames"]] == sorted(frame["pts"] for frame in told["frames"])


def test_evidence_does_not_agree_with_another_video(tmp_path: Path, clip: Path, model: str) -> None:
    other = footage(tmp_path / "other.mp4", frames=8, cut_at=2)
    words = ("explain", clip, "-m", model, "-d", "cpu", "--views", "1", "-y")
    done = run(*words, "--evidence", other)
    assert done.exit_code == 0
    assert "DOES NOT AGREE" in done.stderr
    assert not json.loads(Path(f"{other}.evidence.json").read_text())["agrees"]

    for frames, said in ((5, "ends after 5 frames"), (11, "3 frames more")):
        wrong = footage(tmp_path / f"{frames}.mp4", frames=frames)
        done = run(*words, "--evidence", wrong)
        assert done.exit_code == 3
        assert said in done.stderr
        assert not Path(f"{wrong}.evidence.json").exists()
    small = footage(tmp_path / "small.mp4", frames=8, size=(32, 32))
    done = run(*words, "--evidence", small)
    assert done.exit_code == 3
    assert "32x32" in done.stderr


def test_a_filter_says_what_it_can(tmp_path: Path, clip: Path) -> None:
    done = run("explain", clip, "-m", "unsharp", "--json")
    assert done.exit_code == 0, done.output
    assert all(frame["shares"] is None for frame in json.loads(done.stdout)["frames"])
    assert "data-name" not in (tmp_path / "clip.explained.html").read_text()
