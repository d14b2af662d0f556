"""A webcam's video track, restored in time and divided into before and after.

The division is made here rather than in the browser, so that both sides show the same moment through the same codec.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import av
from aiortc import MediaStreamTrack, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError

from ..frames import Frame
from ..live.meter import LiveMeter, percentile
from ..live.stream import LiveStream
from ..media.colors import color_of
from ..media.planes import frame_of, video_frame
from ..restorers.blend import split_planes

MAX_PIXELS = 1920 * 1088
"""A larger frame is turned away."""


class RestoredTrack(VideoStreamTrack):
    """The browser's track, restored; the newest frame wins, as everywhere live."""

    def __init__(self, source: MediaStreamTrack, stream: LiveStream, pool: ThreadPoolExecutor) -> None:
        super().__init__()
        self.stream, self.meter = stream, LiveMeter()
        self.divider = 0.5
        """Where the result begins, 0..1 from the left; 0 shows nothing else."""
        self._source, self._pool = source, pool
        self._newest: tuple[av.VideoFrame, float, int] | None = None
        self._came = asyncio.Event()
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        """Take every frame at once, so that none waits in a queue."""
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
                self._came.set()
        except MediaStreamError:  # the browser has ended it
            self.stop()

    async def recv(self) -> av.VideoFrame:
        """The next restored frame, when there is one; called by the connection."""
        while True:
            await self._came.wait()
            self._came.clear()
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
                raise MediaStreamError
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._restore, decoded, at)

    def _restore(self, decoded: av.VideoFrame, at: float) -> av.VideoFrame:
        begun = time.perf_counter()
        assert decoded.pts is not None
        assert decoded.time_base is not None
        frame = frame_of(decoded, decoded.pts, decoded.time_base, color_of(decoded))
        restored = self.stream.restore(frame)
        divided = split_planes(frame, restored, 1, self.divider) if self.divider > 0 else restored.planes
        out = video_frame(Frame(divided, restored.layout, restored.color, restored.pts, restored.time_base))
        done = time.perf_counter()
        self.meter.restore(done)
        self.meter.shown(done - at)
        self.stream.took(done - begun, self.meter.interval, done - at, done)
        return out

    def stop(self) -> None:
        """End both tracks."""
        super().stop()
        self._reader.cancel()
        self._came.set()

    def stats(self) -> dict[str, Any]:
        """What the page plots; latency is the server's share: from received to restored."""
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
