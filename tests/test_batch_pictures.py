"""Folders of numbered pictures in a batch: each is one job, as a file is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.batches import JOB, OPTIONS, SETTINGS, Here, batch_command, batch_of, statuses, write_sequence
from support.commands import ROOT
from support.videos import count_frames, footage
from vdeblur.batch.collect import collect
from vdeblur.batch.scheduler import BatchRun
from vdeblur.errors import UsageError
from vdeblur.jobs.job import Job
from vdeblur.jobs.whole import restore_whole
from vdeblur.loading import ModelOptions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two shots as pictures, one of them below; a film; photographs that are no sequence; a shot beside a folder."""
    made = tmp_path / "in"
    write_sequence(made / "shot.v1", 12, "{}.png")
    write_sequence(made / "day 2" / "shot", 4, "IMG_{:04}-a.jpg")
    footage(made / "film.mp4", frames=5)
    write_sequence(made / "stills", 3)
    (made / "stills" / "frame_0001.png").rename(made / "stills" / "cover.png")
    footage(write_sequence(made / "mixed", 3) / "take.mp4", frames=4)
    return made


SHOTS = ["film.mp4", "shot.v1/", "day 2/shot/", "mixed/take.mp4"]


def test_a_folder_of_numbered_pictures_is_one_item(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)

    def found(*paths: str, recursive: bool = False, name: str = "{stem}{suffix}") -> list[str]:
        items = collect(paths, "out", recursive=recursive, name=name)
        return [item.output.removeprefix(f"{folder}/out/") for item in items]

    assert sorted(found(".", recursive=True)) == sorted(SHOTS)
    assert found(".") == ["film.mp4", "shot.v1/"]
    assert found("shot.v1", "day 2/shot") == ["shot.v1/", "shot/"]
    assert found("day 2/*") == ["shot/"]
    assert found("shot.v1/%d.png") == ["shot.v1/"]
    assert found("shot.v1", name="{index}-{stem}.clean{suffix}") == ["00000-shot.v1.clean/"]
    assert found("shot.v1", name="{stem}.clean") == ["shot.v1.clean/"]
    assert found("shot.v1", name="{stem}.mkv") == ["shot.v1.mkv"]
    assert found("stills/cover.png", name="{stem}-a") == ["cover-a.png"]
    kept = collect(["."], "out", recursive=True, include=["shot*"])
    assert [Path(item.input).name for item in kept] == ["shot.v1", "shot"]
    with pytest.raises(UsageError, match="would both be written to"):
        collect(["shot.v1", "day 2/shot"], "out", name="same{suffix}")
    with pytest.raises(UsageError, match="must name a file"):
        collect(["film.mp4"], "out", name="{stem}/")
    Path("shot.v1", "more").mkdir()
    assert found(".") == ["film.mp4"]


def test_images_in_a_batch_give_the_result_of_a_single_command(folder: Path) -> None:
    batch = batch_of(folder)
    batch.run(Here())
    assert statuses(batch) == dict.fromkeys(("film.mp4", "shot.v1", "shot", "take.mp4"), "done")
    shot = folder.parent / "out" / "shot.v1"
    assert len(list((folder.parent / "out" / "day 2" / "shot").glob("*.jpg"))) == 4
    assert sorted(path.name for path in shot.iterdir()) == sorted(f"{number}.png" for number in range(12))
    restore_whole(Job(str(folder / "shot.v1"), f"{folder.parent / 'alone'}/", ModelOptions("unsharp")))
    alone = {path.name: path.read_bytes() for path in (folder.parent / "alone").iterdir()}
    assert alone == {path.name: path.read_bytes() for path in shot.iterdir()}
    (task,) = [task for task in batch.tasks if task.item.input.endswith("shot.v1")]
    assert task.thumbnails
    assert task.result["frames"] == task.result["touched"] == 12


def test_the_journal_identifies_images_by_content(folder: Path) -> None:
    batch_of(folder).run(Here())
    for picture in (folder / "shot.v1").iterdir():
        os.utime(picture)
    executor = Here()
    again = batch_of(folder)
    again.run(executor)
    assert (set(statuses(again).values()), executor.units) == ({"skipped"}, [])
    shutil.copy(folder / "shot.v1" / "3.png", folder / "shot.v1" / "4.png")  # another picture
    (folder / "day 2" / "shot" / "IMG_0002-a.jpg").unlink()  # one less
    (folder.parent / "out" / "shot.v1" / ".thumbs").touch()  # a viewer has been there
    changed = batch_of(folder)
    changed.run(Here())
    redone = {"film.mp4": "skipped", "take.mp4": "skipped", "shot.v1": "done", "shot": "done"}
    assert statuses(changed) == redone
    (folder.parent / "out" / "shot.v1" / "3.png").unlink()  # someone was at the output
    foreign = batch_of(folder)
    foreign.run(Here())
    assert statuses(foreign)["shot.v1"] == "foreign"


def test_images_become_a_video_if_the_template_says_so(folder: Path) -> None:
    out = folder.parent / "out"
    batch = BatchRun(collect([str(folder / "shot.v1")], str(out), name="{stem}.mkv"), JOB, str(out), OPTIONS)
    batch.run(Here())
    assert count_frames(out / "shot.v1.mkv") == 12


def test_a_kill_leaves_no_incomplete_folder_and_the_same_command_finishes(tmp_path: Path) -> None:
    made = write_sequence(tmp_path / "in", 90, size=(400, 300))
    out = tmp_path / "out"
    words = [str(made), "-o", str(out), *SETTINGS, "--jobs", "1"]
    command = [sys.executable, "-m", "vdeblur", "batch", *words]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as process:
        deadline = time.monotonic() + 120
        while len(list(out.glob(".in.vdeblur/*/*.png"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
    assert 3 <= len(list(out.glob(".in.vdeblur/*/*.png"))) < 90
    assert not (out / "in").exists()
    assert batch_command(*words).exit_code == 0
    assert len(list((out / "in").glob("*.png"))) == 90
    assert sorted(path.name for path in out.iterdir()) == [".vdeblur-batch", "in", "report.html", "report.json"]
