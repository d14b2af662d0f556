"""Restored frames by number, in any order, for frame servers and players.

A recurrent network needs its frames in order. So a *run* restores the stream sequentially and serves requests for the
next frames; after a jump a new run starts, with a warm-up before the requested frame as for segments of a file.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from .frames import Frame
from .pipeline import restored
from .restorer import Restorer
from .windows import IsCut

Out = TypeVar("Out")


class RandomAccess(Generic[Out]):
    """Random access to the restored frames of a stream of known length. Not thread-safe.

    The run continues for steps forward by at most the warm-up; kept results serve steps back; other requests cost a
    warm-up. Memory is bounded by one state, one window of frames and `keep` results.
    """

    def __init__(
        self,
        frame_at: Callable[[int], Frame],
        count: int,
        restorer: Restorer,
        *,
        warm_up: int,
        keep: int,
        new_cuts: Callable[[], IsCut] | None = None,
        finish: Callable[[Frame], Out],
    ) -> None:
        """`frame_at` reads frame 0 .. count - 1; its exceptions pass through `frame`, which can be called again.

        `warm_up` is the number of frames that a new run restores and discards before the requested one; with the
        model's measured number the result is within 1/255 of an unbroken run. The last `keep` results (at least one)
        are cached. `new_cuts` makes the scene cut detector of a run. `finish` converts a restored frame to the result.
        """
        self._frame_at, self._count = frame_at, count
        self._restorer = restorer
        self._warm_up, self._keep = max(warm_up, restorer.past), max(keep, 1)
        self._new_cuts, self._finish = new_cuts, finish
        self._kept: OrderedDict[int, Out] = OrderedDict()
        self._run: Iterator[Frame] | None = None
        self._next = 0
        """Number of the next frame of the run."""
        self._warm = 0
        """Number of the first warm frame of the run."""

    def frame(self, number: int) -> Out:
        """Frame `number` restored. Raises IndexError outside the stream, and what the restorer raises."""
        if not 0 <= number < self._count:
            raise IndexError(f"frame {number} of a stream of {self._count}")
        if number in self._kept:
            return self._kept[number]
        run = self._run
        if run is None or not 0 <= number - self._next <= self._warm_up:
            run = self._start(number)
        self._run = None  # an exception below ends the run
        while self._next <= number:
            result = next(run)
            if self._next >= self._warm:
                self._kept[self._next] = self._finish(result)
                if len(self._kept) > self._keep:
                    self._kept.popitem(last=False)
            self._next += 1
        self._run = run
        return self._kept[number]

    def _start(self, number: int) -> Iterator[Frame]:
        """Start a run in which frame `number` is warm; from the start of the stream all frames are."""
        first = max(number - self._warm_up, 0)
        self._next, self._warm = first, number if first else 0
        # No `self` in the generator: a reference cycle would delay freeing frames.
        numbers, read = range(first, self._count), self._frame_at
        is_cut = self._new_cuts() if self._new_cuts else None
        results = restored((read(number) for number in numbers), self._restorer, is_cut)
        return (result.after for result in results)
