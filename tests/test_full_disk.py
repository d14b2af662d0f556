"""A disk that is really full, at every stage of a job: a small file system that the test mounts, where it may."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from support import videos
from support.commands import ROOT, run
from support.needs import require
from support.videos import Recipe, frames, noise, packets, write
from vdeblur.jobs.folder import folder_of

LINE = "the disk is full; make room and run the same command again"
Mount = Callable[[int], Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Give a disk of so many KiB, or let the same disk grow to as many."""
    require("root")
    disk = tmp_path / "disk"
    disk.mkdir()

    def mounted(kib: int) -> Path:
        again = "remount," if os.path.ismount(disk) else ""
        words = ["mount", "-t", "tmpfs", "-o", f"{again}size={kib}k", "vdeblur-test", str(disk)]
        subprocess.run(words, check=True)
        return disk

    yield mounted
    if os.path.ismount(disk):
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture
def loud(tmp_path: Path) -> str:
    """About 0.9 MB that no encoder makes much smaller."""
    return write(tmp_path / "in.mkv", Recipe(frames(30, size=(160, 120), make=noise), codec="ffv1"))


@pytest.mark.parametrize("kib", [4, 300])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.mkv", ("--codec", "ffv1")),
        ("out.mp4", ("--codec", "ffv1")),
        ("out.nut", ("--codec", "ffv1")),
        ("out.ts", ("--codec", "h264", "--crf", "1")),
        ("out.avi", ("--codec", "ffv1")),
        ("pictures/%05d.png", ()),
    ],
)
def test_a_plain_output_is_one_line_and_leaves_nothing(
    loud: str, mount: Mount, name: str, words: tuple[str, ...], kib: int
) -> None:
    disk = mount(kib)
    result = run(loud, "-o", f"{disk}/{name}", "-m", "unsharp", *words)
    assert result.exit_code == 5, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"vdeblur: error: {disk}/{name}: ")
    assert line.endswith(LINE)
    assert list(disk.iterdir()) == []


def test_an_existing_output_is_unchanged_after_a_failure(loud: str, mount: Mount) -> None:
    disk = mount(300)
    (disk / "out.mkv").write_bytes(b"precious")
    assert run(loud, "-o", disk / "out.mkv", "-m", "unsharp", "--codec", "ffv1", "-y").exit_code == 5
    assert (disk / "out.mkv").read_bytes() == b"precious"
    assert os.listdir(disk) == ["out.mkv"]


@pytest.mark.needs("linux")
@pytest.mark.parametrize("words", [("-f", "mkv", "--codec", "ffv1"), ("-f", "y4m"), ("-f", "mp4")])
def test_a_pipe_into_a_full_disk(loud: str, words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "vdeblur", loud, "-o", "-", "-m", "unsharp", *words]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert done.returncode == 5
    assert done.stderr == f"vdeblur: error: standard output: cannot be written: {LINE}\n"


@pytest.fixture
def film(tmp_path: Path) -> str:
    """Ninety seconds at two frames a second: eight segments, each of some 25 KB."""
    shot = frames(180, pts=[500 * i for i in range(180)], time_base=Fraction(1, 1000), make=noise)
    return write(tmp_path / "film.mkv", Recipe(shot, codec="ffv1", rate=Fraction(2)))


@pytest.mark.parametrize(
    ("kib", "kept"),
    [
        (4, range(1)),  # the plan itself
        (24, range(1)),  # the first segment
        (300, range(1, 8)),  # one of the others
        (1400, range(8, 9)),  # the joining, which needs as much again
    ],
)
def test_finished_parts_of_a_long_job_are_kept_and_used(
    film: str, tmp_path: Path, mount: Mount, kib: int, kept: range
) -> None:
    disk = mount(kib)
    out = disk / "out.mkv"
    words = (film, "-o", out, "-m", "unsharp", "--codec", "ffv1")
    result = run(*words)
    assert result.exit_code == 5, result.stderr
    *before, line = result.stderr.splitlines()
    assert line.endswith(LINE)
    folder = folder_of(str(out))
    done = {path.stem for path in folder.glob("0*.json")}
    assert len(done) in kept
    assert {path.stem for path in folder.glob("0*.mkv")} == done
    assert not out.exists()
    assert list(disk.rglob("*.part")) == []
    assert os.listdir(disk) == ([folder.name] if done else [])
    assert [("run the same command to resume" in said) for said in before] == [True] * bool(done)

    mount(8000)
    again = run(*words)
    assert again.exit_code == 0, again.stderr
    assert (f"resuming, {len(done)} of" in again.stderr) == bool(done)
    assert os.listdir(disk) == ["out.mkv"]
    assert len(packets(str(out), "video")) == 180
    whole = str(tmp_path / "whole.mkv")
    assert run(film, "-o", whole, "-m", "unsharp", "--codec", "ffv1", "--no-resume").exit_code == 0
    assert videos.packets(whole, "video") == videos.packets(str(out), "video")
