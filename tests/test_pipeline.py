"""The stream and its threads: the same frames with and without them, and nothing left behind when a part fails."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.in_memory import FileSink, Identity, MemorySource, picture, pictures
from vdeblur import threads
from vdeblur.frames import Frame
from vdeblur.pipeline import Stream, restore_stream, restored
from vdeblur.restorer import State
from vdeblur.threads import FrameQueue, prefetch, write_behind
from vdeblur.windows import Window

FRAME_BYTES = sum(plane.nbytes for plane in picture(0).planes)


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


class Failing(Identity):
    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        if window.centre.pts == 40 * 5:
            raise ArithmeticError("restorer")
        return super().restore(window, state)


def run(source: MemorySource, restorer: Identity, sink: FileSink, limit: int = 3 * FRAME_BYTES) -> None:
    with prefetch(source, limit) as ahead, write_behind(sink, limit) as behind:
        restore_stream(ahead, restorer, behind)


def test_the_state_is_reset_at_each_scene(tmp_path: Path) -> None:
    restorer = Identity()
    with FileSink(tmp_path / "out") as sink:
        tally = restore_stream(pictures(9), restorer, sink, lambda _, following: following.pts in (40 * 4, 40 * 7))
    assert restorer.states == [0, 1, 2, 3, 0, 1, 2, 0, 1]
    assert (tally.frames, tally.scenes) == (9, 3)


@given(count=st.integers(0, 9), past=st.integers(0, 3), future=st.integers(0, 3), cuts=st.sets(st.integers(1, 8)))
def test_fed_frame_by_frame_is_the_same_as_whole(count: int, past: int, future: int, cuts: set[int]) -> None:
    def is_cut(_: Frame, following: Frame) -> bool:
        return following.pts // 40 in cuts

    frames = pictures(count, (2, 2))
    whole, fed = Identity(past=past, future=future), Identity(past=past, future=future)
    stream = Stream(fed, is_cut)
    results = [result for frame in frames for result in stream.feed(frame)] + stream.flush()
    assert results == list(restored(frames, whole, is_cut))
    assert [result.before.pts for result in results] == [frame.pts for frame in frames]
    assert [i for i, result in enumerate(results) if result.is_scene_start] == [
        i for i in range(count) if i == 0 or i in cuts
    ]
    assert fed.states == whole.states


def test_a_frame_is_returned_as_soon_as_its_future_is_known_and_flush_returns_the_rest() -> None:
    stream = Stream(Identity(future=2))
    assert [len(stream.feed(frame)) for frame in pictures(5)] == [0, 0, 1, 1, 1]
    assert [result.after.pts for result in stream.flush()] == [40 * 3, 40 * 4]
    assert stream.flush() == []


def test_streams_share_a_restorer_and_not_their_states() -> None:
    restorer = Identity(future=0)
    one, other = Stream(restorer), Stream(restorer)
    for frame in pictures(3):
        one.feed(frame)
        other.feed(frame)
    assert restorer.states == [0, 0, 1, 1, 2, 2]


def test_a_stream_continues_with_another_restorer_from_the_next_frame() -> None:
    first, second = Identity(past=2, future=0), Identity(past=1, future=0)
    stream = Stream(first)
    for frame in pictures(3):
        stream.feed(frame)
    stream.use(second)
    (result,) = stream.feed(picture(3))
    assert (first.states, second.states) == ([0, 1, 2], [0])
    assert not result.is_scene_start


@pytest.mark.parametrize("limit", [1, FRAME_BYTES, 3 * FRAME_BYTES, 1 << 20])
def test_threads_give_the_same_bytes_as_the_straight_line(tmp_path: Path, limit: int) -> None:
    with FileSink(tmp_path / "straight") as sink:
        restore_stream(MemorySource(pictures(40)), Identity(), sink)
    source = MemorySource(pictures(40), concealed=2, warnings=["source"])
    sink = FileSink(tmp_path / "threads", warnings=["sink"])
    with prefetch(source, limit) as ahead, write_behind(sink, limit) as behind:
        restore_stream(ahead, Identity(), behind)
        assert (ahead.concealed, ahead.warnings, behind.warnings) == (2, ["source"], ["sink"])
    assert (tmp_path / "threads").read_bytes() == (tmp_path / "straight").read_bytes()
    assert source.closed == 1
    assert sink.ended == ["closed"]


def test_an_empty_source_gives_an_empty_output(tmp_path: Path) -> None:
    run(MemorySource([]), Identity(), FileSink(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == b""


def fail_at_five(frame: Frame) -> None:
    if frame.pts == 40 * 5:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("part", ["source", "restorer", "sink", "interrupt"])
def test_a_failing_part_raises_and_leaves_no_output(tmp_path: Path, part: str) -> None:
    source = MemorySource(pictures(500))
    restorer, before = Identity(), lambda _: None
    expected: type[BaseException]
    if part == "source":
        source.frames, source.failure, expected = pictures(5), LookupError("source"), LookupError
    elif part == "restorer":
        restorer, expected = Failing(), ArithmeticError
    elif part == "sink":
        before, expected = fail_at_five, OSError
    else:
        source.frames, source.failure, expected = pictures(5), KeyboardInterrupt(), KeyboardInterrupt
    sink = FileSink(tmp_path / "out", before)

    with pytest.raises(expected) as caught:
        run(source, restorer, sink)

    assert list(tmp_path.iterdir()) == []
    assert source.closed == 1
    assert sink.ended == ["aborted"]
    home = {"source": "__iter__", "restorer": "restore", "sink": "fail_at_five", "interrupt": "__iter__"}[part]
    assert home in [entry.name for entry in traceback.extract_tb(caught.value.__traceback__)]


def test_frames_before_an_error_of_the_source_are_restored(tmp_path: Path) -> None:
    restorer = Identity(future=0)
    with pytest.raises(LookupError):
        run(MemorySource(pictures(5), LookupError("source")), restorer, FileSink(tmp_path / "out"))
    assert restorer.states == [0, 1, 2, 3, 4]


def test_an_error_of_the_last_write_is_raised_by_close(tmp_path: Path) -> None:
    def fail(_: Frame) -> None:
        time.sleep(0.05)
        raise OSError(28, "No space left on device")

    sink = FileSink(tmp_path / "out", fail)
    with pytest.raises(OSError, match="No space"), write_behind(sink) as behind:
        behind.write(picture(0))
    assert list(tmp_path.iterdir()) == []
    assert sink.ended == ["aborted"]


def test_a_write_that_outlasts_the_wait_discards_the_output_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "WRITER_GRACE_SECONDS", 0.05)
    begun, release = threading.Event(), threading.Event()

    def wait(_: Frame) -> None:
        begun.set()
        release.wait(20)

    sink = FileSink(tmp_path / "out", wait)
    behind = write_behind(sink)
    behind.write(picture(0))
    begun.wait(20)
    behind.abort()
    assert sink.ended == []  # it is still being written
    release.set()
    behind._thread.join(20)
    assert sink.ended == ["aborted"]
    assert list(tmp_path.iterdir()) == []


def test_a_slow_encoder_holds_the_decoder_back(tmp_path: Path) -> None:
    decoded, written, ahead_most = 0, 0, 0

    def decode() -> Iterator[Frame]:
        nonlocal decoded, ahead_most
        for frame in pictures(60):
            decoded += 1
            ahead_most = max(ahead_most, decoded - written)
            yield frame

    def encode(_: Frame) -> None:
        nonlocal written
        time.sleep(0.002)
        written += 1

    run(MemorySource(decode()), Identity(past=1, future=1), FileSink(tmp_path / "out", encode), 4 * FRAME_BYTES)
    assert written == 60
    # Four in either queue, one on its way into each, one being encoded, and what the window holds back.
    assert ahead_most <= 4 + 4 + 1 + 1 + 1 + 2


def test_a_frame_over_the_bound_passes_alone() -> None:
    queue = FrameQueue(limit_bytes=1)
    assert queue.put(picture(0))
    second = threading.Thread(target=queue.put, args=(picture(1),))
    second.start()
    second.join(0.1)
    assert second.is_alive()
    for index in range(2):
        frame = queue.get()
        assert frame is not None
        assert frame.pts == 40 * index
    second.join(5)


@pytest.mark.timing
def test_a_thread_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    release = threading.Event()

    def hang() -> Iterator[Frame]:
        yield picture(0)
        release.wait(20)

    source = MemorySource(hang())
    start = time.perf_counter()
    with prefetch(source) as ahead:
        assert next(iter(ahead)).pts == 0
    assert time.perf_counter() - start < 10  # it hangs for twenty
    assert source.closed == 0  # it is still being read
    release.set()
    deadline = time.monotonic() + 5
    while any(thread.name == "vdeblur-decode" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
