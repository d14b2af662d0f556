"""A watched folder: what appears is restored once, and not before it is whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from support.batches import JOB, OPTIONS, Here, write_sequence
from support.videos import count_frames, footage
from vdeblur.batch.journal import stat_of
from vdeblur.batch.request import Request
from vdeblur.batch.scheduler import BatchRun
from vdeblur.batch.units import Prepare
from vdeblur.batch.watching import Settling, watch
from vdeblur.errors import UsageError

SETTLED = 1.0


class Enough(Exception):
    """What was awaited has come."""


def watched(folder: Path, ready: Callable[[BatchRun], bool], executor: Here) -> BatchRun:
    """Watch a folder until `ready`; each unit's input must have its last size when it is restored."""
    request = Request((str(folder),), str(folder.parent / "out"), JOB, OPTIONS, recursive=True, watch=True)
    batch = BatchRun([], JOB, str(request.output), OPTIONS)
    deadline = time.monotonic() + 60

    def look(batch: BatchRun) -> None:
        if ready(batch):
            raise Enough
        assert time.monotonic() < deadline

    with pytest.raises(Enough):
        watch(batch, request, executor, look, Settling(SETTLED))
    return batch


def all_done(count: int) -> Callable[[BatchRun], bool]:
    return lambda batch: sum(task.status == "done" for task in batch.tasks) == count


def test_a_file_is_taken_when_it_has_stopped_growing(tmp_path: Path) -> None:
    made = tmp_path / "in"
    (made / "below").mkdir(parents=True)
    footage(made / "there.mp4", frames=4)
    whole = footage(tmp_path / "copied.mkv", frames=30).read_bytes()

    def copy() -> None:
        """As slowly as over a network: ten parts, the pauses together longer than a file takes to settle."""
        with (made / "below" / "growing.mkv").open("wb", buffering=0) as file:
            for part in range(10):
                file.write(whole[len(whole) * part // 10 : len(whole) * (part + 1) // 10])
                time.sleep(SETTLED / 4)

    sizes: list[tuple[int, int] | None] = []

    def note(unit: Any) -> None:
        if isinstance(unit, Prepare) and unit.job.input.endswith("growing.mkv"):
            sizes.append(stat_of(unit.job.input))

    copying = Thread(target=copy)
    copying.start()
    batch = watched(made, all_done(2), Here(note))
    copying.join()
    assert [stat and stat[0] for stat in sizes] == [len(whole)]
    assert count_frames(tmp_path / "out" / "below" / "growing.mkv") == 30
    assert count_frames(tmp_path / "out" / "there.mp4") == 4
    assert len(batch.tasks) == 2
    assert (tmp_path / "out" / "report.html").exists()


def test_a_file_whose_copy_stalled_is_restored_again_when_complete(tmp_path: Path) -> None:
    made = tmp_path / "in"
    made.mkdir()
    whole = footage(tmp_path / "copied.mp4", frames=9).read_bytes()
    (made / "a.mp4").write_bytes(whole[: len(whole) // 2])
    seen: list[str] = []

    def ready(batch: BatchRun) -> bool:
        seen.extend(task.status for task in batch.tasks)
        if "failed" in seen and len(whole) > (made / "a.mp4").stat().st_size:
            (made / "a.mp4").write_bytes(whole)
        return all_done(1)(batch)

    batch = watched(made, ready, Here())
    assert "failed" in seen
    assert len(batch.tasks) == 1
    assert count_frames(tmp_path / "out" / "a.mp4") == 9


def test_a_folder_of_images_is_restored_once_it_has_stopped_growing(tmp_path: Path) -> None:
    made = tmp_path / "in"
    made.mkdir()
    shot = write_sequence(tmp_path / "shot", 6)

    def copy() -> None:
        (made / "shot").mkdir()
        for picture in sorted(shot.iterdir()):
            (made / "shot" / picture.name).write_bytes(picture.read_bytes())
            time.sleep(SETTLED / 3)

    copying = Thread(target=copy)
    copying.start()
    watched(made, all_done(1), Here())
    copying.join()
    assert len(list((tmp_path / "out" / "shot").glob("*.png"))) == 6


def test_a_file_whose_output_is_anothers_is_named_and_the_others_are_restored(tmp_path: Path) -> None:
    made = tmp_path / "in"
    made.mkdir()
    footage(made / "a.mkv", frames=4)
    footage(tmp_path / "film.avi", frames=5).rename(made / "a.wmv")

    def results(batch: BatchRun) -> dict[str, str | None]:
        return {Path(task.item.input).name: task.error or task.status for task in batch.tasks}

    out = tmp_path / "out" / "a.mkv"
    clash = f"{made / 'a.wmv'}: would be written to {out}, as is {made / 'a.mkv'}; rename it"

    def ready(batch: BatchRun) -> bool:
        if len(batch.tasks) == 2 and not (made / "later.mkv").exists():
            footage(made / "later.mkv", frames=3)
        return all_done(2)(batch)

    assert results(watched(made, ready, Here())) == {"a.mkv": "done", "a.wmv": clash, "later.mkv": "done"}
    (made / "a.mkv").rename(made / "b.mkv")  # after a restart, the input that has the output keeps it
    (tmp_path / "out" / "later.mkv").unlink()
    watched(made, all_done(3), Here())
    assert (count_frames(out), count_frames(tmp_path / "out" / "b.mkv")) == (5, 4)
    (made / "b.mkv").rename(made / "a.mkv")
    batch = watched(made, lambda batch: len(batch.tasks) == 3, Here())
    assert results(batch)["a.mkv"] == f"{made / 'a.mkv'}: would be written to {out}, as is {made / 'a.wmv'}; rename it"
    assert count_frames(out) == 5


def test_folders_that_cannot_be_watched_are_reported(tmp_path: Path) -> None:
    file = footage(tmp_path / "a.mp4", frames=2)
    for request, wrong in (
        (Request((str(file),), str(tmp_path / "out"), JOB, OPTIONS), "at least one folder"),
        (Request((str(tmp_path),), str(tmp_path / "out"), JOB, OPTIONS, name="{index}{suffix}"), "{index}"),
    ):
        with pytest.raises(UsageError, match=wrong):
            watch(BatchRun([], JOB, str(request.output), OPTIONS), request, Here(), lambda _: None)
