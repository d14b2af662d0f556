"""Two calls run at the same time where there are threads for it, and fail as one would."""

from __future__ import annotations

import threading

import pytest

from vdeblur.backends import parallel
from vdeblur.backends.parallel import both


def test_they_run_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits until the other is there; no thread is left."""
    monkeypatch.setattr(parallel, "threads", lambda: 2)
    before, meeting = set(threading.enumerate()), threading.Barrier(2, timeout=30)
    assert sum(both(meeting.wait, meeting.wait)) == 1  # each is told which one it was: 0 or 1
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("count", [1, 2])
def test_what_either_raises_is_raised(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "threads", lambda: count)

    def fail() -> None:
        raise ValueError("on purpose")

    assert both(lambda: 1, lambda: "two") == (1, "two")
    for calls in ((fail, int), (int, fail)):
        with pytest.raises(ValueError, match="on purpose"):
            both(*calls)


def test_one_thread_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "threads", lambda: 1)
    here = threading.get_ident()
    assert both(threading.get_ident, threading.get_ident) == (here, here)
