"""Turns Ctrl-C and SIGTERM into exceptions, so that `with` blocks end threads and remove temporary files."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NOTICE = 25
"""Log level between INFO and WARNING: notices such as that a run is resumed."""


class Stopped(Exception):
    """The user or the system asked to stop.

    An Exception, unlike KeyboardInterrupt: FFmpeg calls Python to read and write pipes, and PyAV propagates only
    Exceptions from there.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
        self.what_is_left = "nothing was written under the output's name"
        """What remains, for the message to the user."""

    @property
    def exit_code(self) -> int:
        """As in shells: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.signum


class StopSignals:
    """Raises `Stopped` in the main thread at the first signal; later signals are ignored during clean-up."""

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
        """Within the block a signal is deferred until the next `check`."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def check(self, cause: BaseException | None = None) -> None:
        """Raise `Stopped` if a signal has arrived: an exception raised in a finaliser would have been lost."""
        if self.signum is not None:
            raise Stopped(self.signum) from cause


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Within the block SIGINT and SIGTERM raise `Stopped`. No effect outside the main thread."""
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
        stop.check(error)  # a library may have converted the exception that a signal raised in it
        raise
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
