"""A live stream's state: carried over dropped frames, dropped after long gaps, cuts and changes; small sizes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.in_memory import YUV420, Identity, picture
from support.networks import publish_heavier
from support.videos import frames as moving
from vdeblur.frames import Color, Frame, Layout
from vdeblur.live.pace import LadderStep
from vdeblur.live.stream import LiveStream, Rung, ladder
from vdeblur.loading import ModelOptions
from vdeblur.restorer import Restorer, State
from vdeblur.restorers.scaled import MULTIPLE, Scaled, shrunk
from vdeblur.windows import Window


@dataclass
class Brighter:
    """Adds to luma; what it saw and which states it got are kept."""

    amount: int = 10
    name: str = "brighter"
    device: str = "cpu"
    precision: str = "native"
    past: int = 1
    future: int = 0
    windows: list[Window] = field(default_factory=list)
    states: list[State] = field(default_factory=list)

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        self.windows.append(window)
        self.states.append(state)
        luma = window.centre.planes[0]
        top = (1 << window.centre.layout.bits) - 1
        brighter: Any = np.minimum(luma.astype(np.int32) + self.amount, top).astype(luma.dtype)
        return replace(window.centre, planes=(brighter, *window.centre.planes[1:])), len(self.states)


def stream_of(*restorers: Restorer, every: int = 1) -> LiveStream:
    rungs = [Rung(LadderStep(r.name, every=every), r, 1 / (i + 1)) for i, r in enumerate(restorers)]
    return LiveStream(rungs, is_cut=lambda a, b: False)


def test_each_frame_gets_the_last_one_and_its_state() -> None:
    brighter = Brighter()
    stream = stream_of(brighter)
    given_frames = moving(4)
    for frame in given_frames:
        stream.restore(frame)
    assert brighter.states == [None, 1, 2, 3]
    assert [w.is_scene_start for w in brighter.windows] == [True, False, False, False]
    assert [w.frames for w in brighter.windows[1:]] == [tuple(given_frames[i - 1 : i + 1]) for i in (1, 2, 3)]
    assert stream.resets == 0


def test_dropped_frames_age_the_state_and_a_long_gap_resets_it() -> None:
    brighter = Brighter()
    stream = stream_of(brighter)
    for frame in moving(4, pts=[0, 5, 16, 30]):  # gaps of 0.2, 0.44 and 0.56 s
        stream.restore(frame)
    assert brighter.states == [None, 1, 2, None]
    assert stream.resets == 1


def test_a_backward_time_stamp_and_a_change_of_size_reset_the_state() -> None:
    brighter = Brighter()
    stream = stream_of(brighter)
    for frame in [*moving(2), *moving(1), *moving(1, size=(32, 32), pts=[1])]:
        stream.restore(frame)
    assert brighter.states == [None, 1, None, None]


def test_a_cut_resets_the_state() -> None:
    brighter = Brighter()
    stream = LiveStream([Rung(LadderStep("brighter"), brighter, 1.0)])
    blocks = [picture(seed, (16, 12)) for seed in (1, 2)]
    large = [
        replace(f, planes=tuple(np.kron(p, np.ones((8, 8), np.uint8)) for p in f.planes), pts=i)
        for i, f in enumerate([blocks[0], blocks[0], blocks[1]])
    ]
    for frame in large:
        stream.restore(frame)
    assert brighter.states == [None, 1, None]


def test_without_look_ahead_the_centre_replaces_the_future_frame() -> None:
    identity = Identity()
    stream = stream_of(identity)
    for frame in moving(3):
        assert stream.restore(frame) is frame
    assert identity.states == [0, 1, 2]


def test_strength_blends_with_the_input() -> None:
    stream = stream_of(Brighter(10))
    frame = moving(1)[0]
    stream.strength = 0.5
    assert np.array_equal(stream.restore(frame).planes[0], frame.planes[0] + 5)


def test_another_ladder_or_step_resets_the_state() -> None:
    first, second, third = Brighter(), Brighter(), Brighter()
    stream = stream_of(first, second)
    frames = iter(moving(40))
    stream.restore(next(frames))
    for seconds in range(30):
        stream.restore(next(frames))
        if stream.took(1.0, 0.04, 1.0, seconds):
            break
    stream.restore(next(frames))
    assert first.states[0] is None
    assert second.states == [None]
    assert second.windows[0].frames[0] is not second.windows[0].frames[1]  # the past frame still serves
    stream.use([Rung(LadderStep("brighter"), third, 1.0)])
    stream.restore(next(frames))
    assert third.states == [None]
    assert stream.stepped_down == 0


def test_the_stream_selects_the_frames_of_the_current_step_and_counts_missed_ones() -> None:
    every, second = stream_of(Brighter()), stream_of(Brighter(), every=2)
    assert [number for number in range(6) if every.wants(number)] == [0, 1, 2, 3, 4, 5]
    assert [number for number in (0, 1, 2, 5, 6, 7) if second.wants(number)] == [0, 2, 5, 7]
    stream = stream_of(Brighter(), Brighter())
    for number in range(0, 60, 2):  # each second frame is missed
        assert stream.wants(number)
        if stream.took(0.05, 0.04, 0.05, number / 25):
            break
    assert stream.stepped_down == 1


def test_the_ladder_starts_at_the_chosen_model_and_goes_down_to_fast_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy = publish_heavier(tmp_path, monkeypatch)
    steps = [str(rung.step) for rung in ladder(ModelOptions(heavy, "cpu", "fp32"))]
    assert steps[:3] == ["heavy", "fast", "fast at 2/3 size"]
    assert steps[-1] == "cnn at 1/3 size, every 2nd frame"


@pytest.mark.parametrize("model", ["fast", "cnn", "heavy"])
def test_every_step_costs_less_than_the_one_above(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_heavier(tmp_path, monkeypatch)
    rungs = ladder(ModelOptions(model, "cpu", "fp32"))
    costs = [rung.cost / rung.step.every for rung in rungs]
    assert rungs[0].step == LadderStep(model)
    assert all(a > b for a, b in pairwise(costs))


def test_the_ladder_of_a_filter_gets_cheaper_and_ends_on_alternate_frames() -> None:
    rungs = ladder(ModelOptions("unsharp"))
    assert [rung.step.scale for rung in rungs[:4]] == [1, Fraction(2, 3), Fraction(1, 2), Fraction(1, 3)]
    assert rungs[-1].step.every == 2
    costs = [rung.cost / rung.step.every for rung in rungs]
    assert costs == sorted(costs, reverse=True)
    assert [str(rung.step) for rung in ladder(ModelOptions("unsharp"), fixed=True)] == ["unsharp"]


def test_a_network_without_look_ahead_moves_down_and_up_the_ladder(tmp_path: Path) -> None:
    from vdeblur.backends import checkpoints
    from vdeblur.models import build

    small = {"half": 8, "quarter": 8, "eighth": 8, "hidden": 8, "neighbour": 8}
    names = build("convlstm", {}).config.__dataclass_fields__
    network = build("convlstm", {k: v for k, v in small.items() if k in names})
    path = tmp_path / "small.safetensors"
    checkpoints.save(path, network, "convlstm", network.state_dict(), {})
    rungs = ladder(ModelOptions(str(path), "cpu", "fp32"))
    assert all(rung.restorer.future == 0 for rung in rungs)
    for rung in rungs:
        stream = LiveStream([rung], is_cut=lambda a, b: False)
        for frame in moving(3, size=(70, 50)):
            restored = stream.restore(frame)
            assert [p.shape for p in restored.planes] == [p.shape for p in frame.planes]
            assert restored.pts == frame.pts


LAYOUTS = (YUV420, Layout("yuv", 10, (1, 0)), Layout("rgb", 8), Layout("gray", 16))


@settings(max_examples=30)
@given(st.integers(1, 80), st.integers(1, 80), st.sampled_from(LAYOUTS), st.sampled_from([2, 3, 4]))
def test_at_a_smaller_working_size_unchanged_samples_stay_exact(w: int, h: int, layout: Layout, part: int) -> None:
    frame = replace(picture(3, (w, h), layout), color=Color())
    restored, _ = Scaled(Identity(past=0, future=0), Fraction(1, part)).restore(Window((frame,), 0, True), None)
    assert all(np.array_equal(a, b) for a, b in zip(frame.planes, restored.planes, strict=True))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_residual_is_enlarged_and_added(layout: Layout) -> None:
    frame = moving(1, layout, (64, 48))[0]
    restored, _ = Scaled(Brighter(4, past=0), Fraction(1, 2)).restore(Window((frame,), 0, True), None)
    top = (1 << layout.bits) - 1
    assert np.array_equal(restored.planes[0], np.minimum(frame.planes[0].astype(int) + 4, top))
    assert shrunk(frame, Fraction(1, 2)).size == (32, 24)
    assert min(shrunk(frame, Fraction(1, 100)).size) == MULTIPLE


def test_a_small_frame_is_made_once() -> None:
    brighter = Brighter(past=1)
    stream = LiveStream(
        [Rung(LadderStep("b", Fraction(1, 2)), Scaled(brighter, Fraction(1, 2)), 1)], is_cut=lambda a, b: False
    )
    for frame in moving(3):
        stream.restore(frame)
    seen = [w.frames for w in brighter.windows]
    assert seen[1][0] is seen[0][1]
    assert seen[2][0] is seen[1][1]
