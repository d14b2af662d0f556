"""A batch: every good file is there once, faults stay with their file, and a kill costs no more than a segment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from click.testing import Result
from skimage import data

from support import videos
from support.batches import JOB, OPTIONS, SETTINGS, SHORT, Here, batch_command, batch_of, statuses
from support.commands import ROOT, run
from support.videos import count_frames, decoded, footage, largest_difference
from vdeblur.batch.collect import collect
from vdeblur.batch.journal import Journal
from vdeblur.batch.progress import BatchBars, BatchLines
from vdeblur.batch.report import to_html
from vdeblur.batch.scheduler import BatchOptions, BatchRun
from vdeblur.batch.units import Restore, Whole, run_unit
from vdeblur.batch.workers import WorkerDied, Workers
from vdeblur.errors import InputError, OutputError, UsageError
from vdeblur.frames import Layout
from vdeblur.jobs.job import Job
from vdeblur.jobs.plan import Cutting
from vdeblur.loading import ModelOptions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three short files, one of them below; one long enough for segments; one that is none."""
    made = tmp_path / "in"
    (made / "sub").mkdir(parents=True)
    footage(made / "a.mp4", audio=True)
    footage(made / "b.mp4", frames=9)
    footage(made / "sub" / "c.mkv", frames=5)
    videos.write(made / "long.mkv", videos.Recipe(videos.frames(40), options={"g": "11"}))
    (made / "broken.mp4").write_bytes(b"no film" * 20)
    return made


GOOD = {"a.mp4": "done", "b.mp4": "done", "c.mkv": "done", "long.mkv": "done", "broken.mp4": "failed"}


def test_one_failure_does_not_stop_other_files_and_finished_work_is_not_repeated(folder: Path) -> None:
    batch = batch_of(folder)
    batch.run(Here())
    assert statuses(batch) == GOOD
    assert batch.failures == 1
    out = folder.parent / "out"
    assert [count_frames(out / name) for name in ("a.mp4", "b.mp4", "sub/c.mkv", "long.mkv")] == [12, 9, 5, 40]
    again = batch_of(folder)
    executor = Here()
    again.run(executor)
    assert executor.units == []
    assert set(statuses(again).values()) == {"skipped", "failed"}
    assert all(task.result["frames"] and task.thumbnails for task in again.tasks if task.status == "skipped")


def test_the_journal_identifies_files_by_content_not_name(folder: Path) -> None:
    batch_of(folder).run(Here())
    out = folder.parent / "out"
    os.utime(folder / "a.mp4")  # the same film
    shutil.copy(folder / "sub" / "c.mkv", folder / "b.mp4")  # another film
    footage(out / "long.mkv", frames=3)  # someone else's output
    executor = Here()
    batch = batch_of(folder)
    batch.run(executor)
    found = statuses(batch)
    assert (found["a.mp4"], found["b.mp4"], found["long.mkv"]) == ("skipped", "done", "foreign")
    assert count_frames(out / "b.mp4") == 5
    assert count_frames(out / "long.mkv") == 3
    changed = batch_of(folder, job=Job("", None, ModelOptions("unsharp"), strength=0.5))
    changed.run(Here())
    assert statuses(changed) == GOOD | {"long.mkv": "foreign"}
    everything = batch_of(folder, BatchOptions(overwrite=True, min_free_bytes=0, cutting=SHORT))
    everything.run(Here())
    assert statuses(everything) == GOOD


def test_a_truncated_journal_loses_one_line(folder: Path) -> None:
    batch_of(folder).run(Here())
    path = folder.parent / "out" / ".vdeblur-batch" / "journal.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:40])
    again = batch_of(folder)
    assert sorted(statuses(again).values()) == ["failed", "skipped", "skipped", "skipped", "skipped"]
    assert Journal(path).last(again.tasks[0].item.output) is not None


def test_a_unit_that_fails_twice_is_tried_a_third_time(folder: Path) -> None:
    failures = {"left": 2}

    def sometimes(unit: Any) -> None:
        if isinstance(unit, Restore) and failures["left"]:
            failures["left"] -= 1
            raise WorkerDied("killed")

    batch = batch_of(folder)
    batch.run(Here(sometimes))
    assert statuses(batch) == GOOD


