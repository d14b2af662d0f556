"""What units and workers cost here, and what that says of 10, 100 and 1,000 workers: Markdown on stdout.

python benchmarks/scale.py [--model fast] [--frames 1500] [--size 320x192] [--fps 30 --fps 300]

Measured: one clip whole, in segments, and as a batch with one worker and with two; what a unit costs beyond its frames;
planning, hashing and joining; the loop that hands out units, through the pipe of a process and through Ray; the
journal; and what goes over the storage. Computed from these: years of wall clock for a million hours of footage, the
load on everything that workers share, and the number of workers at which each of those is saturated. Assumptions
(rates of footage, speed of a worker, what the storage can do) are options and stand in the output.
benchmarks/SCALE.md says what follows.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from machine import describe_machine
from media import make_clip

from vdeblur.batch.collect import collect
from vdeblur.batch.journal import Entry, Journal
from vdeblur.batch.scheduler import BatchOptions, BatchRun
from vdeblur.batch.units import Unit, run_unit
from vdeblur.batch.workers import Executor, Workers
from vdeblur.files import file_sha256
from vdeblur.jobs.folder import folder_of
from vdeblur.jobs.job import Job
from vdeblur.jobs.joining import join
from vdeblur.jobs.plan import Cutting
from vdeblur.jobs.restore import prepare
from vdeblur.jobs.segment import restore_segment
from vdeblur.jobs.whole import restore_whole
from vdeblur.loading import ModelOptions, load_restorer, warm_up_of

CUTTING = Cutting(min_seconds=5, max_seconds=10)
"""Short segments, so that a short clip has several: units cost what they cost whatever their length."""
SEGMENT_SECONDS = 15.0
"""What the usual settings come to on footage with a keyframe every few seconds."""
HOURS, FILE_HOURS, RATE = 1e6, 1.0, 30.0
"""The footage of the model: hours, hours a file, frames a second."""
HASH_BYTES = 64 << 20

INPUT_READS = 4
"""Of each byte of an input: hashed, planned, decoded, and read for its other streams when it is joined."""
SEGMENT_READS, SEGMENT_WRITES = 4, 2
"""Of each byte of a result: hashed when it is written and when it is joined, read for its order and to be joined;
written as a segment and as part of the output."""
JOURNAL_LINES = 2
"""A file."""


@dataclass(frozen=True)
class Measured:
    """Seconds unless they say otherwise."""

    frames: int
    segments: int
    whole: float
    start_up: float
    """From nothing to a process that has loaded the model."""
    planning: float
    hashing_bytes_per_second: float
    unit_overhead: float
    """A segment, less its frames and those of its warm-up at the speed of the whole."""
    join_per_segment: float
    batch: dict[int, float]
    """By number of workers, which had loaded the model before."""
    pipe_units: float
    """A second."""
    ray_units: float | None
    """A second; None where Ray is not installed."""
    journal_lines: float
    """A second, each flushed to the disk."""
    opening: float
    """A file when a batch begins: its header is read."""
    metadata: int
    """Files opened, renamed or removed, and folders made or listed, for one segment."""


def timed(action: Callable[[], object]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def rate(action: Callable[[], object], seconds: float = 1.5) -> float:
    """How often it goes into a second, once it is warm."""
    action()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        action()
        count += 1
    return count / (time.perf_counter() - start)


NO_UNIT = cast(Unit, None)
"""For which `run_unit` does nothing."""


def only_load(job: Job, device: str, on_frames: object) -> None:
    """A unit that loads the model and does nothing."""
    load_restorer(job.model)


def nothing(unit: Unit, device: str, on_frames: object) -> int:
    """Do nothing: what remains is the time of sending the unit."""
    return 0


def through(executor: Executor) -> float:
    """Units a second that go to a worker and back, one at a time."""
    try:
        return rate(lambda: executor.submit(NO_UNIT, lambda _: None).result())
    finally:
        executor.stop()


def through_ray() -> float | None:
    """The same through an actor of a cluster on this machine."""
    if importlib.util.find_spec("ray") is None:
        return None
    from vdeblur.batch.cluster import RayActors

    return through(RayActors("local", "cpu", actors=1))


def start_up(job: Job) -> float:
    """Of a worker."""
    workers = Workers(only_load, 1, "cpu")
    try:
        return timed(lambda: workers.submit(job, lambda _: None).result())
    finally:
        workers.stop()


def in_batch(clip: Path, folder: Path, settings: Job, jobs: int) -> tuple[float, float]:
    """(seconds for the clip with warm workers, seconds to open it)."""
    workers = Workers(run_unit, jobs, settings.model.device)
    try:
        for number in (0, 1):
            out = str(folder / f"out{jobs}-{number}")
            items = collect([str(clip)], out)
            start = time.perf_counter()
            batch = BatchRun(items, settings, out, BatchOptions(min_free_bytes=0, cutting=CUTTING))
            opening = time.perf_counter() - start
            batch.run(workers)
            assert batch.failures == 0
        return batch.seconds, opening
    finally:
        workers.stop()


class Metadata:
    """Counts what Python asks of the file system; FFmpeg's own two files (input, result) come on top."""

    EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.listdir", "os.scandir"})

    def __init__(self) -> None:
        """Begin with nothing; cannot be taken away again, so it is asked to count."""
        self.count = 0
        self.counts = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.counts and event in self.EVENTS and not (arguments and str(arguments[0]).endswith((".py", ".pyc"))):
            self.count += 1


