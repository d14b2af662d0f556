"""Statistics of a live stream: counts, rates and latencies."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median
from threading import Lock

FPS_SECONDS = 2.0
"""Window over which rates are measured."""
LATENCIES = 300
"""Number of latest frames in the percentiles of the latency."""
WATCHED_INTERVALS = 30
"""Number of latest captures in the median frame interval."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Statistics of a live stream so far."""

    captured: int
    restored: int
    dropped: int
    """Captured and not restored, for lack of time or because the step skips every second frame."""
    capture_fps: float
    restored_fps: float
    latency_p50_ms: float
    """From capture to display, or to the restored frame if there is no window."""
    latency_p95_ms: float
    step: str
    stepped_down: int
    device: str
    resets: int
    reconnects: int
    is_lost: bool
    silent_seconds: float
    """Since the last captured frame."""

    def to_json(self) -> dict[str, object]:
        """The object of `--progress json` and `--json`."""
        return {k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(self).items()}

    def __str__(self) -> str:
        """The summary line."""
        return (
            f"{self.restored} of {self.captured} frames restored, {self.dropped} dropped; "
            f"latency {self.latency_p50_ms:.0f} ms (p95 {self.latency_p95_ms:.0f} ms) with {self.step} on {self.device}"
        )


class LiveMeter:
    """Counts and times frames; thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.captured = self.restored = self.dropped = 0
        self._captures: deque[float] = deque(maxlen=1000)
        self._restores: deque[float] = deque(maxlen=1000)
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._last_capture = time.perf_counter()

    def capture(self, at: float) -> None:
        """Count a captured frame."""
        with self._lock:
            self.captured += 1
            self._captures.append(at)
            self._last_capture = at

    def drop(self) -> None:
        """Count a dropped frame."""
        with self._lock:
            self.dropped += 1

    def restore(self, at: float) -> None:
        """Count a restored frame."""
        with self._lock:
            self.restored += 1
            self._restores.append(at)

    def shown(self, latency: float) -> None:
        """Record the latency of a frame, from capture to display in seconds."""
        with self._lock:
            self._latencies.append(latency)

    @property
    def interval(self) -> float:
        """Median frame interval of the camera in seconds; 1/30 while unknown."""
        with self._lock:
            times = list(self._captures)[-WATCHED_INTERVALS:]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        return median(gaps) if len(gaps) > 3 else 1 / 30

    @property
    def latencies(self) -> list[float]:
        """The latest latencies in seconds, sorted."""
        with self._lock:
            return sorted(self._latencies)

    def silence(self, now: float) -> float:
        """Seconds since the last captured frame."""
        with self._lock:
            return max(now - self._last_capture, 0.0)

    def rates(self, now: float) -> tuple[float, float]:
        """Captured and restored frames per second, over the last FPS_SECONDS."""
        with self._lock:
            return _rate(self._captures, now), _rate(self._restores, now)


def _rate(times: deque[float], now: float) -> float:
    recent = [at for at in times if now - at <= FPS_SECONDS]
    return (len(recent) - 1) / (now - recent[0]) if len(recent) > 1 and now > recent[0] else 0.0


def percentile(ordered: list[float], share: float) -> float:
    """The value that `share` (0..1) of the sorted values do not exceed; 0 if there are none."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0
