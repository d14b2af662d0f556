"""Streams over loopback: received, cut off in mid-stream, called again; their times stay true to the clock."""

from __future__ import annotations

import contextlib
import http.server
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.rtsp_server import RtspServer
from support.videos import Recipe, frames, write
from vdeblur.errors import InputError
from vdeblur.frames import Frame
from vdeblur.live.camera import CLOCK, Camera, CameraOptions
from vdeblur.live.cameras import open_camera
from vdeblur.live.stream_camera import JUMP_SECONDS, Address, Clock, StreamCamera

QUICK = CameraOptions(patience_seconds=6)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("streams") / "clip.ts"
    options = {"preset": "ultrafast", "g": "5", "tune": "zerolatency"}
    write(path, Recipe(frames(50, size=(64, 48)), options=options))
    return path.read_bytes()


class Sender:
    """Sends a transport stream to whoever calls, in real time (about 2 s long), and hangs up at its end."""

    def __init__(self, clip: bytes, share: float = 1.0) -> None:
        self.clip, self.share, self.calls = clip, share, 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self.url = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._is_over.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                caller, _ = self._server.accept()
                self.calls += 1
                with caller:
                    self._send(caller)

    def _send(self, caller: socket.socket) -> None:
        packets = [self.clip[i : i + 188] for i in range(0, len(self.clip), 188)]
        for packet in packets[: int(len(packets) * self.share)]:
            if self._is_over.is_set():
                return
            caller.sendall(packet)
            time.sleep(2.0 / len(packets))

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        self._server.close()


@contextlib.contextmanager
def sender(clip: bytes, share: float = 1.0) -> Iterator[Sender]:
    one = Sender(clip, share)
    try:
        yield one
    finally:
        one.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def patiently_opened(url: str) -> StreamCamera:
    """The stream, as soon as its server listens."""
    until = time.monotonic() + 30
    while True:
        try:
            return StreamCamera.from_url(url, QUICK)
        except InputError:
            assert time.monotonic() < until
            time.sleep(0.1)


def received(camera: Camera, count: int) -> list[tuple[Frame, float]]:
    """The first frames and when they came."""
    found = []
    for frame in camera:
        found.append((frame, time.perf_counter()))
        if len(found) == count:
            break
    return found


@pytest.mark.timing
def test_a_stream_that_is_cut_off_is_called_again(clip: bytes) -> None:
    with sender(clip, share=0.5) as one, open_camera(one.url, QUICK) as camera:
        assert isinstance(camera, StreamCamera)
        found = received(camera, 45)
        assert camera.reconnects >= 1
        assert not camera.is_lost
        assert one.calls == camera.reconnects + 1
    assert (camera.info.width, camera.info.height, camera.info.codec) == (64, 48, "h264")
    pts = [frame.pts for frame, _ in found]
    assert pts == sorted(set(pts))
    drift = [float(frame.pts * CLOCK) - (came - found[0][1]) for frame, came in found]
    assert max(map(abs, drift)) < JUMP_SECONDS + 1  # true to the clock, through the gap as well


