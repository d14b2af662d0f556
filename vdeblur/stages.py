"""Measures the time of each stage of the pipeline; free of cost while not measuring.

Stages run in parallel threads, so their times may add up to more than the elapsed time.
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
    """Add the time of the block to a stage of STAGES; also a decorator."""
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
    """Measure within the block; yields the seconds of each stage so far, in this process. Not reentrant."""
    global _totals
    _totals = dict.fromkeys(STAGES, 0.0)
    try:
        yield _totals
    finally:
        _totals = None
