"""Live without a window: a file plays as a camera; the newest frame wins; recordings are whole and in time."""

from __future__ import annotations

import errno
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pytest

from support.commands import ROOT, run
from support.in_memory import Identity
from support.videos import Recipe, count_frames, footage, frames, write
from vdeblur.errors import DeviceError, InputError, OutputError, UsageError
from vdeblur.frames import Frame
from vdeblur.live import listing
from vdeblur.live.camera import CameraOptions
from vdeblur.live.cameras import open_camera
from vdeblur.live.file_camera import FileCamera
from vdeblur.live.meter import percentile
from vdeblur.live.newest import Newest
from vdeblur.live.pace import LadderStep
from vdeblur.live.recording import Recording, open_recording
from vdeblur.live.session import Live, run_without_window
from vdeblur.live.stream import LiveStream, Rung
from vdeblur.live.v4l2 import listed_sizes, sizes_of
from vdeblur.media.planes import video_frame
from vdeblur.restorer import State
from vdeblur.windows import Window


@dataclass
class Slow(Identity):
    """Takes its time."""

    seconds: float = 0.0

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        time.sleep(self.seconds)
        return super().restore(window, state)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage(tmp_path_factory.mktemp("live") / "clip.mp4", frames=15)


def stream_of(*seconds: float) -> LiveStream:
    rungs = [Rung(LadderStep(f"step {i}"), Slow(seconds=s), s or 1.0) for i, s in enumerate(seconds)]
    return LiveStream(rungs, is_cut=lambda a, b: False)


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("vdeblur")]


def pts_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(container.streams.video[0]) if frame.time is not None]


# -- the slot of one --------------------------------------------------------------------------------------------------


def test_the_newest_item_wins() -> None:
    slot: Newest[int] = Newest()
    assert [slot.put(item) for item in (1, 2, 3)] == [False, True, True]
    assert slot.take(0) == 3
    assert slot.take(0) is None
    slot.put(4)
    slot.end(ValueError("over"))
    assert slot.take() == 4
    assert slot.has_ended
    with pytest.raises(ValueError, match="over"):
        slot.take()


def test_percentiles_of_latencies() -> None:
    assert percentile([], 0.5) == 0
    assert percentile([1, 2, 3, 4], 0.5) == 3
    assert percentile([1, 2, 3, 4], 0.95) == 4


# -- a file as a camera -----------------------------------------------------------------------------------------------


def test_a_file_plays_in_real_time_with_its_own_times(clip: Path) -> None:
    start = time.perf_counter()
    with FileCamera(str(clip)) as camera:
        times = [(frame.seconds, time.perf_counter() - start) for frame in camera]
    assert [round(stated, 3) for stated, _ in times] == [round(i / 25, 3) for i in range(15)]
    assert all(came >= stated - 0.001 for stated, came in times)


def test_a_loop_goes_on_in_time(clip: Path) -> None:
    seconds = []
    with FileCamera(str(clip), CameraOptions(loop=True)) as camera:
        for frame in camera:
            seconds.append(frame.seconds)
            if len(seconds) == 32:
                break
    assert seconds == pytest.approx([i / 25 for i in range(32)])


