"""The ladder keeps in time, goes up again when it can, and does not flutter."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from vdeblur.pace import Pace, Step

COSTS = [1.0, 0.44, 0.25, 0.11, 0.08]
EVERY = [1, 1, 1, 1, 2]
INTERVAL = 1 / 30


def simulate(pace: Pace, full_work: float, seconds: float, start: float = 0.0, noise: float = 0.0) -> list[int]:
    """Steps that a stream takes whose best step needs `full_work` seconds a frame; one entry per frame restored."""
    rng = random.Random(1)
    now, steps = start, []
    while now < start + seconds:
        work = full_work * COSTS[pace.index] * (1 + noise * rng.uniform(-1, 1))
        now += max(work, INTERVAL * EVERY[pace.index])
        steps.append(pace.index)
        pace.observe(work, INTERVAL, work + min(work, INTERVAL) / 2, now)
    return steps


def changes(steps: list[int]) -> int:
    return sum(a != b for a, b in pairwise(steps))


def test_a_fast_machine_stays_at_the_best_step() -> None:
    assert set(simulate(Pace(COSTS, EVERY), 0.5 * INTERVAL, 60)) == {0}


def test_a_slow_machine_goes_down_at_once_to_a_step_that_fits() -> None:
    steps = simulate(Pace(COSTS, EVERY), 3 * INTERVAL, 20)
    assert steps[-1] == 2  # 3 x 0.25 of the time per frame; the step above would need 3 x 0.44
    assert steps.index(2) < 12


def test_a_machine_beyond_help_ends_on_the_last_step() -> None:
    assert simulate(Pace(COSTS, EVERY), 60 * INTERVAL, 60)[-1] == len(COSTS) - 1


def test_it_goes_up_again_when_the_load_has_gone() -> None:
    pace = Pace(COSTS, EVERY)
    assert simulate(pace, 3 * INTERVAL, 10)[-1] > 0
    assert simulate(pace, 0.5 * INTERVAL, 30, start=10)[-1] == 0


def test_a_latency_bound_below_the_frame_interval_steps_down_too() -> None:
    pace = Pace(COSTS, EVERY, max_latency=0.015)
    simulate(pace, 0.9 * INTERVAL, 10)
    assert 0.9 * INTERVAL * COSTS[pace.index] <= 0.015


@settings(max_examples=60, deadline=None)
@given(st.floats(0.2, 8.0), st.floats(0, 0.25))
def test_it_does_not_flutter(load: float, noise: float) -> None:
    pace = Pace(COSTS, EVERY)
    simulate(pace, load * INTERVAL, 60, noise=noise)
    assert changes(simulate(pace, load * INTERVAL, 120, start=60, noise=noise)) <= 8


@settings(max_examples=60, deadline=None)
@given(st.floats(0.2, 6.0))
def test_it_settles_where_it_keeps_up(load: float) -> None:
    pace = Pace(COSTS, EVERY)
    simulate(pace, load * INTERVAL, 60)
    fits = [load * cost <= every for cost, every in zip(COSTS, EVERY, strict=True)]
    assert fits[pace.index] or not any(fits)


def test_a_step_says_what_it_is() -> None:
    assert str(Step("fast")) == "fast"
    assert str(Step("cnn", Fraction(1, 3), 2)) == "cnn at 1/3 size, every 2nd frame"
