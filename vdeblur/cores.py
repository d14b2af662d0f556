"""Number of threads, and how idle threads wait. Must be imported before torch.

OpenMP threads synchronise after every operator. By default those that arrive early spin. On an idle machine that costs
nothing; but if another program occupies one of two cores, the spinning threads keep the late one from its core, and
restoring becomes twenty times slower. Passive waiting costs a few per cent at most (see `benchmarks/busy.py`). torch
reads the policy when it is loaded, so it is set when vdeblur is imported; a user's setting is kept.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .errors import UsageError

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""CPU quota of a container on Linux: "200000 100000" is two cores, "max 100000" is unlimited."""

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def usable_cores() -> int:
    """Number of cores that this process may use, by its affinity and the quota of its container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(allowed, _quota() or allowed), 1)


def _quota() -> int | None:
    """Quota of the container in cores, rounded up; None if unlimited."""
    try:
        share, period = CPU_QUOTA.read_text(encoding="ascii").split()
        return -(-int(share) // int(period))
    except (OSError, ValueError):  # not Linux, not in a container, or "max"
        return None


def use_threads(count: int | None = None) -> int:
    """Set the number of threads, in this process and those it starts; None means `usable_cores`.

    Returns the number. It applies to torch (loaded or not), OpenCV and the other engines, which call `threads`.
    """
    count = usable_cores() if count is None else count
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ[variable] = str(count)  # read when the library is loaded, here or in a child process
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
    if cv2 := sys.modules.get("cv2"):
        cv2.setNumThreads(count)
    return count


def threads() -> int:
    """Number of threads for engines: that of `use_threads` or OMP_NUM_THREADS, else `usable_cores`."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(first) if first.isdecimal() and int(first) else usable_cores()


def be_nice(by: int) -> None:
    """Lower the priority of this process, by 0 (normal) to 19 (lowest).

    Raises UsageError on a system without niceness.
    """
    if not by:
        return
    if not hasattr(os, "nice"):
        raise UsageError("this system does not support niceness; set the priority in its task manager")
    os.nice(by)