def test_the_pause_before_another_try_doubles(tmp_path: Path) -> None:
    tried: list[float] = []

    def never(unit: Any) -> None:
        if isinstance(unit, Whole):
            tried.append(time.monotonic())
            raise OSError("the share is gone")

    made = tmp_path / "in"
    made.mkdir()
    footage(made / "a.mp4", frames=3)
    batch = batch_of(made, replace(OPTIONS, back_off_seconds=0.3))
    batch.run(Here(never))
    assert len(tried) == 3
    assert tried[1] - tried[0] >= 0.3
    assert tried[2] - tried[1] >= 0.6
    assert (batch.tasks[0].status, batch.tasks[0].error) == ("failed", "OSError: the share is gone")


def test_a_segment_that_always_fails_is_passed_through_and_counted(folder: Path) -> None:
    def poison(unit: Any) -> None:
        if isinstance(unit, Restore) and unit.index == 1 and not unit.pass_through:
            raise WorkerDied("killed")

    batch = batch_of(folder)
    batch.run(Here(poison))
    assert statuses(batch) == GOOD | {"long.mkv": "passed"}
    assert batch.failures == 2
    (long,) = [task for task in batch.tasks if task.item.input.endswith("long.mkv")]
    assert (long.result["frames"], long.result["passed_through"]) == (40, 1)
    assert 0 < long.result["touched"] < 40
    healed = batch_of(folder)
    healed.run(Here())
    skipped = dict.fromkeys(("a.mp4", "b.mp4", "c.mkv"), "skipped")
    assert statuses(healed) == GOOD | skipped


def deadly(unit: Any, device: str, on_frames: Callable[[int], None]) -> Any:
    """`do`, in a process that dies of one segment."""
    if isinstance(unit, Restore) and unit.index == 1 and not unit.pass_through:
        os.kill(os.getpid(), signal.SIGKILL)
    return run_unit(unit, device, on_frames)


def test_a_segment_that_kills_every_worker_is_given_up_after_a_few_attempts(folder: Path) -> None:
    for short in ("a.mp4", "b.mp4", "broken.mp4"):
        (folder / short).unlink()
    batch, workers = batch_of(folder, replace(OPTIONS, tries=2)), Workers(deadly, 1, "cpu")
    try:
        batch.run(workers)
    finally:
        workers.stop()
    assert [task.error for task in batch.tasks] == [None, None]
    assert statuses(batch) == {"long.mkv": "passed", "c.mkv": "done"}
    (long,) = [task for task in batch.tasks if task.status == "passed"]
    assert (long.result["frames"], long.result["passed_through"]) == (40, 1)
    assert long.notes == ["segment 1 keeps the source frames: the worker process died"]
    before, after = decoded(long.item.input), decoded(long.item.output)
    same = [largest_difference([a], [b]) == 0 for a, b in zip(before, after, strict=True)]
    assert 0 < sum(same) < 40


def unpicklable(unit: None, device: str, on_frames: Callable[[int], None]) -> None:
    """Raises an error that holds what no pipe takes, as errors of libraries do."""
    raise RuntimeError("the disc is bent", type("MadeAtRunTime", (), {})())


def test_an_error_that_cannot_be_pickled_is_told_in_words() -> None:
    workers = Workers(unpicklable, 1, "cpu")
    try:
        with pytest.raises(RuntimeError, match="the disc is bent"):
            workers.submit(None, lambda _: None).result(60)
    finally:
        workers.stop()


def threads_of_torch(unit: None, device: str, on_frames: Callable[[int], None]) -> int:
    return torch.get_num_threads()


def test_each_worker_uses_its_share_of_the_cores_even_if_torch_was_loaded_before() -> None:
    """This module imports torch, and so does a worker that runs one of its functions, before it knows its share."""
    cores = os.cpu_count() or 1
    workers = Workers(threads_of_torch, cores, "cpu")
    try:
        assert workers.submit(None, lambda _: None).result(60) == 1
    finally:
        workers.stop()


def test_several_processes_give_the_result_of_one_and_a_killed_one_loses_only_its_unit(folder: Path) -> None:
    batch_of(folder).run(Here())
    one = {path.name: decoded(str(path)) for path in (folder.parent / "out").rglob("*.m*")}
    (folder.parent / "out").rename(folder.parent / "one")
    workers = Workers(run_unit, 2, "cpu")
    killed: list[int] = []

    def kill(batch: BatchRun) -> None:
        if not killed and any(task.done_frames for task in batch.tasks) and (pids := workers.pids()):
            os.kill(pids[0], signal.SIGKILL)
            killed.append(pids[0])

    batch = batch_of(folder)
    try:
        batch.run(workers, kill)
    finally:
        workers.stop()
    assert killed
    assert statuses(batch) == GOOD
    two = {path.name: decoded(str(path)) for path in (folder.parent / "out").rglob("*.m*")}
    assert one.keys() == two.keys()
    assert all(largest_difference(one[name], two[name]) == 0 for name in one)
    assert workers.pids() == []


