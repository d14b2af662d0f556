"""Ctrl-C and SIGTERM as exceptions that unwind the `with` blocks, so that threads end and temporaries go."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NOTICE = 25
"""Level of log lines that are neither a warning nor detail: what a run that was stopped goes on with."""


class Stopped(Exception):
    """The user or the system asked to stop.

    An Exception, unlike KeyboardInterrupt: FFmpeg calls back into Python to read and write pipes, and PyAV hands on
    what is raised there only if it is one.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
        self.what_is_left = "nothing was written under the output's name"
        """For people."""

    @property
    def exit_code(self) -> int:
        """As shells report it: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.signum


class StopSignals:
    """Raises `Stopped` in the main thread at the first signal; later ones leave the clearing up undisturbed."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self._held = False

    def on_signal(self, signum: int, _: FrameType | None) -> None:
        """Handle a signal."""
        if self.signum is None:
            self.signum = signum
            if not self._held:
                raise Stopped(signum)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within the block a signal waits for the next `check`, so that nothing is left half done."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def check(self, cause: BaseException | None = None) -> None:
        """Raise `Stopped` again if a signal has come: an exception raised while Python frees an object is lost."""
        if self.signum is not None:
            raise Stopped(self.signum) from cause


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Within the block SIGINT and SIGTERM raise `Stopped`. Without effect outside the main thread."""
    stop = StopSignals()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {signum: signal.signal(signum, stop.on_signal) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    except Stopped:
        raise
    except Exception as error:
        stop.check(error)  # what a library made of the exception that a signal raised within it
        raise
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
