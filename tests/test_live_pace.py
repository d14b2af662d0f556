"""The ladder keeps in time, goes down for no other reason, goes up again when it can, and does not flutter.

The clock is simulated and so is what `Live` does with it: a camera that gives a frame at every interval whatever
happens, a slot of one in which the newest frame wins, and a worker that takes as long as the step needs.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from vdeblur.live.pace import LadderStep, Pace

COSTS = [1.0, 0.44, 0.25, 0.11, 0.08]
EVERY = [1, 1, 1, 1, 2]
INTERVAL = 1 / 30


@dataclass
class Machine:
    """How long a step's frame takes here: a part that every size needs, and one that goes with the estimated cost."""

    full: float
    """Work of the best step, in intervals of the camera."""
    fixed: float = 0.0
    """Share of it (0..1) that does not shrink with the picture."""
    noise: float = 0.0
    """Work varies evenly by this share to both sides."""
    slow_start: int = 0
    """First frames after each change of step that take five intervals more."""
    hiccup_every: float = float("inf")
    """Seconds between two frames that take four intervals more, for no fault of the step."""

    def needs(self, step: int) -> float:
        return self.full * (self.fixed + (1 - self.fixed) * COSTS[step])

    def keeps_up(self, step: int, by: float = 1.0) -> bool:
        return self.needs(step) <= by * EVERY[step]

    @property
    def best(self) -> int:
        """The best step that keeps up; the last where none does."""
        return next((step for step in range(len(COSTS)) if self.keeps_up(step)), len(COSTS) - 1)


@dataclass
class Run:
    """A stream on a simulated clock; may be continued on another machine."""

    pace: Pace = field(default_factory=lambda: Pace(COSTS, EVERY))
    now: float = 0.0
    last: int | None = None
    """Number of the frame restored last."""
    frames: list[tuple[float, int, float]] = field(default_factory=list)
    """When each frame was done, at which step, after what latency."""

    def go(self, machine: Machine, seconds: float) -> list[int]:
        """Steps of the frames restored in this time."""
        rng = random.Random(1)
        end, first = self.now + seconds, len(self.frames)
        fresh, hiccup = 0, self.now + machine.hiccup_every
        while self.now < end:
            step = self.pace.index
            number = max(int(self.now / INTERVAL + 1e-9), 0 if self.last is None else self.last + EVERY[step])
            begun = max(self.now, number * INTERVAL)
            work = machine.needs(step) * (1 + machine.noise * rng.uniform(-1, 1))
            work += 5 * (fresh < machine.slow_start)
            if begun >= hiccup:
                hiccup, work = begun + machine.hiccup_every, work + 4
            self.now = begun + work * INTERVAL
            missed = 0 if self.last is None else number - self.last - EVERY[step]
            self.last = number
            self.frames.append((self.now, step, self.now - number * INTERVAL))
            changed = self.pace.observe(work * INTERVAL, INTERVAL, self.frames[-1][2], missed, self.now)
            fresh = 0 if changed else fresh + 1
        return [step for _, step, _ in self.frames[first:]]

    def share_at(self, step: int, seconds: float) -> float:
        """Of the last so many seconds, what was spent at a step."""
        times = [(b - a, at) for (a, _, _), (b, at, _) in pairwise(self.frames) if b > self.now - seconds]
        return sum(length for length, at in times if at == step) / sum(length for length, _ in times)


def changes(steps: list[int]) -> int:
    return sum(a != b for a, b in pairwise(steps))


@settings(max_examples=40)
@given(
    load=st.floats(0.01, 0.94),
    noise=st.floats(0, 0.3),
    fixed=st.floats(0, 0.9),
    slow_start=st.integers(0, 6),
    hiccup_every=st.floats(4, 60),
)
def test_a_fast_machine_stays_on_the_best_step(
    load: float, noise: float, fixed: float, slow_start: int, hiccup_every: float
) -> None:
    machine = Machine(load / (1 + noise), fixed, noise, slow_start, hiccup_every)
    assert set(Run().go(machine, 40)) == {0}


