"""Where the time of a frame goes: a clock around each stage of the line, which costs nothing while nobody measures.

Stages run side by side in several threads, so their times may add up to more than has passed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

STAGES = ("decode", "fold", "flow", "align", "network", "unfold", "encode")

_totals: dict[str, float] | None = None
_lock = Lock()


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the block's time as that of a stage of STAGES; also a decorator."""
    if _totals is None:
        yield
        return
    started = time.perf_counter()
    try:
        yield
    finally:
        passed = time.perf_counter() - started
        with _lock:
            if _totals is not None:
                _totals[name] += passed


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Measure within the block: seconds of each stage so far, in this process. Not for two threads at once."""
    global _totals
    _totals = dict.fromkeys(STAGES, 0.0)
    try:
        yield _totals
    finally:
        _totals = None
