"""LiveStream: one live stream through the ladder, frame by frame, without look-ahead. No threads, no devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from ..backends.published import PublishedModel, published
from ..frames import Frame
from ..loading import PER_FRAME_MODEL, ModelOptions, load_per_frame, load_restorer
from ..pipeline import Stream
from ..restorer import Restorer
from ..restorers.blend import blended
from ..restorers.fallback import WithFallback
from ..restorers.look_ahead import WithoutLookAhead
from ..restorers.scaled import Scaled
from ..scenes import SceneCuts
from ..windows import IsCut
from .pace import Pace, Step

LONG_GAP_SECONDS = 0.5
"""A state that has missed more of the stream than this is dropped: the scene has moved on without it."""

SCALES = (Fraction(1), Fraction(2, 3), Fraction(1, 2), Fraction(1, 3))
"""Working sizes of the ladder, from the best to the cheapest."""

LIGHT_MODEL = "fast"
"""What the ladder goes down to where it is published, and from there to the per-frame network."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of the ladder, with what does its work."""

    step: Step
    restorer: Restorer
    cost: float
    """Work per frame in units of the same model's work at full size on the lightest network."""


def ladder(options: ModelOptions, *, fixed: bool = False) -> list[Rung]:
    """The rungs for a wanted model: itself, then `fast` at smaller and smaller sizes, then the per-frame network.

    What costs no less than the step above is left out, such as `fast` at full size below a lighter model. A model that
    is not published goes down by size alone, and at last restores every second frame. `fixed` gives the first rung
    alone. Raises what `load_restorer` raises.
    """
    model = options.named().name or ""
    known = {entry.name: entry for entry in published()}
    if model not in known:  # the work of a filter, or of a user's file, cannot be weighed against that of ours
        known = {}
    light = LIGHT_MODEL if LIGHT_MODEL in known else model
    last = PER_FRAME_MODEL if PER_FRAME_MODEL in known else light
    below = [] if fixed else [*(Step(light, scale) for scale in SCALES), Step(last, SCALES[-1], every=2)]
    steps = [Step(model)]
    for step in below:
        if _relative_cost(step, known) / step.every < _relative_cost(steps[-1], known) / steps[-1].every:
            steps.append(step)
    return [_rung(step, options, _relative_cost(step, known)) for step in steps]


def _rung(step: Step, options: ModelOptions, cost: float) -> Rung:
    restorer = load_restorer(replace(options, name=step.model), look_ahead=False)
    return Rung(step, restorer if step.scale == 1 else Scaled(restorer, step.scale), cost)


def _relative_cost(step: Step, known: dict[str, PublishedModel]) -> float:
    work = known[step.model].gmac_720p if step.model in known else 1.0
    return work * float(step.scale) ** 2


class _Ladder:
    """The rungs that one stream goes up and down, replaced as a whole."""

    def __init__(self, rungs: Sequence[Rung], max_latency: float) -> None:
        self.wanted = rungs[0].step.model
        self._rungs = list(rungs)
        self._restorers = [
            WithFallback(WithoutLookAhead(rung.restorer), partial(load_per_frame, rung.restorer, look_ahead=False))
            for rung in rungs
        ]
        self.pace = Pace([rung.cost for rung in rungs], [rung.step.every for rung in rungs], max_latency)

    @property
    def rung(self) -> Rung:
        return self._rungs[self.pace.index]

    @property
    def restorer(self) -> Restorer:
        return self._restorers[self.pace.index]


class LiveStream:
    """Restores one stream as it comes. Call `restore` from one thread; the rungs may be shared between streams."""

    def __init__(
        self,
        rungs: Sequence[Rung],
        *,
        max_latency: float = 0.2,
        strength: float = 1.0,
        is_cut: IsCut | None = None,
    ) -> None:
        """`max_latency` in seconds, `strength` 0..1; `is_cut` is a `SceneCuts` of its own unless given."""
        self.strength = strength
        """0 shows the input, 1 the result; may be changed at any time."""
        self.resets = 0
        """How often the state was dropped, for a cut, a long gap, another size or another step."""
        self._is_cut = is_cut or SceneCuts()
        self._max_latency = max_latency
        self._number: int | None = None
        self._missed = 0
        self._next = self._ladder = _Ladder(rungs, max_latency)
        self._stream = Stream(self._ladder.restorer, self._starts_anew)
        self._has_begun = False

    def use(self, rungs: Sequence[Rung]) -> None:
        """Go over to another ladder, from its first step, with the next frame. May be called from another thread."""
        self._next = _Ladder(rungs, self._max_latency)

    @property
    def step(self) -> Step:
        """Where on the ladder the stream is."""
        return self._ladder.rung.step

    @property
    def stepped_down(self) -> int:
        """Steps below the wanted quality."""
        return self._ladder.pace.index

    @property
    def model(self) -> str:
        """The wanted model: that of the first step."""
        return self._ladder.wanted

    @property
    def device(self) -> str:
        """Of the present step."""
        return self._ladder.rung.restorer.device

    def restore(self, frame: Frame) -> Frame:
        """Restore a frame that follows the last one given, however many were left out between the two."""
        if self._ladder is not self._next:
            self._ladder = self._next
            self._go_on_with(self._ladder.restorer)
        (result,) = self._stream.feed(frame)  # without look-ahead each frame comes back at once
        self.resets += result.is_scene_start and self._has_begun
        self._has_begun = True
        return result.after if self.strength == 1 else blended(frame, result.after, self.strength)

    def wants(self, number: int) -> bool:
        """Whether to restore the camera's frame of this number; False where the step leaves it out on purpose.

        Ask for every frame that could be restored now, numbers rising: what lies between two that are is missed.
        """
        missed = 0 if self._number is None else number - self._number - self.step.every
        if missed < 0:
            return False
        self._number, self._missed = number, missed
        return True

    def took(self, work: float, interval: float, latency: float, now: float) -> bool:
        """Tell what the last frame took, in seconds (see `Pace.observe`); True when the step changes with it."""
        if not self._ladder.pace.observe(work, interval, latency, self._missed, now):
            return False
        self._go_on_with(self._ladder.restorer)
        return True

    def _go_on_with(self, restorer: Restorer) -> None:
        self._stream.use(restorer)
        self.resets += 1

    def _starts_anew(self, last: Frame, frame: Frame) -> bool:
        gap = frame.seconds - last.seconds
        if frame.layout != last.layout or not 0 < gap <= LONG_GAP_SECONDS:
            return True
        return self._is_cut(last, frame)