def test_a_worker_that_is_killed_leaves_nothing_of_a_short_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vdeblur.batch.scheduler.POLL_SECONDS", 0.01)  # to meet the worker while it writes
    made, out = tmp_path / "in", tmp_path / "out"
    made.mkdir()
    footage(made / "short.mp4", frames=700)
    out.mkdir()
    (out / ".vdeblur-0123456789ab.part").touch()  # another job's
    batch = BatchRun(collect([str(made)], str(out)), JOB, str(out), replace(OPTIONS, cutting=Cutting()))
    workers = Workers(run_unit, 1, "cpu")
    killed: list[int] = []

    def kill(_: BatchRun) -> None:
        if not killed and list((out / ".short.mp4.vdeblur").glob("*.part")):
            killed.extend(workers.pids())
            os.kill(killed[0], signal.SIGKILL)

    try:
        batch.run(workers, kill)
    finally:
        workers.stop()
    assert killed
    assert statuses(batch) == {"short.mp4": "done"}
    assert count_frames(out / "short.mp4") == 700
    assert sorted(path.name for path in out.iterdir()) == [".vdeblur-0123456789ab.part", ".vdeblur-batch", "short.mp4"]


def test_a_worker_killed_after_writing_its_output_can_be_retried(folder: Path) -> None:
    died: list[str] = []

    def too_late(unit: Any) -> None:
        if isinstance(unit, Whole) and unit.job.input not in died:
            died.append(unit.job.input)
            run_unit(unit, "cpu", lambda _: None)
            raise WorkerDied("killed")

    batch = batch_of(folder)
    batch.run(Here(too_late))
    assert len(died) == 3
    assert statuses(batch) == GOOD


def test_an_input_that_is_moved_away_while_it_is_restored_counts_as_done(folder: Path) -> None:
    class Moving(Here):
        def submit(self, unit: Any, on_frames: Callable[[int], None]) -> Future[Any]:
            ended = super().submit(unit, on_frames)
            if isinstance(unit, Whole) and unit.job.input.endswith("a.mp4"):
                (folder / "a.mp4").rename(folder.parent / "a.mp4")
            return ended

    batch = batch_of(folder)
    batch.run(Moving())
    assert statuses(batch) == GOOD
    (folder.parent / "a.mp4").rename(folder / "a.mp4")
    again = batch_of(folder)
    assert statuses(again)["a.mp4"] == "skipped"
    assert {task.result["frames"] for task in again.tasks if task.item.input.endswith("a.mp4")} == {12}


