"""Every error that a user can meet, in one tree.

    VdeblurError (exit 1)
    ├── UsageError          (exit 2)  invalid settings
    ├── InputError          (exit 3)  missing, empty, damaged or unsupported input
    ├── ModelError          (exit 3)  unknown model; missing, altered or incompatible weights
    ├── DeviceError         (exit 4)  unavailable device or display; out of memory
    ├── OutputError         (exit 5)  existing or unwritable output; full disk
    │   └── NotInSegments             the segments of an input do not fit together; see `jobs.one_piece`
    ├── Problems            (as the first)  several errors at once
    └── NonFiniteResult     (exit 1)  a network returned NaN or infinity

A message is one line that names the file or setting and the remedy.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Sequence

EXIT_OK = 0
EXIT_INTERNAL = 1
EXIT_DAMAGED_INPUT = 6
"""Done, but frames of a damaged input were concealed."""
EXIT_BATCH_FAILURES = 7


class VdeblurError(Exception):
    """Base of all errors; `exit_code` is the exit code of the command line."""

    exit_code = EXIT_INTERNAL

    def __init__(self, message: str = "", *, settings: tuple[str, ...] = ()) -> None:
        """`settings` are the fields of jobs and options in question; the command line adds their flags."""
        super().__init__(message)
        self.settings = settings


class UsageError(VdeblurError):
    """Invalid flags, settings or configuration."""

    exit_code = 2


class InputError(VdeblurError):
    """The input is missing, empty, too damaged, or not supported."""

    exit_code = 3


class ModelError(VdeblurError):
    """A model is unknown, or its file is missing, altered or incompatible."""

    exit_code = 3


class DeviceError(VdeblurError):
    """The device is unavailable or out of memory, or there is no display."""

    exit_code = 4


class OutputError(VdeblurError):
    """The output already exists or cannot be written, or the disk is full."""

    exit_code = 5


class NotInSegments(OutputError):
    """The segments of an input do not fit together: its times or the headers of its encoder are inconsistent."""


class NonFiniteResult(VdeblurError):
    """A network returned NaN or infinity for a frame; `vdeblur.restorers.fallback` uses the per-frame network."""


class Problems(VdeblurError):
    """Several errors at once, the most important first."""

    def __init__(self, errors: Sequence[VdeblurError]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = tuple(errors)
        self.exit_code = errors[0].exit_code


_MADE_ROOM = "make room and run the same command again"
_FULL = {
    errno.ENOSPC: f"the disk is full; {_MADE_ROOM}",
    errno.EDQUOT: f"your share of the disk is used up; {_MADE_ROOM}",
}


def reason_of(error: BaseException) -> str:
    """The reason of an error of the system or FFmpeg, with the remedy if the disk is full."""
    reason = getattr(error, "strerror", None) or str(error)
    return _FULL.get(getattr(error, "errno", None) or 0, reason)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """'; did you mean "fast"?' for the most similar known name; empty if there is none."""
    similar = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean "{similar[0]}"?' if similar else ""
