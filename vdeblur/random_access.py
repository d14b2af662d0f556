"""Restored frames by number, in any order: for frame servers and players, which ask as they like.

A recurrence wants its frames in order. So a *run* goes through the stream as `restore_stream` does, and whoever asks
for the next frames gets them from it; after a jump a new run starts a warm-up earlier, as a segment of a file does.
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
    """A stream of known length whose restored frames can be asked for by number. Not for several threads at once.

    Forward, by no more than the warm-up, the run goes on; back, what was kept is handed out again; all else costs a
    warm-up. Holds one state, one window of frames and `keep` results, however long the stream is.
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
        """`frame_at` reads frame 0 .. count - 1; what it raises comes out of `frame`, which can be called again.

        `warm_up` is how many frames a new run restores and throws away before the one asked for: with the model's
        measured number that one is within 1/255 of an unbroken run. `keep` results, at least one, stay at hand for
        requests that were overtaken. `new_cuts` makes, for each run, what `windows` asks for scene cuts. `finish` makes
        of a restored frame what is handed out and kept.
        """
        self._frame_at, self._count = frame_at, count
        self._restorer = restorer
        self._warm_up, self._keep = max(warm_up, restorer.past), max(keep, 1)
        self._new_cuts, self._finish = new_cuts, finish
        self._kept: OrderedDict[int, Out] = OrderedDict()
        self._run: Iterator[Frame] | None = None
        self._next = 0
        """The frame that the run yields next."""
        self._warm = 0
        """The run's first frame that has the past it needs."""

    def frame(self, number: int) -> Out:
        """Frame `number` restored. Raises IndexError outside the stream, and what the restorer raises."""
        if not 0 <= number < self._count:
            raise IndexError(f"frame {number} of a stream of {self._count}")
        if number in self._kept:
            return self._kept[number]
        run = self._run
        if run is None or not 0 <= number - self._next <= self._warm_up:
            run = self._start(number)
        self._run = None  # whatever is raised below leaves no run that could be gone on with
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
        """A run for which `number` is warm; from the beginning of the stream every frame is."""
        first = max(number - self._warm_up, 0)
        self._next, self._warm = first, number if first else 0
        numbers, read = range(first, self._count), self._frame_at  # no `self`: frames would wait for cycles to be found
        is_cut = self._new_cuts() if self._new_cuts else None
        results = restored((read(number) for number in numbers), self._restorer, is_cut)
        return (result.after for result in results)
