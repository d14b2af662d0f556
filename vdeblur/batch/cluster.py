"""The same units on a Ray cluster: actors that load the model once. Paths and results of a few kilobytes travel, frames
never do; all machines must see inputs and outputs under the same paths.

Ray starts an actor again where it has died (`max_restarts`), on another node if its own is gone; what it was doing then
comes back as WorkerDied, and the batch's loop hands it out again. A unit may so be done twice: its names are the same
and its files appear by renaming, so nothing is lost or there twice.
"""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ..errors import DeviceError, UsageError
from .units import do
from .workers import WorkerDied

READY_SECONDS = 5.0
"""How long an actor may take to say that it lives before another one is asked; one that starts anew may take longer."""


class RayActors:
    """One actor per GPU of a cluster, or per `cpus` cores where it has none."""

    def __init__(self, address: str, device: str = "auto", cpus: int = 4, actors: int | None = None) -> None:
        """Join the cluster at `address`; "local" starts one on this machine.

        `actors` None takes all that there is room for. Raises UsageError where Ray is not installed, DeviceError where
        there is no cluster at the address.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError as error:
            raise UsageError("a cluster needs Ray: pip install 'vdeblur[ray]'") from error
        self._ray: Any = ray
        self._owns = not ray.is_initialized()
        if self._owns:
            where: dict[str, Any] = {"address": "local", "include_dashboard": False}
            try:
                ray.init(**where if address == "local" else {"address": address}, log_to_driver=False)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise DeviceError(f"{address}: no cluster answers there ({error})", settings=("ray",)) from error
        resources = self._ray.cluster_resources()
        gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
        on_gpu = gpus > 0 and device in ("auto", "cuda")
        share = min(cpus, cores)
        self.width = actors or (gpus if on_gpu else max(cores // share, 1))
        cores_each = {"num_cpus": share if actors is None else 1}
        needs: dict[str, Any] = {"num_gpus": 1, "num_cpus": 0} if on_gpu else cores_each
        kind: Any = self._ray.remote(max_restarts=-1, max_task_retries=0, **needs)(Actor)
        self._actors = [kind.remote("cuda:0" if on_gpu else device) for _ in range(self.width)]
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for actor in self._actors:
            self._idle.put(actor)
        self._threads = ThreadPoolExecutor(self.width, "vdeblur-ray")
        self._stopped = False

    def submit(self, unit: Any, on_frames: Callable[[int], None]) -> Future[Any]:
        """Do a unit on the next idle actor; its exceptions come out of the future, WorkerDied among them."""
        return self._threads.submit(self._run, unit)

    def _run(self, unit: Any) -> Any:
        ray = self._ray
        actor = self._living()
        try:
            return ray.get(actor.do.remote(unit))
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise WorkerDied(f"the actor was lost: {type(error).__name__}") from error
        finally:
            self._idle.put(actor)

    def _living(self) -> Any:
        """An actor that answers; those that are being started again elsewhere go to the end of the queue."""
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
        """End the actors, in mid-unit if need be, and leave the cluster (or end it, if it was started here)."""
        self._stopped = True
        for actor in self._actors:
            self._ray.kill(actor)
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._owns:
            self._ray.shutdown()


class Actor:
    """What runs in the cluster."""

    def __init__(self, device: str) -> None:
        self._device = device

    def pid(self) -> int:
        """Say that it lives."""
        return os.getpid()

    def do(self, unit: Any) -> Any:
        """Do a unit."""
        return do(unit, self._device, lambda _: None)