@settings(max_examples=40)
@example(load=2.375, noise=0.125, fixed=0.171875, slow_start=0)
@given(load=st.floats(0.05, 12.0), noise=st.floats(0, 0.2), fixed=st.floats(0, 0.7), slow_start=st.integers(0, 4))
def test_the_step_settles_at_the_best_one_that_keeps_up(
    load: float, noise: float, fixed: float, slow_start: int
) -> None:
    machine = Machine(load, fixed, noise, slow_start)
    # Between the two it may as well stay as go.
    assume(all(machine.keeps_up(step, 0.9) == machine.keeps_up(step, 1.15) for step in range(len(COSTS))))
    run = Run()
    run.go(machine, 180)
    assert run.share_at(machine.best, 90) > 0.9


@settings(max_examples=30)
@given(load=st.floats(0.05, 12.0), noise=st.floats(0, 0.4), fixed=st.floats(0, 0.9), hiccup_every=st.floats(1, 60))
def test_the_step_does_not_oscillate(load: float, noise: float, fixed: float, hiccup_every: float) -> None:
    machine = Machine(load, fixed, noise, hiccup_every=hiccup_every)
    run = Run()
    assert changes(run.go(machine, 60)) <= 12
    assert changes(run.go(machine, 120)) <= 8


@pytest.mark.parametrize("fixed", [0.0, 0.3, 0.6, 0.9])
def test_the_step_goes_up_again_when_the_load_ends(fixed: float) -> None:
    run = Run()
    assert run.go(Machine(3, fixed), 20)[-1] > 0
    run.go(Machine(0.6, fixed), 90)
    assert run.share_at(0, 10) == 1


def test_where_estimates_hold_it_is_back_within_seconds() -> None:
    run = Run()
    run.go(Machine(1.5), 20)
    assert run.pace.index == 1
    run.go(Machine(0.5), 10)
    assert run.pace.index == 0


def test_a_slow_machine_goes_down_at_once_to_a_step_that_fits() -> None:
    run = Run()
    steps = run.go(Machine(3), 2)
    assert steps[-1] == 2  # 3 x 0.25 of the time per frame; the step above would need 3 x 0.44
    assert set(steps) == {0, 2}
    assert next(at for at, step, _ in run.frames if step == 2) < 1.6


def test_a_machine_that_is_too_slow_ends_on_the_last_step() -> None:
    assert Run().go(Machine(60), 60)[-1] == len(COSTS) - 1


@settings(max_examples=20)
@given(bound=st.floats(0.005, 0.2), load=st.floats(0.1, 8), noise=st.floats(0, 0.2))
def test_the_latency_bound_is_kept_wherever_a_step_can(bound: float, load: float, noise: float) -> None:
    machine = Machine(load, noise=noise)
    # Where every frame is in time, it waits for nothing: its latency is its work.
    assume(machine.keeps_up(4, 0.9) and machine.needs(4) * (1 + noise) * INTERVAL < 0.9 * bound)
    run = Run(Pace(COSTS, EVERY, bound))
    run.go(machine, 180)
    late = [latency > bound for at, _, latency in run.frames if at > run.now - 90]
    assert sum(late) <= 0.06 * len(late)


def test_frames_missed_in_a_burst_do_not_count_against_the_step() -> None:
    pace = Pace(COSTS, EVERY)
    assert not any(pace.observe(0.1 * INTERVAL, INTERVAL, 0.02, 5, frame / 5) for frame in range(100))


def test_a_missed_frame_counts_as_work_of_the_one_before() -> None:
    pace = Pace(COSTS, EVERY)
    for frame in range(0, 100, 4):  # one that takes three intervals, then one that takes next to nothing
        pace.observe(3 * INTERVAL, INTERVAL, 3 * INTERVAL, 0, (frame + 3) * INTERVAL)
        pace.observe(0.1 * INTERVAL, INTERVAL, 0.1 * INTERVAL, 2, (frame + 4) * INTERVAL)
    assert pace.index > 0


def test_work_without_missed_frames_changes_nothing() -> None:
    """What counts is whether frames are missed, not what the work says of itself."""
    pace = Pace(COSTS, EVERY)
    for frame in range(200):
        assert not pace.observe(1.4 * INTERVAL, INTERVAL, 1.4 * INTERVAL, 0, frame * INTERVAL)


def test_a_step_says_what_it_is() -> None:
    assert str(LadderStep("fast")) == "fast"
    assert str(LadderStep("cnn", Fraction(1, 3), 2)) == "cnn at 1/3 size, every 2nd frame"
