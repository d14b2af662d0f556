"""Runs a batch from start to end: collect, estimate, restore, report, and stop on signals."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Callable
from types import FrameType

from ..errors import EXIT_BATCH_FAILURES, EXIT_DAMAGED_INPUT, EXIT_OK
from ..progress import clock
from ..signals import Stopped, StopSignals
from .estimate import estimate_seconds
from .progress import BatchProgress
from .report import STATUS, notes_of, to_json, to_text, write_reports
from .request import Request
from .scheduler import BatchRun
from .watching import watch
from .workers import Executor

log = logging.getLogger(__name__)


def run_batch(
    request: Request,
    stop: StopSignals,
    progress: BatchProgress,
    *,
    dry_run: bool,
    as_json: bool,
    say: Callable[[str], None],
    write: Callable[[str], None],
) -> int:
    """Run a batch and return its exit code. `say` gets messages for people, `write` lines for stdout.

    Raises Stopped after a signal, once running units have ended and the reports are written.
    """
    waits = request.watch and not dry_run
    items = [] if waits else request.items()
    batch = BatchRun(items, request.settings, request.folder(items), request.options)
    if dry_run:
        write(json.dumps(_plan(batch, request)) if as_json else _plan_text(batch, request))
        return EXIT_OK
    stopped: Stopped | None = None
    executor = request.executor()
    try:
        with progress as shown:

            def on_progress(batch: BatchRun) -> None:
                stop.check()
                shown.update(batch)

            try:
                if request.watch:
                    watch(batch, request, executor, on_progress)
                else:
                    batch.run(executor, on_progress)
            except Stopped as error:
                stopped = error
                _finish(batch, executor, shown, error, say)
    finally:
        executor.stop()
        batch.remove_leftovers()
        if request.output is not None:
            write_reports(batch)
    say(to_text(batch))
    if as_json:
        write(json.dumps(to_json(batch)))
    if stopped is not None:
        stopped.what_is_left = "run the same command to resume"
        raise stopped
    if batch.failures:
        return EXIT_BATCH_FAILURES
    return EXIT_DAMAGED_INPUT if any(task.status == "damaged" for task in batch.tasks) else EXIT_OK


def _finish(
    batch: BatchRun, executor: Executor, shown: BatchProgress, error: Stopped, say: Callable[[str], None]
) -> None:
    """After Ctrl-C wait for running segments, unless it is pressed again; SIGTERM stops at once."""
    if error.signum != signal.SIGINT:
        return

    def again(signum: int, _: FrameType | None) -> None:
        raise Stopped(signum)

    say("stopping after the running segments; Ctrl-C again stops at once (finished segments are kept)")
    before = {signum: signal.signal(signum, again) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        batch.finish(executor, shown.update)
    except Stopped:
        pass
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _plan(batch: BatchRun, request: Request) -> dict[str, object]:
    """What a run would do, for --dry-run."""
    jobs = 1 if request.ray else request.worker_count()
    seconds = estimate_seconds(batch, jobs)
    return {
        "files": [
            {"input": t.item.input, "output": t.item.output, "status": t.status, "frames": t.frames, "error": t.error}
            for t in batch.tasks
        ],
        "frames": sum(task.frames for task in batch.waiting),
        "hours": None if seconds is None else round(seconds / 3600, 8),
        "jobs": jobs,
    }


def _plan_text(batch: BatchRun, request: Request) -> str:
    """One line per file, in columns, and a line of totals."""
    plan = _plan(batch, request)
    words = STATUS | {"waiting": "to restore"}
    rows = []
    for task in batch.tasks:
        frames = f"{task.frames} frames" if task.frames else ""
        rows.append((words[task.status], frames, f"{task.item.input} -> {task.item.output}", *notes_of(task)[:1]))
    first, second = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    lines = [f"{row[0]:<{first}}  {row[1]:>{second}}  {': '.join(row[2:])}" for row in rows]
    hours, jobs = plan["hours"], plan["jobs"]
    workers = f"{jobs} worker{'' if jobs == 1 else 's'}"
    if isinstance(hours, float):
        length = f"about {clock(max(hours * 3600, 1))} with {workers}"
    else:
        length = "nothing to do" if not batch.waiting else "too short for an estimate"
    return "\n".join(
        [*lines, f"{len(batch.waiting)} of {len(rows)} files to restore, {plan['frames']} frames, {length}"]
    )
