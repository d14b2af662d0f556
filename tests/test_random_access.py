"""Restored frames by number: whatever the order of the requests, the frames are those of the unbroken stream."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.averaging import WARM_UP, Averaging
from support.in_memory import distance, restored_by
from support.videos import frames as made
from vdeblur.backends.published import published
from vdeblur.frames import Frame
from vdeblur.loading import ModelOptions, load_restorer, warm_up_of
from vdeblur.random_access import RandomAccess

COUNT = 40
STREAM = made(COUNT, size=(16, 8))


def opened(restorer: Averaging, keep: int = 4, warm_up: int = WARM_UP, **more) -> RandomAccess[Frame]:  # type: ignore[no-untyped-def]
    return RandomAccess(
        STREAM.__getitem__, COUNT, restorer, warm_up=warm_up, keep=keep, finish=lambda frame: frame, **more
    )


@given(
    order=st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=30),
    past=st.integers(0, 3),
    future=st.integers(0, 3),
    keep=st.integers(1, 6),
)
def test_any_order_gives_the_frames_of_the_unbroken_stream(order: list[int], past: int, future: int, keep: int) -> None:
    whole = restored_by(Averaging(past, future), STREAM)
    stream = opened(Averaging(past, future), keep)
    for number in order:
        assert distance(stream.frame(number), whole[number]) <= 1


@given(seed=st.integers(0, 1000), spread=st.integers(0, 4))
def test_requests_out_of_order_are_bit_exact_and_restore_nothing_twice(seed: int, spread: int) -> None:
    rng = np.random.default_rng(seed)
    order = np.argsort(np.arange(COUNT) + rng.uniform(0, spread + 0.01, COUNT)).tolist()
    restorer = Averaging()
    stream = opened(restorer, keep=2 * spread + 1)
    whole = restored_by(Averaging(), STREAM)
    for number in order:
        assert distance(stream.frame(number), whole[number]) == 0
    assert restorer.restored == list(range(COUNT))


RECURRENT = {model.sha256: model.name for model in reversed(published()) if model.kind == "convlstm"}
"""The first model of each file of weights."""


@pytest.mark.parametrize("name", RECURRENT.values())
def test_published_models_converge_within_their_measured_warm_up(name: str) -> None:
    """With their own weights, on a moving clip, after jumps forth and back."""
    options = ModelOptions(name, "cpu", "fp32", views=1)
    restorer, warm_up = load_restorer(options), warm_up_of(options)
    stream = made(warm_up + 12, size=(96, 64))
    whole = restored_by(restorer, stream)
    access = RandomAccess(
        stream.__getitem__, len(stream), restorer, warm_up=warm_up, keep=2, finish=lambda frame: frame
    )
    last = len(stream) - 1
    for number in (last, warm_up + 2, warm_up + 1):
        assert distance(access.frame(number), whole[number]) <= 1


def test_a_short_step_forward_continues_the_stream_and_a_jump_restarts_it() -> None:
    restorer = Averaging()
    stream = opened(restorer)
    stream.frame(0)
    stream.frame(WARM_UP)
    assert restorer.restored == list(range(WARM_UP + 1))
    restorer.restored.clear()
    stream.frame(35)
    assert restorer.restored == list(range(35 - WARM_UP, 36))


def test_frames_of_a_warm_up_are_never_handed_out() -> None:
    restorer = Averaging()
    stream = opened(restorer, keep=8)
    stream.frame(30)
    whole = restored_by(Averaging(), STREAM)
    for number in (29, 28, 21):
        assert distance(stream.frame(number), whole[number]) <= 1


def test_a_jump_without_warm_up_changes_the_result() -> None:
    """The memory of this restorer is long enough for the tests above to mean something."""
    assert distance(opened(Averaging(), warm_up=0).frame(30), restored_by(Averaging(), STREAM)[30]) > 1


def test_cuts_are_looked_for_in_every_run() -> None:
    def is_cut(previous: Frame, following: Frame) -> bool:
        return following.pts in (20, 33)

    whole = restored_by(Averaging(), STREAM, is_cut)
    stream = opened(Averaging(), new_cuts=lambda: is_cut)
    for number in (39, 5, 20, 19, 33, 21):
        assert distance(stream.frame(number), whole[number]) <= 1


class Holder:
    def __init__(self, frame: Frame) -> None:
        self.frame = frame


def test_memory_does_not_grow_with_the_length_of_the_stream() -> None:
    """And goes at once, without a search for cycles."""
    alive: weakref.WeakSet[Holder] = weakref.WeakSet()
    most = 0

    def finish(frame: Frame) -> Holder:
        nonlocal most
        most = max(most, len(alive))
        holder = Holder(frame)
        alive.add(holder)
        return holder

    stream = RandomAccess(STREAM.__getitem__, COUNT, Averaging(), warm_up=WARM_UP, keep=3, finish=finish)
    for number in (*range(COUNT), 3, 30, *range(12, 25)):
        stream.frame(number)
    assert most <= 4


def test_after_an_error_the_same_frame_can_be_asked_for_again() -> None:
    fails = True

    def frame_at(number: int) -> Frame:
        if fails and number == 12:
            raise OSError("unplugged")
        return STREAM[number]

    stream = RandomAccess(frame_at, COUNT, Averaging(), warm_up=WARM_UP, keep=4, finish=lambda frame: frame)
    stream.frame(9)
    with pytest.raises(OSError, match="unplugged"):
        stream.frame(11)
    fails = False
    assert distance(stream.frame(11), restored_by(Averaging(), STREAM)[11]) <= 1


@pytest.mark.parametrize("number", [-1, COUNT])
def test_indices_outside_the_stream_are_errors(number: int) -> None:
    with pytest.raises(IndexError, match=f"frame {number} of a stream of 40"):
        opened(Averaging()).frame(number)
