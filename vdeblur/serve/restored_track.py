"""A webcam's video track, restored in real time and split into before and after.

The server composes the two, so that both sides show the same moment through the same codec.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import av
from aiortc import MediaStreamTrack, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError

from ..errors import UsageError
from ..frames import Frame
from ..live.meter import LiveMeter, percentile
from ..live.stream import LiveStream
from ..media.colors import color_of
from ..media.planes import frame_of, video_frame
from ..restorers.blend import split_planes

MAX_PIXELS = 1920 * 1088
"""Larger frames are refused."""


class RestoredTrack(VideoStreamTrack):
    """The browser's track, restored; waiting frames are replaced by newer ones."""

    def __init__(
        self,
        source: MediaStreamTrack,
        stream: LiveStream,
        pool: ThreadPoolExecutor,
        on_error: Callable[[Exception], None],
    ) -> None:
        """`on_error` is told what ends the track, other than the browser."""
        super().__init__()
        self.stream, self.meter = stream, LiveMeter()
        self.divider = 0.5
        """Where the result begins, 0..1 from the left; 0 shows the result only."""
        self._source, self._pool, self._on_error = source, pool, on_error
        self._newest: tuple[av.VideoFrame, float, int] | None = None
        self._arrived = asyncio.Event()
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        """Receive frames without delay, so that none waits in a queue."""
        try:
            while True:
                decoded = await self._source.recv()
                if not isinstance(decoded, av.VideoFrame):
                    continue
                now = time.perf_counter()
                self.meter.capture(now)
                if self._newest is not None:
                    self.meter.drop()
                self._newest = (decoded, now, self.meter.captured)
                self._arrived.set()
        except MediaStreamError:  # ended by the browser
            self.stop()

    async def recv(self) -> av.VideoFrame:
        """Wait for the next restored frame; called by the connection, which takes no more after an error."""
        try:
            return await self._next_restored()
        except MediaStreamError:
            raise
        except Exception as error:
            self._on_error(error)
            raise MediaStreamError from error

    async def _next_restored(self) -> av.VideoFrame:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self.readyState != "live":
                raise MediaStreamError
            taken, self._newest = self._newest, None
            if taken is None:
                continue
            decoded, at, number = taken
            if not self.stream.wants(number):
                self.meter.drop()
                continue
            if decoded.width * decoded.height > MAX_PIXELS:
                size = f"{decoded.width}x{decoded.height}"
                raise UsageError(f"the camera's frames of {size} are too large; choose 1920x1080 or less")
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._restore, decoded, at)

    def _restore(self, decoded: av.VideoFrame, at: float) -> av.VideoFrame:
        started = time.perf_counter()
        assert decoded.pts is not None
        assert decoded.time_base is not None
        frame = frame_of(decoded, decoded.pts, decoded.time_base, color_of(decoded))
        restored = self.stream.restore(frame)
        divided = split_planes(frame, restored, 1, self.divider) if self.divider > 0 else restored.planes
        out = video_frame(Frame(divided, restored.layout, restored.color, restored.pts, restored.time_base))
        done = time.perf_counter()
        self.meter.restore(done)
        self.meter.shown(done - at)
        self.stream.took(done - started, self.meter.interval, done - at, done)
        return out

    def stop(self) -> None:
        """End both tracks."""
        super().stop()
        self._reader.cancel()
        self._arrived.set()

    def stats(self) -> dict[str, object]:
        """Statistics for the page; latency is that of the server, from received to restored."""
        capture_fps, restored_fps = self.meter.rates(time.perf_counter())
        latencies = self.meter.latencies
        return {
            "capture_fps": round(capture_fps, 2),
            "restored_fps": round(restored_fps, 2),
            "latency_p50_ms": round(1000 * percentile(latencies, 0.5), 1),
            "latency_p95_ms": round(1000 * percentile(latencies, 0.95), 1),
            "dropped": self.meter.dropped,
            "step": str(self.stream.step),
            "stepped_down": self.stream.stepped_down,
            "device": self.stream.device,
        }
