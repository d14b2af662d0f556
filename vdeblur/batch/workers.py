"""Worker processes on one machine: each loads the model once, and a crash affects only the unit that it was running.

One thread per process sends it one call at a time through a pipe and restarts it if it has died; `Workers.submit`
returns a future. Processes are spawned (not forked), ignore Ctrl-C, and end with their parent, however that ends.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pickle import PicklingError
from threading import Lock, Thread
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from ..backends.engines import is_installed
from ..cores import threads, use_threads

if TYPE_CHECKING:
    import sys
    from multiprocessing.context import SpawnProcess

    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection as Connection
    else:
        from multiprocessing.connection import Connection

    from .units import OnFrames, Unit, UnitResult

Argument = TypeVar("Argument")
Result = TypeVar("Result")
Function: TypeAlias = "Callable[[Argument, str, OnFrames], Result]"
"""Called in a worker process with a unit, the device and a callback for the number of frames done."""

STOP_SECONDS = 2.0
"""How long a worker may take to terminate before it is killed."""


class WorkerDied(Exception):
    """A worker process ended during a call: killed, out of memory, or crashed in a codec."""


class Executor(Protocol):
    """Runs units: processes on this machine, or actors on a cluster."""

    width: int
    """Number of units that run at once."""

    def submit(self, unit: Unit, on_frames: OnFrames) -> Future[UnitResult]:
        """Run a unit; `on_frames` is called from time to time with the number of frames it has done."""
        ...

    def stop(self) -> None:
        """Stop at once, also in the middle of a unit."""
        ...


class Workers(Generic[Argument, Result]):
    """`jobs` processes that call `function(unit, device, on_frames)`, each with its share of the cores."""

    def __init__(self, function: Function[Argument, Result], jobs: int, device: str = "auto") -> None:
        """`device` "auto" or "cuda" assigns the GPUs, if any, to the workers in turn."""
        self.width = jobs
        devices = devices_for(device, jobs)
        share = max(threads() // jobs, 1)
        self._idle: queue.SimpleQueue[_Worker[Argument, Result]] = queue.SimpleQueue()
        self._all = [_Worker(function, devices[i], share) for i in range(jobs)]
        for worker in self._all:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(jobs, "vdeblur-worker")

    def submit(self, unit: Argument, on_frames: OnFrames) -> Future[Result]:
        """Run a unit in the next idle process; the future raises its exceptions, or WorkerDied."""
        return self._threads.submit(self._run, unit, on_frames)

    def _run(self, unit: Argument, on_frames: OnFrames) -> Result:
        worker = self._idle.get()
        try:
            return worker.call(unit, on_frames)
        finally:
            self._idle.put(worker)

    def pids(self) -> list[int]:
        """Process ids of the running workers."""
        return [worker.pid for worker in self._all if worker.pid is not None]

    def stop(self) -> None:
        """Stop all processes at once, also in the middle of a unit."""
        for worker in self._all:
            worker.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)


class _Worker(Generic[Argument, Result]):
    """One process, started when it is first needed."""

    def __init__(self, function: Function[Argument, Result], device: str, share: int) -> None:
        self._function, self._device, self._share = function, device, share
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._stopped = False
        self._lock = Lock()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.is_alive() else None

    def call(self, unit: Argument, on_frames: OnFrames) -> Result:
        pipe = self._running_process()
        try:
            pipe.send(unit)
            while True:
                kind, value = pipe.recv()
                if kind == "frames":
                    on_frames(value)
                elif kind == "result":
                    result: Result = value
                    return result
                else:
                    raise value
        except (EOFError, OSError) as error:
            if not isinstance(error, EOFError | BrokenPipeError | ConnectionError) and self.pid is not None:
                raise  # raised by the unit itself
            if self._process is not None:  # pipes close before the process has ended: the next unit must not use it
                self._process.kill()
                self._process.join()
            raise WorkerDied("the worker process died") from error

    def _running_process(self) -> Connection:
        with self._lock:
            if self._stopped:
                raise WorkerDied("the worker was stopped")
            if self._process is None or not self._process.is_alive() or self._pipe is None:
                context = multiprocessing.get_context("spawn")
                self._pipe, theirs = context.Pipe()
                arguments = (theirs, self._function, self._device, self._share)
                self._process = context.Process(target=_worker_main, args=arguments, name="vdeblur-worker", daemon=True)
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


def _worker_main(pipe: Connection, function: Function[Argument, Result], device: str, share: int) -> None:
    """Main function of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    Thread(target=_end_with_parent, daemon=True).start()
    use_threads(share)
    while True:
        try:
            unit = pipe.recv()
        except EOFError:
            return
        answer: tuple[str, Result | Exception]
        try:
            answer = "result", function(unit, device, lambda frames: pipe.send(("frames", frames)))
        except Exception as error:
            answer = "error", error
        try:
            pipe.send(answer)
        except (PicklingError, TypeError, AttributeError, ValueError):  # an exception that cannot be pickled
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
    """Number of CUDA devices that torch can use; 0 without torch."""
    if not is_installed("torch"):
        return 0
    import torch

    return torch.cuda.device_count()


def auto_jobs(device: str) -> int:
    """One worker per GPU, or one per four CPU cores, which one network keeps busy at 720p."""
    return (gpu_count() if device in ("auto", "cuda") else 0) or max(threads() // 4, 1)
