"""Cameras that stall, are unplugged or change their size: said in one line, nothing hangs, recordings stay whole."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from support.in_memory import Identity
from support.videos import count_frames, frames
from support.xserver import display
from vdeblur.errors import DeviceError
from vdeblur.frames import Frame, StreamInfo
from vdeblur.live.camera import CameraOptions
from vdeblur.live.cameras import open_camera
from vdeblur.live.opencv_camera import MISSES, OpenCVCamera
from vdeblur.live.pace import LadderStep
from vdeblur.live.recording import open_recording
from vdeblur.live.session import Live, run_without_window
from vdeblur.live.stream import LiveStream, Rung


@dataclass
class SimulatedCamera:
    """Gives the frames 25 times a second; what comes `after` them may block, raise or do nothing."""

    frames: list[Frame]
    after: Callable[[], object] = lambda: None
    name: str = "simulated"
    is_lost: bool = False
    reconnects: int = 0
    longest_silence: float = math.inf
    concealed: int = 0
    damaged: bool = False
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._closed = threading.Event()
        first = self.frames[0]
        rate = Fraction(25)
        self.info = StreamInfo(*first.size, first.layout, first.color, first.time_base, frame_rate=rate)

    def __iter__(self) -> Iterator[Frame]:
        for frame in self.frames:
            if self._closed.wait(0.04):
                return
            yield frame
        self.after()

    def close(self) -> None:
        self._closed.set()

    def __enter__(self) -> SimulatedCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def recorded(camera: SimulatedCamera, path: Path, seconds: float = math.inf) -> Live:
    """Restore and record what the camera gives."""
    live = Live(camera, LiveStream([Rung(LadderStep("identity"), Identity(), 1.0)], is_cut=lambda a, b: False))
    live.record(open_recording(str(path), camera))
    with live:
        run_without_window(live, seconds)
    return live


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("vdeblur")]


def test_a_device_that_stalls_for_good_is_given_up_in_one_line(tmp_path: Path) -> None:
    over = threading.Event()
    camera = SimulatedCamera(frames(10), over.wait, longest_silence=0.6)
    try:
        with pytest.raises(DeviceError, match="no frame for 1 s; is it still plugged in") as caught:
            recorded(camera, tmp_path / "out.mkv")
        assert "\n" not in str(caught.value)
        assert count_frames(tmp_path / "out.mkv") == 10
    finally:
        over.set()
    for thread in threading.enumerate():
        if thread.name.startswith("vdeblur"):  # the one that was blocked in the device
            thread.join(5)
    assert our_threads() == []


def test_a_pause_of_a_file_or_a_stream_is_no_fault(tmp_path: Path) -> None:
    live = recorded(SimulatedCamera(frames(5), lambda: time.sleep(1.2)), tmp_path / "out.mkv")
    assert live.stats().restored == 5
    assert live.stats().silent_seconds > 1


def test_an_unplugged_device_ends_with_an_error_and_a_complete_recording(tmp_path: Path) -> None:
    def unplugged() -> None:
        raise DeviceError("camera simulated: delivers no more frames; is it still plugged in?")

    with pytest.raises(DeviceError, match="no more frames"):
        recorded(SimulatedCamera(frames(10), unplugged), tmp_path / "out.mkv")
    assert count_frames(tmp_path / "out.mkv") == 10
    assert our_threads() == []


def test_a_change_of_size_resets_the_state_and_is_scaled_in_the_recording(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    larger = [replace(frame, pts=frame.pts + 8) for frame in frames(8, size=(96, 64))]
    live = recorded(SimulatedCamera([*frames(8), *larger]), tmp_path / "out.mkv")
    assert live.stats().resets == 1
    with av.open(str(tmp_path / "out.mkv")) as container:
        sizes = [(picture.width, picture.height) for picture in container.decode(video=0)]
    assert sizes == [(64, 48)] * live.stats().restored
    assert "the input changes size from" in caplog.text


# -- devices through OpenCV, which is simulated -----------------------------------------------------------------------


class Capture:
    """cv2.VideoCapture with a script: what each read gives, the last for ever."""

    script: tuple[Any, ...] = ()
    released = 0

    def __init__(self, number: int) -> None:
        self._reads = iter(self.script)
        self._last: Any = None

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, *_: object) -> None:
        pass

    def get(self, _: int) -> float:
        return 30.0

    def read(self) -> tuple[bool, Any]:
        self._last = next(self._reads, self._last)
        return self._last is not None, self._last

    def release(self) -> None:
        type(self).released += 1


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., OpenCVCamera]:
    import cv2

    def camera(*script: Any) -> OpenCVCamera:
        monkeypatch.setattr(Capture, "script", script)
        monkeypatch.setattr(Capture, "released", 0)
        monkeypatch.setattr(cv2, "VideoCapture", Capture)
        return OpenCVCamera(0, "0", CameraOptions())

    return camera


def flat(value: int, size: tuple[int, int] = (32, 24)) -> Any:
    return np.full((*size[::-1], 3), value, np.uint8)


def test_a_few_failed_reads_are_tolerated(scripted: Callable[..., OpenCVCamera]) -> None:
    with scripted(flat(1), None, None, flat(2), flat(3)) as camera:
        frames = iter(camera)
        assert [int(next(frames).planes[0][0, 0]) for _ in range(2)] == [2, 3]


def test_an_unplugged_device_is_closed_with_a_one_line_error(scripted: Callable[..., OpenCVCamera]) -> None:
    with scripted(flat(1), flat(2), *[None] * (MISSES + 2)) as camera:
        frames = iter(camera)
        next(frames)
        with pytest.raises(DeviceError, match="camera 0: delivers no more frames; is it still plugged in"):
            next(frames)
    assert Capture.released == 1


def test_a_device_without_a_first_frame_does_not_count_as_a_camera(scripted: Callable[..., OpenCVCamera]) -> None:
    with pytest.raises(DeviceError, match="not found, or in use by another program"):
        scripted(None)
    assert Capture.released == 1


def test_a_device_may_change_its_size(scripted: Callable[..., OpenCVCamera]) -> None:
    with scripted(flat(1), flat(2), flat(3, (64, 48))) as camera:
        frames = iter(camera)
        assert [next(frames).size for _ in range(2)] == [(32, 24), (64, 48)]


# -- devices through FFmpeg: a screen that goes away ------------------------------------------------------------------


@pytest.mark.needs("x11")
def test_a_screen_beside_opencv_may_go_away_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2  # both bring libxcb; the window has OpenCV in the process first

    assert cv2.__version__
    with ExitStack() as stack:
        with display((64, 48)) as environment:
            monkeypatch.setenv("DISPLAY", environment["DISPLAY"])
            camera = stack.enter_context(open_camera("screen", CameraOptions(frame_rate=Fraction(20))))
            frames = iter(camera)
            first, second = next(frames), next(frames)
            assert first.size == (64, 48)
            assert first.layout.model == "rgb"
            assert 0 < (second.pts - first.pts) * second.time_base < 1
        with pytest.raises(DeviceError, match=r"^camera screen: delivers no more frames.*in\?$"):
            list(frames)


@pytest.mark.needs("x11")
def test_a_missing_screen_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":4077")
    with pytest.raises(DeviceError, match=r"^camera screen: no frames: [^\n]+$") as caught:
        open_camera("screen")
    assert "4077" not in str(caught.value)
