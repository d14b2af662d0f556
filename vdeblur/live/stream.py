"""LiveStream: restores a live stream frame by frame, without look-ahead, on a ladder of quality steps."""

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
from .pace import LadderStep, Pace

LONG_GAP_SECONDS = 0.5
"""The state is reset after a gap longer than this."""

SCALES = (Fraction(1), Fraction(2, 3), Fraction(1, 2), Fraction(1, 3))
"""Working sizes of the ladder, from the best to the cheapest."""

LIGHT_MODEL = "fast"
"""The lower steps use this model, if published, and the last one the per-frame network."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of the ladder with its restorer."""

    step: LadderStep
    restorer: Restorer
    cost: float
    """Estimated work per frame, relative to the other rungs."""


def ladder(options: ModelOptions, *, fixed: bool = False) -> list[Rung]:
    """The rungs for a wanted model: itself, then `fast` at decreasing sizes, then the per-frame network.

    Steps that cost no less than the one above are left out, such as `fast` at full size below a lighter model. For a
    model that is not published only the size decreases, and the last step restores every second frame. `fixed` returns
    the first rung only. Raises what `load_restorer` raises.
    """
    model = options.named().name or ""
    known = {entry.name: entry for entry in published() if entry.comes_in(options.precision)}
    if model not in known:  # the work of a filter or of a user's file is unknown
        known = {}
    light = LIGHT_MODEL if LIGHT_MODEL in known else model
    last = PER_FRAME_MODEL if PER_FRAME_MODEL in known else light
    below = [] if fixed else [*(LadderStep(light, scale) for scale in SCALES), LadderStep(last, SCALES[-1], every=2)]
    steps = [LadderStep(model)]
    for step in below:
        if _relative_cost(step, known) / step.every < _relative_cost(steps[-1], known) / steps[-1].every:
            steps.append(step)
    return [_rung(step, options, _relative_cost(step, known)) for step in steps]


def _rung(step: LadderStep, options: ModelOptions, cost: float) -> Rung:
    restorer = load_restorer(replace(options, name=step.model), look_ahead=False)
    return Rung(step, restorer if step.scale == 1 else Scaled(restorer, step.scale), cost)


def _relative_cost(step: LadderStep, known: dict[str, PublishedModel]) -> float:
    work = known[step.model].gmac_720p if step.model in known else 1.0
    return work * float(step.scale) ** 2


class _Ladder:
    """The rungs of one stream and the pace on them."""

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
    """Restores one live stream. Call `restore` from one thread; streams may share rungs."""

    def __init__(
        self,
        rungs: Sequence[Rung],
        *,
        max_latency: float = 0.2,
        strength: float = 1.0,
        is_cut: IsCut | None = None,
    ) -> None:
        """`max_latency` in seconds, `strength` 0..1; `is_cut` None detects cuts with a new `SceneCuts`."""
        self.strength = strength
        """0 shows the input, 1 the result; may be changed at any time."""
        self.resets = 0
        """How often the state was reset: at cuts, long gaps, and changes of size or step."""
        self._is_cut = is_cut or SceneCuts()
        self._max_latency = max_latency
        self._number: int | None = None
        self._missed = 0
        self._next = self._ladder = _Ladder(rungs, max_latency)
        self._stream = Stream(self._ladder.restorer, self._needs_reset)
        self._has_started = False

    def use(self, rungs: Sequence[Rung]) -> None:
        """Switch to the first step of another ladder with the next frame. May be called from another thread."""
        self._next = _Ladder(rungs, self._max_latency)

    @property
    def step(self) -> LadderStep:
        """The current step."""
        return self._ladder.rung.step

    @property
    def stepped_down(self) -> int:
        """Number of steps below the wanted quality."""
        return self._ladder.pace.index

    @property
    def model(self) -> str:
        """The wanted model, that of the first step."""
        return self._ladder.wanted

    @property
    def device(self) -> str:
        """Device of the current step."""
        return self._ladder.rung.restorer.device

    def restore(self, frame: Frame) -> Frame:
        """Restore the next frame; others may have been dropped since the last one."""
        if self._ladder is not self._next:
            self._ladder = self._next
            self._switch_to(self._ladder.restorer)
        (result,) = self._stream.feed(frame)  # without look-ahead each frame comes back at once
        self.resets += result.is_scene_start and self._has_started
        self._has_started = True
        return result.after if self.strength == 1 else blended(frame, result.after, self.strength)

    def wants(self, number: int) -> bool:
        """Whether to restore the frame of this number; False if the current step skips it.

        Call it for every frame that could be restored now, in order; numbers left out count as missed.
        """
        missed = 0 if self._number is None else number - self._number - self.step.every
        if missed < 0:
            return False
        self._number, self._missed = number, missed
        return True

    def took(self, work: float, interval: float, latency: float, now: float) -> bool:
        """Report the times of the last frame in seconds (see `Pace.observe`); True if the step changes."""
        if not self._ladder.pace.observe(work, interval, latency, self._missed, now):
            return False
        self._switch_to(self._ladder.restorer)
        return True

    def _switch_to(self, restorer: Restorer) -> None:
        self._stream.use(restorer)
        self.resets += 1

    def _needs_reset(self, last: Frame, frame: Frame) -> bool:
        gap = frame.seconds - last.seconds
        return not 0 < gap <= LONG_GAP_SECONDS or self._is_cut(last, frame)
