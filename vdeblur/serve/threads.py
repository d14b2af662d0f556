"""Threads for work that may take long, and that a server which stops can leave behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

THREAD = "vdeblur-serve"
"""Name of the threads; the command ends at once, whatever they do (`cli.main`)."""

Told = TypeVar("Told")


class Threads:
    """As `asyncio.to_thread`, but `asyncio.run` and Python's exit do not wait for the work to end."""

    def __init__(self) -> None:
        self._running: set[Future[Any]] = set()

    async def run(self, work: Callable[..., Told], *details: object) -> Told:
        """Call `work(*details)` in a thread of its own. Raises what it raises."""
        outcome: Future[Told] = Future()
        outcome.set_running_or_notify_cancel()  # from here on it cannot be cancelled, as little as the work can

        def call() -> None:
            try:
                outcome.set_result(work(*details))
            except BaseException as error:
                outcome.set_exception(error)

        self._running.add(outcome)
        outcome.add_done_callback(self._running.discard)
        threading.Thread(target=call, name=THREAD, daemon=True).start()
        return await asyncio.wrap_future(outcome)

    async def end(self, seconds: float) -> None:
        """Wait until all work has ended, at most this long."""
        if running := [asyncio.wrap_future(one) for one in self._running.copy()]:
            ended, _ = await asyncio.wait(running, timeout=seconds)
            for one in ended:
                one.exception()  # `run` raises it; asyncio would report it as one that nobody looked at
