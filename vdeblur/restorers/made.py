"""Restorers that are made, not read from weights: the classical filters, and those that a program registers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import UsageError
from ..restorer import Restorer
from ..version import __version__
from .classical import CLASSICAL


@dataclass(frozen=True, slots=True)
class Made:
    """How a name becomes a restorer."""

    make: Callable[[], Restorer]
    warm_up: int
    """Frames after which a state that starts from nothing gives frames within 1/255 of what it would have given."""
    version: str
    """Another one when its results are others: work that was begun with the old ones starts anew."""


MADE = {name: Made(make, 0, __version__) for name, make in CLASSICAL.items()}
"""What stands for each name."""


def register(name: str, make: Callable[[], Restorer], *, warm_up: int = 0, version: str = "") -> None:
    """Let `name` stand for a restorer of your own wherever this process takes the name of a model.

    `make` is called once for each stream, or job. Long files are restored in segments, which begin with `warm_up`
    frames that are thrown away: 0 for a restorer without a state, else as many as its state reaches back. A stopped job
    goes on with the segments it has, unless `version` has changed since. Processes that `vdeblur batch --jobs` starts
    know nothing of it.

    Raises UsageError for a name that is taken, or that would be the name of a file.
    """
    from ..backends.published import published

    if name in MADE or name in {model.name for model in published()}:
        raise UsageError(f"{name!r} is a model already; choose another name")
    if not name or "." in name or "/" in name or "\\" in name:
        raise UsageError(f"{name!r} would be taken for a file; choose a name without dots and slashes")
    MADE[name] = Made(make, warm_up, version)
