"""Every error that a user can meet, in one tree.

    VdeblurError (exit 1)
    ├── UsageError          (exit 2)  invalid settings
    ├── InputError          (exit 3)  missing, empty, damaged or unsupported input
    ├── ModelError          (exit 3)  an unknown model; weights missing, altered or of another format
    ├── DeviceError         (exit 4)  an unavailable device or display; out of memory
    ├── OutputError         (exit 5)  output that exists, cannot be written, or a full disk
    │   └── NotInSegments             the input cannot be done in segments; `one_piece` goes on without
    ├── Problems            (as its first)  several of them at once
    └── NonFiniteResult     (exit 1)  a network gave NaN or infinity; the per-frame network does that frame

A message is one line: it names the file or setting at fault and what to do about it.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Sequence

EXIT_OK = 0
EXIT_INTERNAL = 1
EXIT_DAMAGED_INPUT = 6
"""The work is done, but frames of a damaged input were concealed."""
EXIT_BATCH_FAILURES = 7


class VdeblurError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = EXIT_INTERNAL

    def __init__(self, message: str = "", *, settings: tuple[str, ...] = ()) -> None:
        """`settings` names the fields of jobs and options that the message is about: the command line adds flags."""
        super().__init__(message)
        self.settings = settings


class UsageError(VdeblurError):
    """Invalid flags, settings or configuration."""

    exit_code = 2


class InputError(VdeblurError):
    """The input is missing, empty, damaged beyond use, or of a kind that is not supported."""

    exit_code = 3


class ModelError(VdeblurError):
    """A model is unknown, or its file is missing, altered or of another format."""

    exit_code = 3


class DeviceError(VdeblurError):
    """The device is absent or out of memory, or there is no display."""

    exit_code = 4


class OutputError(VdeblurError):
    """The output already exists, cannot be written, or the disk is full."""

    exit_code = 5


class NotInSegments(OutputError):
    """Segments of an input do not make it up again: its times or its encoder's headers are not what they seemed."""


class NonFiniteResult(VdeblurError):
    """A network gave NaN or infinity for a frame; `vdeblur.restorers.fallback` turns to the per-frame network."""


class Problems(VdeblurError):
    """Several errors at once, the reason for the refusal first."""

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
    """Why the system or FFmpeg refused, in words; where the disk is full, with what to do about it."""
    said = getattr(error, "strerror", None) or str(error)
    return _FULL.get(getattr(error, "errno", None) or 0, said)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """'; did you mean "fast"?' for the nearest of the known names, or nothing where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