def test_an_rtsp_camera_that_is_cut_off_is_called_again(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "g": "10", "tune": "zerolatency"}
    clip = Path(write(tmp_path / "clip.ts", Recipe(frames(50, size=(160, 120)), options=options)))
    with RtspServer(clip, frames_per_call=33) as server, open_camera(server.url, QUICK) as camera:
        found = received(camera, 90)
        assert camera.reconnects == 2
        assert server.calls == 3
    assert server.methods[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
    assert (camera.info.width, camera.info.height, camera.info.codec) == (160, 120, "h264")
    pts = [frame.pts for frame, _ in found]
    assert pts == sorted(set(pts))
    # What was received is what was sent: the frames of each call begin with those of the clip.
    with av.open(str(clip)) as container:
        sent = [picture.to_ndarray() for picture in container.decode(video=0)]
    for call in range(2):
        for place in (0, 32):
            planes = found[33 * call + place][0].planes
            assert np.array_equal(planes[0], sent[place][:120])


@pytest.mark.needs("ffmpeg")
def test_an_rtmp_server_that_dies_is_called_again() -> None:
    """The program ffmpeg can be an RTMP server."""
    url = f"rtmp://127.0.0.1:{free_port()}/live/clip"
    film = ["-re", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=30", "-pix_fmt", "yuv420p"]
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "5", "-f", "flv", "-listen", "1"]

    @contextlib.contextmanager
    def server() -> Iterator[None]:
        words = ["ffmpeg", "-v", "error", "-nostdin", *film, *coded, url]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield
            finally:
                process.kill()

    with contextlib.ExitStack() as stack:
        first = stack.enter_context(contextlib.ExitStack())
        first.enter_context(server())
        camera = stack.enter_context(patiently_opened(url))
        frames = iter(camera)
        before = [next(frames) for _ in range(20)]
        first.close()  # in mid-stream, without a word
        stack.enter_context(server())
        after = [next(frames) for _ in range(40)]
        assert camera.reconnects >= 1
    assert (camera.info.width, camera.info.height) == (64, 48)
    pts = [frame.pts for frame in (*before, *after)]
    assert pts == sorted(set(pts))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_frames_that_arrive_in_bursts_are_released_when_due(clip: bytes, tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(clip)
    muxing = {"hls_time": "0.4", "hls_list_size": "0"}
    with av.open(str(tmp_path / "clip")) as given, av.open(str(tmp_path / "live.m3u8"), "w", options=muxing) as parts:
        video = parts.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = video
                parts.mux(packet)
    assert len(list(tmp_path.glob("*.ts"))) == 5
    handler = partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            with open_camera(f"http://127.0.0.1:{server.server_port}/live.m3u8", QUICK) as camera:
                found = received(camera, 45)
        finally:
            server.shutdown()
            thread.join()
    # Due one by one: none came before its time, and their count is the stream's own.
    start = found[0][1] - found[0][0].seconds
    assert all(came - start > frame.seconds - 0.005 for frame, came in found)
    assert found[-1][0].seconds - found[0][0].seconds > 44 / 25 - 0.05


def test_a_stream_that_stays_away_ends_with_one_line(clip: bytes) -> None:
    one = Sender(clip, share=0.4)
    with open_camera(one.url, CameraOptions(patience_seconds=1.0)) as camera:
        frames = iter(camera)
        next(frames)
        threading.Timer(0.1, one.close).start()
        with pytest.raises(InputError, match="not reconnected within 1 s") as caught:
            for _ in frames:
                pass
    assert "\n" not in str(caught.value)


def test_a_silent_stream_is_closed(clip: bytes) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]

    def silent() -> None:
        caller, _ = server.accept()
        caller.sendall(clip[: len(clip) // 188 // 2 * 188])
        over.wait(10)
        caller.close()

    over = threading.Event()
    thread = threading.Thread(target=silent, daemon=True)
    thread.start()
    address = Address(f"tcp://127.0.0.1:{port}", None, {"analyzeduration": "100000"}, 0.5)
    options = CameraOptions(patience_seconds=0.3)
    camera = StreamCamera(address, address.url, options, lambda why: InputError(f"it {why}"))
    start = time.perf_counter()
    try:
        with camera:
            server.close()  # nobody answers the next call
            with pytest.raises(InputError, match="lost"):
                list(camera)
        assert time.perf_counter() - start < 10
    finally:
        over.set()
        thread.join()


@pytest.mark.timing
def test_closing_a_camera_ends_waiting_for_a_silent_stream_at_once(clip: bytes) -> None:
    with sender(clip) as one:
        camera = open_camera(one.url, QUICK)
        threading.Timer(0.3, camera.close).start()
        start = time.perf_counter()
        assert list(camera)
        assert time.perf_counter() - start < 5  # its patience is six


def test_datagrams_are_received_and_awaited_again(clip: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    is_over = threading.Event()

    def send() -> None:
        packets = [clip[i : i + 7 * 188] for i in range(0, len(clip), 7 * 188)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not is_over.is_set():
                for packet in packets:
                    with contextlib.suppress(ConnectionRefusedError):
                        out.sendto(packet, ("127.0.0.1", port))
                    if is_over.wait(2.0 / len(packets)):
                        return

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        with open_camera(f"udp://127.0.0.1:{port}", QUICK) as camera:
            found = received(camera, 60)  # the sender starts its stream, and its time stamps, over and over
    finally:
        is_over.set()
        thread.join()
    pts = [frame.pts for frame, _ in found]
    assert pts == sorted(set(pts))


def test_a_plain_file_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name the file by its path"):
        open_camera(f"file://{tmp_path}/x.mp4")


@given(st.lists(st.tuples(st.floats(0, 0.2), st.one_of(st.none(), st.floats(-5, 100_000))), min_size=1, max_size=50))
def test_times_rise_and_stay_near_the_clock_for_any_time_stamps(said: list[tuple[float, float | None]]) -> None:
    clock, now, last = Clock(), 1000.0, -1
    for gap, seconds in said:
        now += gap
        pts = clock.pts(seconds, now)
        assert pts > last
        assert abs(float(pts * CLOCK) - (now - 1000.0 - said[0][0])) < JUMP_SECONDS + 0.01 or pts == last + 1
        last = pts


def test_even_time_stamps_stay_even_through_an_uneven_network() -> None:
    clock = Clock()
    jitter = [0.0, 0.03, 0.01, 0.08, 0.02]
    pts = [clock.pts(500 + i / 25, i / 25 + jitter[i % 5]) for i in range(25)]
    assert {b - a for a, b in pairwise(pts)} == {3600}