def test_a_batch_that_is_stopped_in_mid_file_leaves_nothing_of_it(tmp_path: Path) -> None:
    made, out = tmp_path / "in", tmp_path / "out"
    made.mkdir()
    footage(made / "short.mp4", frames=700)
    command = [sys.executable, "-m", "vdeblur", "batch", str(made), "-o", str(out), *SETTINGS, "--jobs", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        while process.poll() is None and not list(out.rglob(".vdeblur-*.part")):
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 143, said
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == [".vdeblur-batch"]


def test_a_full_disk_is_reported_before_the_work(folder: Path) -> None:
    batch = batch_of(folder, BatchOptions(min_free_bytes=1 << 60, cutting=SHORT))
    with pytest.raises(OutputError, match=r"GB free, about .* plus 1152921504\.6 GB in reserve needed"):
        batch.run(Here())
    assert not (folder.parent / "out" / "a.mp4").exists()


def test_a_disk_that_fills_up_ends_the_batch_and_the_same_one_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage

    def filling(path: Path) -> Any:
        made = list((folder.parent / "out").glob("[!.]*.m*"))
        return real(path)._replace(free=0 if made else 1 << 40)

    options = replace(OPTIONS, min_free_bytes=1 << 20)
    monkeypatch.setattr("vdeblur.batch.scheduler.shutil.disk_usage", filling)
    batch = batch_of(folder, options)
    with pytest.raises(OutputError, match=": 0 kB free"):
        batch.run(Here())
    assert 0 < list(statuses(batch).values()).count("done") < 4
    monkeypatch.setattr("vdeblur.batch.scheduler.shutil.disk_usage", real)
    again = batch_of(folder, options)
    again.run(Here())
    assert set(statuses(again).values()) == {"done", "skipped", "failed"}


def test_only_blurred_frames_are_changed_and_counted(tmp_path: Path) -> None:
    sharp = data.camera()[:200, :200]
    smooth = cv2.blur(sharp, (25, 1))
    frames = videos.frames(40, Layout("gray"), size=(200, 200))
    frames = [replace(f, planes=(smooth if 12 <= i < 22 else sharp,)) for i, f in enumerate(frames)]
    made = tmp_path / "in"
    made.mkdir()
    videos.write(made / "a.mkv", videos.Recipe(frames, codec="ffv1"))
    batch = batch_of(made, job=replace(JOB, only_blurred=0.0))
    batch.run(Here())
    (task,) = batch.tasks
    assert (task.status, task.result["touched"]) == ("done", 10)
    pairs = zip(decoded(str(made / "a.mkv")), decoded(task.item.output), strict=True)
    changed = [number for number, (a, b) in enumerate(pairs) if largest_difference([a], [b])]
    assert changed == list(range(12, 22))
    assert '<td class="n" data-name="touched">25 %</td>' in to_html(batch)


# -- progress --------------------------------------------------------------------------------------------------------


def test_progress_as_json_goes_from_nothing_to_all(folder: Path) -> None:
    said: list[str] = []
    batch = batch_of(folder)
    with BatchLines(said.append) as shown:
        batch.run(Here(), shown.update)
    lines = [json.loads(line) for line in said]
    first, last = lines[0], lines[-1]
    assert first["share"] < 1
    assert (last["files"], last["files_over"], last["failures"], last["share"]) == (5, 5, 1, 1.0)
    assert last["frames"] == 12 + 9 + 5 + 40
    shares = [line["share"] for line in lines]
    assert shares == sorted(shares)


def test_two_bars_show_all_files_and_the_current_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = batch_of(folder)
    with BatchBars(force=True) as shown:
        batch.run(Here(), shown.update)
    drawn = capsys.readouterr().err
    assert "/5 files" in drawn
    assert "long.mkv, 0/40 frames" in drawn


# -- the command -----------------------------------------------------------------------------------------------------


def test_the_command_reports_and_exits_with_7(folder: Path, tmp_path: Path) -> None:
    result = batch_command(folder, "-o", tmp_path / "out", *SETTINGS, "--recursive", "--json", "--jobs", "1")
    assert result.exit_code == 7
    report = json.loads(result.stdout)
    assert report["counts"]["done"] == 4
    assert report["counts"]["failed"] == 1
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 8
    assert "broken.mp4" in page
    (folder / "broken.mp4").unlink()
    assert batch_command(folder, "-o", tmp_path / "out", *SETTINGS, "--recursive").exit_code == 0


def test_a_dry_run_estimates_and_writes_no_output(folder: Path, tmp_path: Path) -> None:
    result = batch_command(folder, "-o", tmp_path / "out", *SETTINGS, "--dry-run", "--json", "--jobs", "1")
    plan = json.loads(result.stdout)
    assert result.exit_code == 0
    assert plan["frames"] == 12 + 9 + 40
    assert plan["hours"] > 0
    assert list((tmp_path / "out").glob("*.m*")) == []


def test_the_speed_of_another_model_is_no_estimate(folder: Path) -> None:
    batch_of(folder).run(Here())
    assert batch_of(folder, job=replace(JOB, strength=0.5)).past_speed()
    assert batch_of(folder, job=replace(JOB, model=ModelOptions("nlm"))).past_speed() is None


def test_ctrl_c_finishes_what_runs_and_stops(tmp_path: Path) -> None:
    made = tmp_path / "in"
    made.mkdir()
    for number in range(12):
        footage(made / f"{number:03}.mp4", frames=6)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "vdeblur", "batch", str(made), "-o", str(out), *SETTINGS, "--jobs", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        while not list(out.glob("*.mp4")) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 130
    assert said.endswith("vdeblur: stopped; run the same command to resume\n")
    assert "Traceback" not in said
    assert 0 < len(list(out.glob("*.mp4"))) < 12
    assert (out / "report.html").exists()


# -- which files -----------------------------------------------------------------------------------------------------


def names(items: list[Any], out: str = "out") -> list[str]:
    return [os.path.relpath(item.output, out) for item in items]


def test_files_folders_patterns_and_lists_are_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert names(collect(["."], "out")) == ["a.mp4", "b.mp4", "broken.mp4", "long.mkv"]
    assert names(collect(["."], "out", recursive=True))[-1] == "sub/c.mkv"
    assert names(collect(["*.mkv", "a.mp4"], "out")) == ["long.mkv", "a.mp4"]
    assert names(collect(["."], "out", recursive=True, include=["*.mkv"], exclude=["sub/*"])) == ["long.mkv"]
    Path("list.txt").write_text("# films\nb.mp4\n  # more films\n\nsub\n")
    assert names(collect(["@list.txt"], "out", name="{index}-{stem}.restored{suffix}")) == [
        "00000-b.restored.mp4",
        "00001-c.restored.mkv",
    ]
    with pytest.raises(InputError, match=r"nothing\.mp4"):
        collect(["nothing.mp4"], "out")
    with pytest.raises(UsageError, match="would both be written to"):
        collect(["."], "out", name="same{suffix}")
    for template in ("../{name}", "/{name}", "{size}", ""):
        with pytest.raises(UsageError, match=r"unknown field|must name a file"):
            collect(["a.mp4"], "out", name=template)


def test_a_list_that_names_itself_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    Path("list.txt").write_text("a.mp4\n@./list.txt\n")
    Path("one.txt").write_text("@two.txt\n")
    Path("two.txt").write_text("@one.txt\n")
    for first in ("list.txt", "one.txt"):
        with pytest.raises(InputError, match=rf"{first}: this list of files names itself"):
            collect([f"@{first}"], "out")
    Path("both.txt").write_text("@films.txt\n@films.txt\n")  # twice, but not within itself
    Path("films.txt").write_text("a.mp4\n")
    assert names(collect(["@both.txt"], "out")) == ["a.mp4"]


def test_outputs_are_never_taken_as_inputs(folder: Path) -> None:
    shutil.copy(folder / "a.mp4", folder / "sub" / "a.mp4")
    assert len(collect([str(folder)], str(folder / "sub"), recursive=True)) == 4
    named = [str(path) for path in folder.iterdir()]  # as by a shell's *, the folder of outputs among them
    assert len(collect(named, str(folder / "sub"))) == 4
    with pytest.raises(InputError, match="no media files found"):
        collect([str(folder)], str(folder))


def test_inputs_below_the_output_folder_are_restored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    Path("sub", "a.mp4").write_bytes(Path("a.mp4").read_bytes())
    Path("b.mp4").rename("../x.mp4")
    assert names(collect(["sub/c.mkv", "../x.mp4"], "."), ".") == ["c.mkv", "x.mp4"]
    assert names(collect(["sub"], ".", include=["*.mkv"]), ".") == ["c.mkv"]
    assert names(collect(["a.mp4"], ".", name="{stem}.clean{suffix}"), ".") == ["a.clean.mp4"]
    for paths in (["a.mp4"], ["sub/c.mkv", "a.mp4"]):
        with pytest.raises(UsageError, match=r"a\.mp4: would be replaced by its own output"):
            collect(paths, ".")
    Path("a.clean.mp4").touch()
    with pytest.raises(UsageError, match=r"a\.clean\.mp4: would be replaced by the output of .*a\.mp4"):
        collect(["a.mp4", "a.clean.mp4"], ".", name="{stem}.clean{suffix}")
    assert batch_command("sub/c.mkv", "../x.mp4", "-o", ".", *SETTINGS, "--jobs", "1").exit_code == 0
    assert [count_frames(Path(name)) for name in ("c.mkv", "x.mp4")] == [5, 9]


# -- one segment at a time -------------------------------------------------------------------------------------------


def test_a_job_is_restored_segment_by_segment(tmp_path: Path) -> None:
    frames = videos.frames(90, pts=[500 * i for i in range(90)], time_base=Fraction(1, 1000))
    source = videos.write(tmp_path / "in.mkv", videos.Recipe(frames, rate=Fraction(2), options={"g": "6"}))
    output = str(tmp_path / "out.mkv")

    def segment(*words: str) -> Result:
        return run("segment", output, *words)

    count = int(segment("--prepare", source, "-m", "unsharp").stdout)
    assert count > 1
    for index in reversed(range(1, count)):
        assert segment("--index", str(index)).exit_code == 0
    assert segment("--index", str(count)).exit_code == 2
    assert "remaining: 0" in segment().stdout
    assert segment("--join").exit_code == 5
    assert segment("--index", "0").exit_code == 0
    assert "already done" in segment("--index", "0").stderr
    assert segment("--join").exit_code == 0
    assert count_frames(Path(output)) == 90
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", "out.mkv"]
