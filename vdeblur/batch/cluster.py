"""Units on a Ray cluster, run by actors that load the model once. Only paths and results of a few kilobytes are sent,
never frames; all machines must see inputs and outputs under the same paths.

Ray restarts an actor that has died (`max_restarts`), on another node if necessary. The unit that it was running fails
with WorkerDied, and the batch submits it again. A unit may thus run twice, which is harmless: its file names are the
same, and files appear by renaming.
"""

from __future__ import annotations

import os
import queue
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

from ..errors import DeviceError, UsageError
from .units import OnFrames, Unit, UnitResult, run_unit
from .workers import WorkerDied

ActorHandle: TypeAlias = Any
"""Ray's handle of an `Actor`; its methods are made at run time."""

READY_SECONDS = 5.0
"""How long an actor may take to answer before another one is tried; one that is restarting may take longer."""


class RayActors:
    """An `Executor` with one actor per GPU of a cluster, or per `cpus` cores on a cluster without GPUs."""

    def __init__(self, address: str, device: str = "auto", cpus: int = 4, actors: int | None = None) -> None:
        """Join the cluster at `address`; "local" starts one on this machine.

        `actors` None starts as many as fit. Raises UsageError if Ray is not installed, DeviceError if no cluster
        answers at the address.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError as error:
            raise UsageError("a cluster needs Ray: pip install 'vdeblur[ray]'") from error
        self._ray = ray
        self._owns = not ray.is_initialized()
        if self._owns:
            where: dict[str, object] = {"address": "local", "include_dashboard": False}
            try:
                ray.init(**where if address == "local" else {"address": address}, log_to_driver=False)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise DeviceError(f"{address}: no Ray cluster answers there ({error})", settings=("ray",)) from error
        resources = self._ray.cluster_resources()
        gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
        on_gpu = gpus > 0 and device in ("auto", "cuda")
        share = min(cpus, cores)
        self.width = actors or (gpus if on_gpu else max(cores // share, 1))
        cores_each = {"num_cpus": share if actors is None else 1}
        needs: dict[str, int] = {"num_gpus": 1, "num_cpus": 0} if on_gpu else cores_each
        kind = self._ray.remote(max_restarts=-1, max_task_retries=0, **needs)(Actor)
        self._actors = [kind.remote("cuda:0" if on_gpu else device) for _ in range(self.width)]
        self._idle: queue.SimpleQueue[ActorHandle] = queue.SimpleQueue()
        for actor in self._actors:
            self._idle.put(actor)
        self._threads = ThreadPoolExecutor(self.width, "vdeblur-ray")
        self._stopped = False

    def submit(self, unit: Unit, on_frames: OnFrames) -> Future[UnitResult]:
        """Run a unit on the next idle actor; the future raises its exceptions, or WorkerDied. Ignores `on_frames`."""
        return self._threads.submit(self._run, unit)

    def _run(self, unit: Unit) -> UnitResult:
        ray = self._ray
        actor = self._responsive_actor()
        try:
            result: UnitResult = ray.get(actor.run.remote(unit))
            return result
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise WorkerDied(f"the actor was lost: {type(error).__name__}") from error
        finally:
            self._idle.put(actor)

    def _responsive_actor(self) -> ActorHandle:
        """Wait for an actor that answers; those that are being restarted go to the end of the queue."""
        ray = self._ray
        while not self._stopped:
            actor = self._idle.get()
            try:
                ray.get(actor.pid.remote(), timeout=READY_SECONDS)
            except ray.exceptions.RayError:
                self._idle.put(actor)
                time.sleep(0.2)
            else:
                return actor
        raise WorkerDied("the batch was stopped")

    def pids(self) -> list[int]:
        """Process ids of the actors, each on its own machine."""
        return [self._ray.get(actor.pid.remote()) for actor in self._actors]

    def stop(self) -> None:
        """Kill the actors, also in the middle of a unit, and leave the cluster (or shut it down if started here)."""
        self._stopped = True
        for actor in self._actors:
            self._ray.kill(actor)
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._owns:
            self._ray.shutdown()


class Actor:
    """A worker on the cluster."""

    def __init__(self, device: str) -> None:
        self._device = device

    def pid(self) -> int:
        """Process id; the call shows that the actor is alive."""
        return os.getpid()

    def run(self, unit: Unit) -> UnitResult:
        """Run a unit."""
        return run_unit(unit, self._device, lambda _: None)
