"""The same units on a real Ray cluster of two nodes on this machine: what dies is done again elsewhere."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import videos
from support.batches import JOB, OPTIONS, Here
from support.videos import decoded, footage, largest_difference
from vdeblur.batch.collect import collect
from vdeblur.batch.scheduler import BatchRun

pytestmark = [pytest.mark.needs("ray"), pytest.mark.filterwarnings("ignore")]  # its own, from its start to its end


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes with a core each."""
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", f"{here.parent}:{here}")
    soon = {"health_check_initial_delay_ms": 2000, "health_check_period_ms": 500, "health_check_timeout_ms": 2000}
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": soon | {"health_check_failure_threshold": 3}}
    started = Cluster(initialize_head=True, head_node_args=head)
    started.second = started.add_node(num_cpus=1)
    ray.init(address=started.address, log_to_driver=False)
    yield started
    ray.shutdown()
    started.shutdown()


def works_on_a_segment(pid: int) -> bool:
    """Whether a process has a segment open that is half written."""
    with contextlib.suppress(OSError):
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
        return any(".long.mkv.vdeblur" in link and link.endswith(".part") for link in links)
    return False


def test_a_killed_actor_a_lost_node_and_a_corrupt_file_do_not_affect_other_work(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vdeblur.batch.cluster import RayActors

    made = tmp_path / "in"
    made.mkdir()
    for number in range(19):
        footage(made / f"{number:02}.mp4", frames=4)
    videos.write(made / "long.mkv", videos.Recipe(videos.frames(120, size=(320, 240)), options={"g": "11"}))
    (made / "07.mp4").write_bytes(b"corrupt" * 50)

    def batch(out: str) -> BatchRun:
        return BatchRun(collect([str(made)], str(tmp_path / out)), JOB, str(tmp_path / out), OPTIONS)

    alone = batch("alone")
    alone.run(Here())

    executor = RayActors(cluster.address, "cpu", cpus=1)
    assert executor.width == 2
    victims = executor.pids()
    events: list[str] = []

    def disturb(run: BatchRun) -> None:
        over = sum(task.is_over for task in run.tasks)
        if not events and (busy := [pid for pid in victims if works_on_a_segment(pid)]):
            events.append("an actor")
            os.kill(busy[0], signal.SIGKILL)
        elif over >= 8 and len(events) == 1:
            events.append("a node")
            threading.Thread(
                target=cluster.remove_node, args=(cluster.second,), kwargs={"allow_graceful": False}
            ).start()

    monkeypatch.setattr("vdeblur.batch.scheduler.POLL_SECONDS", 0.01)  # to meet the actor in mid-segment
    together = batch("together")
    try:
        together.run(executor, disturb)
    finally:
        executor.stop()
    assert events == ["an actor", "a node"]
    assert [task.status for task in together.tasks] == [task.status for task in alone.tasks]
    assert sum(task.status == "done" for task in together.tasks) == 19
    for a, b in zip(alone.tasks, together.tasks, strict=True):
        if a.status == "done":
            assert largest_difference(decoded(a.item.output), decoded(b.item.output)) == 0
    left = [path.name for path in (tmp_path / "together").iterdir() if path.name.startswith(".")]
    assert left == [".vdeblur-batch"]
    time.sleep(0.1)
