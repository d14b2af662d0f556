"""LiveStream: one live stream through the ladder, frame by frame, without look-ahead. No threads, no devices."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from ..backends.published import PublishedModel, published
from ..frames import Frame
from ..restorer import Restorer, State, load_restorer
from ..restorers.blend import Blended
from ..restorers.fallback import WithFallback
from ..restorers.scaled import Scaled
from ..scenes import SceneCuts
from ..windows import Window
from .pace import Pace, Step

LONG_GAP_SECONDS = 0.5
"""A state that has missed more of the stream than this is dropped: the scene has moved on without it."""

SCALES = (Fraction(1), Fraction(2, 3), Fraction(1, 2), Fraction(1, 3))
"""Working sizes of the ladder, from the best to the cheapest."""

LIGHT_MODEL, PER_FRAME_MODEL = "fast", "cnn"
"""What the ladder goes down to, where these are published."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of the ladder, with what does its work."""

    step: Step
    restorer: Restorer
    cost: float
    """Work per frame in units of the same model's work at full size on the lightest network."""


def ladder(model: str, device: str = "auto", precision: str = "auto", *, fixed: bool = False) -> list[Rung]:
    """The rungs for a wanted model: itself, then `fast` at smaller and smaller sizes, then the per-frame network.

    What costs no less than the step above is left out, such as `fast` at full size below a lighter model. A model that
    is not published goes down by size alone, and at last restores every second frame. `fixed` gives the first rung
    alone. Raises what `load_restorer` raises.
    """

    @cache
    def load(name: str) -> Restorer:
        return load_restorer(name, device, precision, look_ahead=False)

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
    return [_rung(step, load(step.model), _relative_cost(step, known)) for step in steps]


def _rung(step: Step, restorer: Restorer, cost: float) -> Rung:
    return Rung(step, restorer if step.scale == 1 else Scaled(restorer, step.scale), cost)


def _relative_cost(step: Step, known: dict[str, PublishedModel]) -> float:
    work = known[step.model].gmac_720p if step.model in known else 1.0
    return work * float(step.scale) ** 2


class _Ladder:
    """The rungs that one stream goes up and down, replaced as a whole."""

    def __init__(self, rungs: Sequence[Rung], max_latency: float) -> None:
        per_frame = next((rung.restorer for rung in rungs if rung.step.model == PER_FRAME_MODEL), None)
        self.wanted = rungs[0].step.model
        self._rungs = list(rungs)
        self._restorers = [
            WithFallback(rung.restorer, lambda: per_frame or load_restorer(PER_FRAME_MODEL)) for rung in rungs
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
        is_cut: Callable[[Frame, Frame], bool] | None = None,
    ) -> None:
        """`max_latency` in seconds, `strength` 0..1; `is_cut` is a `SceneCuts` of its own unless given."""
        self.strength = strength
        """0 shows the input, 1 the result; may be changed at any time."""
        self.resets = 0
        """How often the state was dropped, for a cut, a long gap, another size or another step."""
        self._is_cut = is_cut or SceneCuts()
        self._max_latency = max_latency
        self._past: deque[Frame] = deque(maxlen=1)
        self._state: State = None
        self._number: int | None = None
        self._missed = 0
        self._next = self._ladder = _Ladder(rungs, max_latency)

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

    def forget(self) -> None:
        """Drop the state and the past: the next frame starts a scene."""
        self._past.clear()
        self._state = None

    def restore(self, frame: Frame) -> Frame:
        """Restore a frame that follows the last one given, however many were left out between the two."""
        if self._ladder is not self._next:
            self._ladder, self._state = self._next, None
            self.resets += 1
        if self._past and self._starts_anew(self._past[-1], frame):
            self.forget()
            self.resets += 1
        restorer = self._ladder.restorer
        if self.strength != 1:
            restorer = Blended(restorer, self.strength)
        is_start = not self._past
        before = self._past[-1] if self._past else frame
        frames = (*(before,) * restorer.past, frame, *(frame,) * restorer.future)
        restored, self._state = restorer.restore(Window(frames, restorer.past, is_start), self._state)
        self._past.append(frame)
        return restored

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
        self._state = None  # it belongs to another network or size; the past frame still serves
        self.resets += 1
        return True

    def _starts_anew(self, last: Frame, frame: Frame) -> bool:
        gap = frame.seconds - last.seconds
        if frame.size != last.size or frame.layout != last.layout or not 0 < gap <= LONG_GAP_SECONDS:
            return True
        return self._is_cut(last, frame)
