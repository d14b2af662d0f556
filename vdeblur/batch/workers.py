"""Worker processes on one machine: each loads the model once, and what kills one of them touches only its own unit.

A thread stands beside every process, hands it one call at a time through a pipe and starts it again where it has died;
`Workers.submit` gives a future, as an executor does. The processes are started afresh (not forked), ignore Ctrl-C, and
end with the process that started them, whatever ends that.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Protocol

from ..backends.engines import is_installed
from ..cores import threads, use_threads

if TYPE_CHECKING:
    import sys
    from multiprocessing.context import SpawnProcess

    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection as Connection
    else:
        from multiprocessing.connection import Connection

STOP_SECONDS = 2.0
"""How long a worker may take to end when it is asked to."""


class WorkerDied(Exception):
    """The process ended in the middle of a call: killed, out of memory, or crashed in a codec."""


class Executor(Protocol):
    """Whoever does units: processes here, or actors on a cluster."""

    width: int
    """How many units run at once."""

    def submit(self, unit: Any, on_frames: Callable[[int], None]) -> Future[Any]:
        """Do a unit some time; `on_frames` is told now and then how many frames it has done."""
        ...

    def stop(self) -> None:
        """End all of them now, in mid-unit if need be."""
        ...


class Workers:
    """`jobs` processes that do units with `function(unit, device, on_frames)`, each with its share of the cores."""

    def __init__(self, function: Callable[..., Any], jobs: int, device: str = "auto") -> None:
        """`device` "auto" or "cuda" gives worker i the GPU i modulo their number, where there are any."""
        self.width = jobs
        devices = devices_for(device, jobs)
        share = max(threads() // jobs, 1)
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._all = [_Worker(function, devices[i], share) for i in range(jobs)]
        for worker in self._all:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(jobs, "vdeblur-worker")

    def submit(self, unit: Any, on_frames: Callable[[int], None]) -> Future[Any]:
        """Do a unit in the next idle process; its exceptions come out of the future, WorkerDied among them."""
        return self._threads.submit(self._run, unit, on_frames)

    def _run(self, unit: Any, on_frames: Callable[[int], None]) -> Any:
        worker = self._idle.get()
        try:
            return worker.call(unit, on_frames)
        finally:
            self._idle.put(worker)

    def pids(self) -> list[int]:
        """Of the processes that live."""
        return [worker.pid for worker in self._all if worker.pid is not None]

    def stop(self) -> None:
        """End all processes, in mid-unit if need be."""
        for worker in self._all:
            worker.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """One process, started when it is first needed."""

    def __init__(self, function: Callable[..., Any], device: str, share: int) -> None:
        self._function, self._device, self._share = function, device, share
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._stopped = False
        self._lock = Lock()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.is_alive() else None

    def call(self, unit: Any, on_frames: Callable[[int], None]) -> Any:
        pipe = self._started()
        try:
            pipe.send(unit)
            while True:
                kind, value = pipe.recv()
                if kind == "frames":
                    on_frames(value)
                elif kind == "result":
                    return value
                else:
                    raise value
        except (EOFError, OSError) as error:
            if not isinstance(error, EOFError | BrokenPipeError | ConnectionError) and self.pid is not None:
                raise  # the unit's own
            if self._process is not None:  # pipes close before a process has ended: the next unit must not meet it
                self._process.kill()
                self._process.join()
            raise WorkerDied("the worker process died") from error

    def _started(self) -> Connection:
        with self._lock:
            if self._stopped:
                raise WorkerDied("the worker was stopped")
            if self._process is None or not self._process.is_alive() or self._pipe is None:
                context = multiprocessing.get_context("spawn")
                self._pipe, theirs = context.Pipe()
                arguments = (theirs, self._function, self._device, self._share)
                self._process = context.Process(target=_serve, args=arguments, name="vdeblur-worker", daemon=True)
                self._process.start()
                theirs.close()
            return self._pipe

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            process = self._process
        if process is not None:
            process.terminate()
            process.join(STOP_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


def _serve(pipe: Connection, function: Callable[..., Any], device: str, share: int) -> None:
    """Life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    Thread(target=_end_with_parent, daemon=True).start()
    use_threads(share)
    while True:
        try:
            unit = pipe.recv()
        except EOFError:
            return
        answer: tuple[str, Any]
        try:
            answer = "result", function(unit, device, lambda frames: pipe.send(("frames", frames)))
        except Exception as error:
            answer = "error", error
        try:
            pipe.send(answer)
        except (TypeError, AttributeError, ValueError):  # an exception that cannot be pickled
            pipe.send(("error", RuntimeError(f"{type(answer[1]).__name__}: {answer[1]}")))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def devices_for(device: str, jobs: int) -> list[str]:
    """The device of each of `jobs` workers."""
    gpus = gpu_count() if device in ("auto", "cuda") else 0
    return [f"cuda:{i % gpus}" if gpus else device for i in range(jobs)]


def gpu_count() -> int:
    """CUDA devices that torch can use; none without it."""
    if not is_installed("torch"):
        return 0
    import torch

    return torch.cuda.device_count()


def auto_jobs(device: str) -> int:
    """One worker per GPU; on a CPU one per four cores, which one network on 720p still keeps busy."""
    return (gpu_count() if device in ("auto", "cuda") else 0) or max(threads() // 4, 1)
