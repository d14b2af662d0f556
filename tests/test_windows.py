"""One window per frame, in order, clamped within its scene, whatever the scenes and the reach."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.in_memory import picture, pictures
from vdeblur.frames import Frame
from vdeblur.windows import windows

scenes = st.lists(st.integers(1, 7), max_size=5)
reach = st.integers(0, 4)


def cut_at(starts: set[int]):  # type: ignore[no-untyped-def]
    return lambda previous, following: following.pts // 40 in starts


@given(lengths=scenes, past=reach, future=reach)
def test_every_frame_has_one_window_clamped_within_its_scene(lengths: list[int], past: int, future: int) -> None:
    frames = pictures(sum(lengths), (2, 2))
    bounds = [(sum(lengths[:i]), sum(lengths[: i + 1]) - 1) for i in range(len(lengths))]
    scene_of = {index: bound for bound in bounds for index in range(bound[0], bound[1] + 1)}

    seen = list(windows(iter(frames), past, future, cut_at({first for first, _ in bounds})))

    assert [window.centre.pts for window in seen] == [frame.pts for frame in frames]
    for index, window in enumerate(seen):
        first, last = scene_of[index]
        expected = [frames[min(max(i, first), last)] for i in range(index - past, index + future + 1)]
        assert list(window.frames) == expected
        assert window.is_scene_start == (index == first)


@given(lengths=scenes, past=reach, future=reach)
def test_a_change_of_size_starts_a_scene_with_or_without_a_detector(lengths: list[int], past: int, future: int) -> None:
    sizes = [(2 + scene % 2, 2) for scene, length in enumerate(lengths) for _ in range(length)]
    frames = [picture(index, size) for index, size in enumerate(sizes)]
    for is_cut in (None, cut_at(set())):
        seen = list(windows(frames, past, future, is_cut))
        assert len(seen) == len(frames)
        assert all(len({frame.size for frame in window.frames}) == 1 for window in seen)
        assert sum(window.is_scene_start for window in seen) == len(lengths)


@given(count=st.integers(0, 9), past=reach, future=reach)
def test_the_detector_is_asked_once_for_each_pair_in_order(count: int, past: int, future: int) -> None:
    asked: list[tuple[int, int]] = []

    def is_cut(previous: Frame, following: Frame) -> bool:
        asked.append((previous.pts // 40, following.pts // 40))
        return False

    list(windows(pictures(count, (2, 2)), past, future, is_cut))
    assert asked == [(index, index + 1) for index in range(count - 1)]


@pytest.mark.parametrize(("past", "future"), [(0, 0), (1, 1), (3, 0), (0, 3), (2, 4)])
def test_no_more_frames_are_kept_than_a_window_and_the_next_frame(past: int, future: int) -> None:
    alive: set[int] = set()
    most = 0

    def source() -> Iterator[Frame]:
        nonlocal most
        for index in range(30):
            frame = picture(index, (2, 2))
            alive.add(index)
            weakref.finalize(frame.planes[0], alive.discard, index)
            most = max(most, len(alive))
            yield frame
            del frame

    gc.disable()  # frames must go by themselves, not when the collector happens to run
    try:
        for window in windows(source(), past, future, lambda previous, following: following.pts == 40 * 17):
            del window
    finally:
        gc.enable()
    assert most <= past + 1 + future + 1


@pytest.mark.parametrize("future", [0, 1, 3])
def test_a_window_comes_as_soon_as_its_future_is_there(future: int) -> None:
    taken = 0

    def source() -> Iterator[Frame]:
        nonlocal taken
        for frame in pictures(10, (2, 2)):
            taken += 1
            yield frame

    for index, _ in enumerate(windows(source(), 2, future)):
        assert taken == min(index + 1 + future, 10)
