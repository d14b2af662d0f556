"""Two calls in parallel."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..cores import threads

T = TypeVar("T")
U = TypeVar("U")


def both(one: Callable[[], T], two: Callable[[], U]) -> tuple[T, U]:
    """Results of two calls, which run at the same time if there are threads for it.

    It pays for calls of a millisecond or more that release the GIL, as those of NumPy and OpenCV do.
    """
    if threads() == 1:
        return one(), two()
    with ThreadPoolExecutor(1, "vdeblur-both") as helper:
        try:
            other = helper.submit(two)
        except RuntimeError:  # not enough memory for another thread
            return one(), two()
        return one(), other.result()