@pytest.mark.timing
def test_a_camera_that_is_closed_ends_from_another_thread(clip: Path) -> None:
    camera = FileCamera(str(clip), CameraOptions(loop=True))
    threading.Timer(0.1, camera.close).start()
    start = time.perf_counter()
    assert 0 < len(list(camera)) < 100  # the loop has no end of its own
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("missing.mp4", InputError, "no such file"),
        ("97", DeviceError, "camera 97"),
        ("no camera of mine", DeviceError, "no camera has this name"),
        ("tcp://127.0.0.1:9", InputError, "no frames"),
    ],
)
def test_unavailable_cameras_are_one_line_errors(spec: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        open_camera(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.needs("linux")
def test_a_screen_needs_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(DeviceError, match="DISPLAY is not set"):
        open_camera("screen")


# -- in time ----------------------------------------------------------------------------------------------------------


@pytest.mark.timing
def test_all_frames_come_out_when_there_is_time(clip: Path) -> None:
    with Live(FileCamera(str(clip)), stream_of(0.0)) as live:
        run_without_window(live)
    stats = live.stats()
    assert stats.captured == 15
    assert stats.restored + stats.dropped == 15
    assert stats.restored >= 13  # a busy machine may miss one
    assert our_threads() == []


@pytest.mark.timing
def test_a_slow_model_leaves_frames_out_and_stays_in_time(clip: Path) -> None:
    """The model takes as long as 2.5 frames: kept waiting in a line, they would end up most of a second late."""
    with Live(FileCamera(str(clip), CameraOptions(loop=True)), stream_of(0.1)) as live:
        run_without_window(live, 1.5)
    stats = live.stats()
    assert stats.dropped > stats.restored
    assert stats.latency_p95_ms < 1000 * (0.1 + 0.04) + 360  # the work, one frame of the camera, and a busy machine


@pytest.mark.timing
def test_moving_down_the_ladder_is_reported(clip: Path) -> None:
    with Live(FileCamera(str(clip), CameraOptions(loop=True)), stream_of(0.1, 0.001)) as live:
        run_without_window(live, 4)
        stats = live.stats()
    assert stats.step == "step 1"
    assert stats.stepped_down == 1
    assert stats.to_json()["step"] == "step 1"


def test_alternate_frames_are_left_out_on_purpose(clip: Path) -> None:
    rung = Rung(LadderStep("half", every=2), Identity(), 1.0)
    with Live(FileCamera(str(clip)), LiveStream([rung], is_cut=lambda a, b: False)) as live:
        run_without_window(live)
    assert live.stats().restored in (7, 8)


def test_a_failing_restorer_ends_the_session_with_its_error(clip: Path) -> None:
    class Failing(Identity):
        def restore(self, window: Window, state: State) -> tuple[Frame, State]:
            raise RuntimeError("broken weights")

    stream = LiveStream([Rung(LadderStep("failing"), Failing(), 1.0)])
    with pytest.raises(RuntimeError, match="broken weights"), Live(FileCamera(str(clip)), stream) as live:
        run_without_window(live)
    assert our_threads() == []


# -- recording --------------------------------------------------------------------------------------------------------


def test_a_recording_has_the_cameras_times(tmp_path: Path) -> None:
    pts = [0, 40, 80, 200, 210, 300]
    source = write(tmp_path / "vfr.mkv", Recipe(frames(6, pts=pts, time_base=Fraction(1, 1000))))
    camera = FileCamera(source)
    live = Live(camera, stream_of(0.0))
    live.record(open_recording(str(tmp_path / "out.mkv"), camera))
    with live:
        run_without_window(live)
    recorded = pts_of(tmp_path / "out.mkv")
    assert len(recorded) == live.stats().restored
    assert set(recorded) <= {round(p / 1000, 3) for p in pts}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mkv", "vfr.mkv"]


def test_both_sides_are_recorded(clip: Path, tmp_path: Path) -> None:
    camera = FileCamera(str(clip))
    live = Live(camera, stream_of(0.0))
    live.record(open_recording(str(tmp_path / "out.mp4"), camera, "side"))
    with live:
        run_without_window(live)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (128, 48)


def test_an_existing_recording_and_the_cameras_own_file_are_refused(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "out.mkv").write_bytes(b"mine")
    with FileCamera(str(clip)) as camera:
        with pytest.raises(OutputError, match="already exists"):
            open_recording(str(tmp_path / "out.mkv"), camera)
        with pytest.raises(UsageError, match="the file being played"):
            open_recording(str(clip), camera, overwrite=True)


def test_a_recording_without_a_frame_replaces_nothing(clip: Path, tmp_path: Path) -> None:
    class Failing(Identity):
        def restore(self, window: Window, state: State) -> tuple[Frame, State]:
            raise RuntimeError("broken weights")

    (tmp_path / "out.mkv").write_bytes(b"a good one")
    camera = FileCamera(str(clip))
    live = Live(camera, LiveStream([Rung(LadderStep("failing"), Failing(), 1.0)]))
    stopped, kept = (open_recording(str(tmp_path / "out.mkv"), camera, overwrite=True) for _ in range(2))
    live.record(stopped)
    live.stop_recording(stopped)  # by its key, before the first frame
    live.record(kept)
    with pytest.raises(RuntimeError, match="broken weights"), live:
        run_without_window(live)
    assert (tmp_path / "out.mkv").read_bytes() == b"a good one"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mkv"]


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_records_and_reports(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    words = ["live", "--camera", str(clip), "-m", "unsharp", "--no-window", "-o", str(out), "--json"]
    result = run(*words, "--progress", "json")
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert said["captured"] == 15
    assert said["restored"] == count_frames(out)
    assert json.loads(result.stderr.splitlines()[0])["step"] == "unsharp"
    assert "recorded" in result.stderr


@pytest.mark.parametrize("later", [["--virtual-camera"], ["-o", "missing/later.mkv"]])
def test_a_failure_to_start_leaves_recordings_as_they_were(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "missing").write_bytes(b"no folder")
    (tmp_path / "good.mkv").write_bytes(b"a good one")
    words = ["live", "--camera", str(clip), "-m", "unsharp", "--no-window", "-y", "-o", "new.mkv", "-o", "good.mkv"]
    assert run(*words, *later).exit_code != 0
    assert (tmp_path / "good.mkv").read_bytes() == b"a good one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.mkv", "missing"]


def test_a_duration_of_nothing_is_refused(clip: Path) -> None:
    result = run("live", "--camera", str(clip), "-m", "unsharp", "--no-window", "-t", "0")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "-t 0" in result.stderr


def test_an_empty_list_is_reported_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "list_cameras", list)
    result = run("live", "--list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no camera or screen" in result.stderr
    monkeypatch.setattr(listing, "list_cameras", lambda: [listing.FoundCamera("0", "Sharp Eye")])
    assert run("live", "--list").stdout == "0         Sharp Eye\n"


@pytest.mark.needs("linux")
def test_without_a_display_it_is_one_line_and_exit_4(clip: Path) -> None:
    result = run("live", "--camera", str(clip), "-m", "unsharp", DISPLAY="", WAYLAND_DISPLAY="")
    assert result.exit_code == 4
    (line,) = result.stderr.splitlines()
    assert "DISPLAY is not set" in line
    assert "vdeblur serve" in line


@pytest.mark.needs("linux")
@pytest.mark.parametrize("session", [{"DISPLAY": "", "WAYLAND_DISPLAY": "wayland-0"}, {"DISPLAY": ":4711"}])
def test_doctor_says_of_the_display_what_live_says(clip: Path, session: dict[str, str]) -> None:
    (line,) = run("live", "--camera", str(clip), "-m", "unsharp", **session).stderr.splitlines()
    found = json.loads(run("doctor", "--json", **session).stdout)
    assert found["display"] is False
    assert found["no_display"]
    assert found["no_display"] in line


@pytest.mark.needs("linux")
def test_a_display_that_does_not_answer_is_exit_4(clip: Path) -> None:
    result = run("live", "--camera", str(clip), "-m", "unsharp", DISPLAY=":4711")
    assert result.exit_code == 4
    assert result.stderr.count("\n") == 1


class Camcorder:
    """A Video4Linux device that lists what it can do, in the structures of linux/videodev2.h."""

    sizes: ClassVar = {0x47504A4D: [(1920, 1080), (640, 480)], 0x56595559: [(640, 480)]}
    rates: ClassVar = {(1920, 1080): [(1, 30), (1, 15)], (640, 480): [(1001, 60000)]}

    def __call__(self, _: int, request: int, data: bytearray) -> int:
        fields = struct.unpack_from("=5I", data)
        try:
            if request == 0xC0405602:  # VIDIOC_ENUM_FMT
                struct.pack_into("=I", data, 44, list(self.sizes)[fields[0]])
            elif request == 0xC02C564A:  # VIDIOC_ENUM_FRAMESIZES
                struct.pack_into("=3I", data, 8, 1, *self.sizes[fields[1]][fields[0]])
            else:
                assert request == 0xC034564B  # VIDIOC_ENUM_FRAMEINTERVALS
                struct.pack_into("=3I", data, 16, 1, *self.rates[fields[2], fields[3]][fields[0]])
        except IndexError:
            raise OSError(errno.EINVAL, "no more") from None
        return 0


def test_a_camera_is_listed_with_its_sizes() -> None:
    sizes = listed_sizes(0, Camcorder())
    assert sizes == {(1920, 1080): 30, (640, 480): Fraction(60000, 1001)}
    text = listing.FoundCamera("0", "Sharp Eye", sizes).to_text()
    assert text == "0         Sharp Eye\n          1920x1080 at 30 fps, 640x480 at 59.9401 fps"

    def deaf(*_: object) -> None:
        raise OSError(errno.ENOTTY, "not a camera")

    assert listed_sizes(0, deaf) == {}
    assert sizes_of("/dev/null") == sizes_of("/dev/no-such-camera") == {}


def test_two_recordings_share_no_buffer(clip: Path) -> None:
    class Kept:
        warnings: ClassVar[list[str]] = []

        def __init__(self) -> None:
            self.sent: list[av.VideoFrame] = []

        def write(self, frame: Frame) -> None:
            self.sent.append(video_frame(frame))

        def close(self) -> None:
            pass

    sinks: Any = [Kept(), Kept()]
    with Live(FileCamera(str(clip)), stream_of(0.0)) as live:
        for index, sink in enumerate(sinks):
            live.record(Recording(str(index), sink))
        run_without_window(live)
    assert sinks[0].sent
    for one, other in zip(sinks[0].sent, sinks[1].sent, strict=True):
        assert np.array_equal(one.to_ndarray(), other.to_ndarray())
        assert one.planes[0].buffer_ptr != other.planes[0].buffer_ptr


def test_a_stop_leaves_a_whole_recording(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    words = ["live", "--camera", str(clip), "--loop", "-m", "unsharp", "--no-window", "-o", str(out)]
    with subprocess.Popen(
        [sys.executable, "-m", "vdeblur", *words, "--progress", "json"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while json.loads(process.stderr.readline())["restored"] < 10:
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
    assert count_frames(out) >= 10
    assert [path.name for path in tmp_path.iterdir()] == ["out.mkv"]


def test_stdout_carries_the_stream_until_its_reader_has_enough(clip: Path) -> None:
    words = ["live", "--camera", str(clip), "--loop", "-m", "unsharp", "--no-window", "-o", "-", "-q"]
    with subprocess.Popen(
        [sys.executable, "-m", "vdeblur", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        with av.open(process.stdout, "r", options={"analyzeduration": "0"}) as container:
            pictures = container.decode(container.streams.video[0])
            seen = [next(pictures).width for _ in range(5)]
        process.stdout.close()
        assert process.wait(timeout=10) == 0
        assert process.stderr.read() == b""
    assert seen == [64] * 5
