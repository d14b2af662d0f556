"""A result that is no number costs one frame its memory, never the stream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from support.in_memory import FileSink, Identity, picture, pictures
from vdeblur.errors import NonFiniteResult
from vdeblur.frames import Frame
from vdeblur.pipeline import restore_stream
from vdeblur.restorer import Restorer, State
from vdeblur.restorers.fallback import WithFallback
from vdeblur.windows import Window


@dataclass
class Breaks(Identity):
    """Fails at some frames, by their index."""

    at: tuple[int, ...] = ()

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        if window.centre.pts // 40 in self.at:
            raise NonFiniteResult("the network's result is not a finite number")
        return super().restore(window, state)


@dataclass
class Black(Identity):
    """Gives black, from the centre alone."""

    past: int = 0
    future: int = 2

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        assert state is None
        assert len(window.frames) == self.past + 1 + self.future
        return replace(window.centre, planes=tuple(np.zeros_like(plane) for plane in window.centre.planes)), 1


def run(tmp_path: Path, restorer: WithFallback) -> list[bytes]:
    with FileSink(tmp_path / "out") as sink:
        restore_stream(pictures(8), restorer, sink)
    data = (tmp_path / "out").read_bytes()
    size = len(data) // 8
    return [data[start : start + size] for start in range(0, len(data), size)]


def raw(frame: Frame) -> bytes:
    return b"".join(plane.tobytes() for plane in frame.planes)


def test_the_fallback_restores_the_frame_and_the_state_is_reset(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    primary = Breaks(at=(2, 5, 6))
    restorer = WithFallback(primary, Black)
    frames = run(tmp_path, restorer)
    expected = [bytes(len(raw(picture(0)))) if i in (2, 5, 6) else raw(picture(i)) for i in range(8)]
    assert frames == expected
    assert primary.states == [0, 1, 0, 1, 0]
    assert restorer.fallbacks == 3
    assert "frame at 0.080 s" in caplog.text


def test_the_other_restorer_is_loaded_once_and_only_when_needed(tmp_path: Path) -> None:
    loaded: list[Restorer] = []

    def load() -> Restorer:
        loaded.append(Black())
        return loaded[-1]

    run(tmp_path, WithFallback(Breaks(), load))
    assert loaded == []
    run(tmp_path, WithFallback(Breaks(at=(1, 3)), load))
    assert len(loaded) == 1


def test_a_frame_that_neither_can_do_passes_as_it_is(tmp_path: Path) -> None:
    restorer = WithFallback(Breaks(at=(4,)), lambda: Breaks(at=(4,)))
    assert run(tmp_path, restorer) == [raw(picture(i)) for i in range(8)]
    assert restorer.fallbacks == 1