def measure(model: str, frames: int, width: int, height: int) -> Measured:
    """All of it."""
    settings = Job("", None, ModelOptions(model))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = make_clip(folder / "clip.mp4", frames, width, height)
        job = Job(str(clip), str(folder / "whole.mp4"), ModelOptions(model))
        load_restorer(job.model)  # once, before the clock starts
        warming = Job(str(clip), str(folder / "first.mp4"), ModelOptions("unsharp"))
        restore_whole(warming)  # codecs and caches are warm after this
        whole = restore_whole(job)

        output = str(folder / "pieces.mp4")
        start = time.perf_counter()
        cut = prepare(Job(str(clip), output, ModelOptions(model)), output, folder_of(output), CUTTING)
        planning = time.perf_counter() - start
        assert cut is not None, "the clip must be longer than the longest segment"
        metadata = Metadata()
        manifests = []
        for segment in cut.segments:
            metadata.counts = segment.index == 1  # the first one imports
            manifests.append(restore_segment(cut, segment.index))
        metadata.counts = False
        warm = (len(manifests) - 1) * warm_up_of(ModelOptions(model))
        beyond = sum(m.seconds for m in manifests) - whole.seconds * (frames + warm) / frames
        joining = timed(lambda: join(cut))

        blob = folder / "blob"
        blob.write_bytes(os.urandom(HASH_BYTES))
        hashing = HASH_BYTES / timed(lambda: file_sha256(blob))
        journal = Journal(folder / "journal" / "journal.jsonl")
        line = Entry("done", "out.mp4", "k" * 140, "in.mp4", (1, 1), "s" * 64, (1, 1), {"frames": 1})
        batches = {jobs: in_batch(clip, folder, settings, jobs) for jobs in (1, 2)}
        return Measured(
            frames=frames,
            segments=len(manifests),
            whole=whole.seconds,
            start_up=start_up(job),
            planning=planning,
            hashing_bytes_per_second=hashing,
            unit_overhead=beyond / len(manifests),
            join_per_segment=joining / len(manifests),
            batch={jobs: seconds for jobs, (seconds, _) in batches.items()},
            pipe_units=through(Workers(nothing, 1)),
            ray_units=through_ray(),
            journal_lines=rate(lambda: journal.add(line)),
            opening=batches[1][1],
            metadata=metadata.count + 2,
        )


@dataclass(frozen=True)
class Footage:
    """What the model assumes of the work and of the storage."""

    warm_up: int
    fps: float
    """Of one worker."""
    mbit: float
    """Of input and result, a second of footage."""
    storage_megabytes: float
    """A second that the storage reads and writes."""
    storage_operations: float
    """A second on metadata."""


def unit_seconds(m: Measured, f: Footage) -> float:
    """One worker's time for a segment: its frames, its warm-up, what a unit costs, and its share of joining."""
    return (SEGMENT_SECONDS * RATE + f.warm_up) / f.fps + max(m.unit_overhead, 0.0) + m.join_per_segment


def shared(m: Measured, f: Footage) -> dict[str, tuple[float, float]]:
    """What all workers lean on: (what one unit asks of it, what it can do a second)."""
    share_of_file = SEGMENT_SECONDS / (FILE_HOURS * 3600)
    megabytes = SEGMENT_SECONDS * f.mbit / 8
    warm = f.warm_up / RATE / SEGMENT_SECONDS
    traffic = megabytes * (INPUT_READS + warm + SEGMENT_READS + SEGMENT_WRITES)
    loads = {
        "storage bandwidth": (traffic, f.storage_megabytes),
        "storage metadata": (float(m.metadata), f.storage_operations),
        "loop, processes": (1.0, m.pipe_units),
        "journal": (JOURNAL_LINES * share_of_file, m.journal_lines),
    }
    if m.ray_units is not None:
        loads["loop, Ray"] = (1.0, m.ray_units)
    return loads


