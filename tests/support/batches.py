"""Batches whose units are done at once, in the test's own process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from click.testing import Result

from support import commands
from vdeblur.batch.collect import collect
from vdeblur.batch.scheduler import BatchOptions, BatchRun
from vdeblur.batch.units import run_unit
from vdeblur.jobs.job import Job
from vdeblur.jobs.plan import Cutting
from vdeblur.loading import ModelOptions
from vdeblur.media.options import SinkOptions

SETTINGS = ("-m", "unsharp", "--min-free", "0")
SHORT = Cutting(min_seconds=0.4, max_seconds=0.9, warm_up=4)
JOB = Job("", None, ModelOptions("unsharp"), sink=SinkOptions(codec="ffv1"))
OPTIONS = BatchOptions(back_off_seconds=0.01, min_free_bytes=0, cutting=SHORT)


def batch_command(*words: str | Path) -> Result:
    return commands.run("batch", *words)


class Here:
    """Does units at once, in this process; `before` may fail."""

    width = 1

    def __init__(self, before: Callable[[Any], None] = lambda _: None) -> None:
        self.before = before
        self.units: list[Any] = []

    def submit(self, unit: Any, on_frames: Callable[[int], None]) -> Future[Any]:
        self.units.append(unit)
        future: Future[Any] = Future()
        try:
            self.before(unit)
            future.set_result(run_unit(unit, "cpu", on_frames))
        except Exception as error:
            future.set_exception(error)
        return future

    def stop(self) -> None:
        pass


def batch_of(folder: Path, options: BatchOptions = OPTIONS, job: Job = JOB) -> BatchRun:
    out = folder.parent / "out"
    return BatchRun(collect([str(folder)], str(out), recursive=True), job, str(out), options)


def statuses(batch: BatchRun) -> dict[str, str]:
    return {Path(task.item.input).name: task.status for task in batch.tasks}


def write_sequence(folder: Path, count: int, name: str = "frame_{:04}.png", size: tuple[int, int] = (64, 48)) -> Path:
    """Noise, a different one for each picture."""
    folder.mkdir(parents=True)
    for number in range(count):
        picture = np.random.default_rng(number).integers(0, 256, (*size[::-1], 3), np.uint8)
        cv2.imwrite(str(folder / name.format(number)), picture)
    return folder
