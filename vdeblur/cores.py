"""The cores that the work takes, and how its threads wait for each other. Loads nothing; imported before torch.

OpenMP's threads meet at the end of every operator. By default those that arrive early spin, which on a quiet machine
costs nothing; but where another program takes one of two cores, the spinning ones keep the late one from its core, and
restoring becomes twenty times slower. Waiting passively costs a few per cent at most (see `benchmarks/busy.py`). The
policy is read once, when torch is loaded, so it is set when vdeblur is imported; a user's own setting is kept.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .errors import UsageError

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""A container's share of the processor, on Linux: "200000 100000" is two cores, "max 100000" all of them."""

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def usable_cores() -> int:
    """Cores that this process may use: those it is bound to, and no more than its container's share of them."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(bound, _quota() or bound), 1)


def _quota() -> int | None:
    """Whole cores of the container's share, rounded up; None where there is no limit."""
    try:
        share, period = CPU_QUOTA.read_text(encoding="ascii").split()
        return -(-int(share) // int(period))
    except (OSError, ValueError):  # not Linux, not in a container, or "max"
        return None


def use_threads(count: int | None = None) -> int:
    """Compute with this many threads from here on, in this process and those it starts; None takes `usable_cores`.

    Returns the number. It holds for torch (loaded or not), OpenCV and the other engines, which ask `threads`.
    """
    count = usable_cores() if count is None else count
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ[variable] = str(count)  # read when the library is loaded, here or by a process that this one starts
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
    if cv2 := sys.modules.get("cv2"):
        cv2.setNumThreads(count)
    return count


def threads() -> int:
    """How many threads an engine computes with: what `use_threads` or OMP_NUM_THREADS says, else `usable_cores`."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(first) if first.isdecimal() and int(first) else usable_cores()


def be_nice(by: int) -> None:
    """Leave the cores to other programs where they want them: 0 is as important as they, 19 the least.

    Raises UsageError on a system that knows no niceness.
    """
    if not by:
        return
    if not hasattr(os, "nice"):
        raise UsageError("this system has no niceness of processes; set the priority in its task manager")
    os.nice(by)