def measured_table(m: Measured, model: str, size: str) -> str:
    """Every figure, and what it is."""
    gain = m.batch[1] / m.batch[2]
    warm = warm_up_of(ModelOptions(model))
    ray = "Ray is not installed" if m.ray_units is None else f"{m.ray_units:.0f} units/s"
    rows = [
        (f"whole, {m.frames} frames of {size}", f"{m.whole:.1f} s, {m.frames / m.whole:.1f} fps"),
        (f"batch, 1 worker, {m.segments} segments", f"{m.batch[1]:.1f} s, {m.frames / m.batch[1]:.1f} fps"),
        ("batch, 2 workers", f"{m.batch[2]:.1f} s, {m.frames / m.batch[2]:.1f} fps ({gain:.2f} times)"),
        ("start of a worker, model loaded", f"{m.start_up:.2f} s, once"),
        (f"warm-up, {warm} frames", f"{warm * m.whole / m.frames:.2f} s a unit"),
        ("a unit beyond its frames", f"{m.unit_overhead:.2f} s a unit"),
        ("joining", f"{m.join_per_segment:.3f} s a unit"),
        ("planning", f"{m.planning:.2f} s a file of {m.frames / RATE:.0f} s"),
        ("hashing", f"{m.hashing_bytes_per_second / 1e6:.0f} MB/s"),
        ("opening when a batch begins", f"{1000 * m.opening:.0f} ms a file"),
        ("loop, through the pipe of a process", f"{m.pipe_units:.0f} units/s"),
        ("loop, through Ray", ray),
        ("journal, each line flushed", f"{m.journal_lines:.0f} lines/s"),
        ("metadata", f"{m.metadata} operations a unit"),
    ]
    return table(["measured here", ""], rows)


def model_tables(m: Measured, f: Footage) -> str:
    """A million hours with workers of one speed, and where it ends."""
    seconds = unit_seconds(m, f)
    units = HOURS * 3600 / SEGMENT_SECONDS
    useful = SEGMENT_SECONDS * RATE / f.fps / seconds
    loads = shared(m, f)
    rows = []
    for workers in (10, 100, 1000):
        per_second = workers / seconds
        years = units / per_second / 3600 / 24 / 365
        shares = [100 * per_second * asked / can for asked, can in loads.values()]
        used = [f"{share:.0f} %" if share >= 10 else f"{share:.2g} %" for share in shares]
        traffic = per_second * loads["storage bandwidth"][0]
        rows.append((f"{workers:,}", f"{years:,.3g}", f"{per_second:.3g}", f"{traffic:,.0f}", *used))
    limits = sorted((can / asked * seconds, name) for name, (asked, can) in loads.items())
    heads = ["workers", "years", "units/s", "storage MB/s", *(f"{name} used" for name in loads)]
    assumed = (
        f"Workers of {f.fps:g} fps: {seconds:.1f} s a unit of {SEGMENT_SECONDS:g} s of footage, {100 * useful:.0f} % "
        f"of it for frames that are kept; {units:.3g} units in {HOURS / FILE_HOURS:,.0f} files of {f.mbit:g} Mbit/s; a "
        f"storage of {f.storage_megabytes:,g} MB/s and {f.storage_operations:,g} operations/s."
    )
    saturated = table(["saturated first", "at workers"], [(name, f"{workers:,.0f}") for workers, name in limits])
    return f"{assumed}\n\n{table(heads, rows)}\n{saturated}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As Markdown."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", default="fast")
    arguments.add_argument("--frames", type=int, default=1500)
    arguments.add_argument("--size", default="320x192")
    arguments.add_argument("--fps", type=float, action="append", help="of one worker; 30 and 300 unless given")
    arguments.add_argument("--mbit", type=float, default=20.0, help="of the footage, a second")
    arguments.add_argument("--storage-megabytes", type=float, default=2000.0, help="a second, of the shared storage")
    arguments.add_argument("--storage-operations", type=float, default=5000.0, help="a second, on metadata")
    given = arguments.parse_args()
    width, height = map(int, given.size.split("x"))
    measured = measure(given.model, given.frames, width, height)
    print(f"`{given.model}` on {describe_machine()}\n\n{measured_table(measured, given.model, given.size)}")
    for fps in given.fps or (30.0, 300.0):
        assumed = Footage(
            warm_up_of(ModelOptions(given.model)), fps, given.mbit, given.storage_megabytes, given.storage_operations
        )
        print(model_tables(measured, assumed))


if __name__ == "__main__":
    main()
