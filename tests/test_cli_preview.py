"""`--preview`: the most blurred seconds, before and after, and an honest word about the whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from support.commands import ROOT, run
from support.videos import count_frames, footage
from vdeblur.cli.restore import PREVIEW_SECONDS
from vdeblur.jobs.most_blurred import WHOLE_SECONDS, most_blurred
from vdeblur.media.options import SourceOptions

FILTER = ("-m", "unsharp")
RATE = 10


def blurred_between(path: Path, seconds: float, start: float, end: float) -> Path:
    """A drifting texture, smeared from `start` to `end` (seconds)."""
    random = np.random.default_rng(3)
    texture = cv2.resize(
        random.integers(0, 256, (40, 60, 3)).astype(np.uint8), (240, 160), interpolation=cv2.INTER_NEAREST
    )
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 240, 160, "yuv420p"
        for index in range(round(seconds * RATE)):
            picture = np.roll(texture, 3 * index, axis=1)
            if start <= index / RATE < end:
                picture = cv2.blur(picture, (13, 1))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture, np.uint8), format="bgr24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blurred_between(tmp_path_factory.mktemp("clip") / "clip.mp4", 12, 6, 9)


def size_of_frames(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.width, stream.height


def test_the_preview_shows_the_most_blurred_seconds_before_and_after(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "look.mp4"
    result = run(clip, "--preview", "2", "-o", out, *FILTER, "--json")
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    assert 5.7 <= said["start_seconds"] <= 7.3
    assert said["seconds"] == 2
    assert said["frames"] == count_frames(out) == 2 * RATE
    assert size_of_frames(out) == (480, 160)
    assert said["blur_px"] > 2 * most_blurred(str(clip), SourceOptions(end_seconds=5), 2).blur_px
    with av.open(str(out)) as container:
        first = next(container.decode(video=0)).to_ndarray(format="gray")
    left, right = (
        cv2.Laplacian(side.astype(np.float32), cv2.CV_32F).var() for side in (first[:, :240], first[:, 240:])
    )
    assert right > left  # before on the left, sharpened on the right


def test_a_long_video_is_searched_without_decoding_it_all(tmp_path: Path) -> None:
    long = blurred_between(tmp_path / "long.mp4", 2 * WHOLE_SECONDS, 80, 86)
    part = most_blurred(str(long), SourceOptions(), 4)
    assert 79 <= part.start <= 83
    within = most_blurred(str(long), SourceOptions(start_seconds=10, end_seconds=30), 4)
    assert 10 <= within.start <= 26
    assert within.blur_px < part.blur_px / 2


def test_the_estimated_memory_of_whole_frames_is_near_the_measured(clip: Path, tmp_path: Path) -> None:
    """Its size, since it is no matter of a busy machine."""
    said = json.loads(run(clip, "--preview", "4", "-o", tmp_path / "look.mp4", *FILTER, "--json").stdout)
    whole = json.loads(run(clip, "-o", tmp_path / "whole.mp4", *FILTER, "--json").stdout)
    assert whole["output_bytes"] / 3 < said["whole_bytes"] < whole["output_bytes"] * 3
    assert said["whole_seconds"] > 0
    assert said["input_bytes"] == clip.stat().st_size
    text = run(clip, "--preview", "4", "-o", tmp_path / "again.mp4", *FILTER).stderr
    assert "the whole would take about 0:" in text
    assert "(input: " in text


@pytest.mark.parametrize("behind", [False, True])
def test_the_seconds_may_be_left_out_wherever_it_stands(tmp_path: Path, behind: bool) -> None:
    clip = footage(tmp_path / "in.mp4", frames=10)
    words = [str(clip), "--preview"] if behind else ["--preview", str(clip)]
    result = run(*words, *FILTER, "--json")
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["output"] == str(tmp_path / "in.preview.mp4")
    assert said["seconds"] == pytest.approx(0.4)  # less than PREVIEW_SECONDS: all there is
    assert said["seconds"] < PREVIEW_SECONDS
    assert count_frames(tmp_path / "in.preview.mp4") == 10
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", "in.preview.mp4"}


def test_split_options_and_image_sequences_work_as_without_it(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "look.mkv"
    words = ("--compare", "split", "--codec", "ffv1", "--pix-fmt", "yuv444p", "--ss", "1", "-t", "3")
    result = run(clip, "--preview", "1", "-o", out, *FILTER, *words, "--json")
    assert result.exit_code == 0, result.stderr
    assert size_of_frames(out) == (240, 160)
    assert 1 <= json.loads(result.stdout)["start_seconds"] <= 3
    frames = tmp_path / "frames"
    assert run(clip, "-o", frames / "%03d.png", *FILTER, "-t", "1").exit_code == 0
    assert run(frames, "--preview", "0.5", "-r", "10", *FILTER).exit_code == 0
    assert count_frames(tmp_path / "frames.preview.mp4") == 5


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("clip.mp4", "clip.mp4", "--preview"), 2, "one input"),
        (("-", "--preview"), 2, "pipe"),
        (("clip.mp4", "--preview", "--dry-run"), 2, "use one of them"),
        (("clip.mp4", "--preview", "-o", "-"), 2, "takes one input and writes a file"),
        (("clip.mp4", "--preview=0"), 2, "--preview"),
        (("clip.mp4", "--preview=soon"), 2, "--preview"),
        (("clip.mp4", "--preview", "-o", "taken.mp4"), 5, "already exists"),
        (("clip.mp4", "--preview", "--ss", "99"), 3, "no frame"),
        (("text.mp4", "--preview"), 3, "text.mp4"),
    ],
)
def test_unusable_inputs_of_a_preview_are_one_line_errors(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clip.mp4").write_bytes(clip.read_bytes())
    Path("taken.mp4").write_bytes(b"precious")
    Path("text.mp4").write_text("not a film\n" * 50)
    before = sorted(tmp_path.iterdir())
    result = run(*words, *FILTER)
    assert result.exit_code == code
    (line,) = result.stderr.splitlines()
    assert said in line
    assert sorted(tmp_path.iterdir()) == before
    assert Path("taken.mp4").read_bytes() == b"precious"


@pytest.mark.needs("linux")
def test_the_preview_opens_only_on_a_terminal_and_without_a_named_output(tmp_path: Path) -> None:
    """With the program that opens files replaced by one that notes what it was given."""
    import pty

    footage(tmp_path / "in.mp4", frames=5)
    opener = tmp_path / "xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path}/opened"\n')
    opener.chmod(0o755)
    paths = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    environment = os.environ | {"PATH": paths, "DISPLAY": ":99", "PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT))}
    terminal, screen = pty.openpty()
    command = [sys.executable, "-m", "vdeblur", str(tmp_path / "in.mp4"), "--preview", *FILTER]
    for words, opened in ((["-o", str(tmp_path / "named.mp4")], False), ([], True)):
        subprocess.run([*command, *words], check=True, stdout=screen, stderr=subprocess.PIPE, env=environment, cwd=ROOT)
        deadline = time.monotonic() + (10 if opened else 0)
        while not (tmp_path / "opened").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (tmp_path / "opened").exists() == opened
    os.close(terminal)
    os.close(screen)
    assert (tmp_path / "opened").read_text().strip() == str(tmp_path / "in.preview.mp4")
