"""Restorers made by code and not loaded from weights: classical filters, and those registered by a program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..backends.published import published
from ..errors import UsageError
from ..restorer import Restorer
from ..version import __version__
from .classical import CLASSICAL


@dataclass(frozen=True, slots=True)
class Made:
    """A factory of restorers under a name."""

    make: Callable[[], Restorer]
    warm_up: int
    """Warm-up frames after which results are within 1/255 of those with a longer past."""
    version: str
    """Changes when the results change: unfinished jobs then start from scratch."""


MADE = {name: Made(make, 0, __version__) for name, make in CLASSICAL.items()}
"""By name."""


def register(name: str, make: Callable[[], Restorer], *, warm_up: int = 0, version: str = "") -> None:
    """Register a restorer under `name`, which can then be used like a model in this process.

    `make` is called once per stream or job. Long files are restored in segments that start with `warm_up` discarded
    frames: 0 for a restorer without state, else as many as its state remembers. An interrupted job is resumed unless
    `version` has changed. Worker processes of `vdeblur batch --jobs` do not know registered restorers.

    Raises UsageError for a name that is taken, or that looks like a file name.
    """
    if name in MADE or name in {model.name for model in published()}:
        raise UsageError(f"{name!r} is already a model; choose another name")
    if not name or "." in name or "/" in name or "\\" in name:
        raise UsageError(f"{name!r} looks like a file name; choose a name without dots and slashes")
    MADE[name] = Made(make, warm_up, version)
