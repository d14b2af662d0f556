"""Restore a camera as it films, and never fall behind: frames that came while one was restored are left out.

python examples/python/live_camera.py CAMERA OUTPUT [SECONDS]

CAMERA is an index, a device, a URL, "screen", or a file that is played as if a camera filmed it. OUTPUT gets
the restored frames at the times at which they were filmed.
"""

from __future__ import annotations

import sys
import time
from threading import Thread

from vdeblur import Frame, SceneCuts, SinkOptions, Stream, load_restorer, open_sink
from vdeblur.live.camera import Camera
from vdeblur.live.cameras import open_camera


class Latest:
    """The newest frame of a camera, read in a thread of its own; None at the end."""

    def __init__(self, camera: Camera) -> None:
        self._frame: Frame | None = None
        self._is_over = False
        self.seen = 0
        Thread(target=self._read, args=(camera,), daemon=True).start()

    def _read(self, camera: Camera) -> None:
        for frame in camera:
            self._frame = frame
            self.seen += 1
        self._is_over = True

    def take(self) -> Frame | None:
        """The newest frame that was not taken yet; waits for it."""
        while True:
            frame, self._frame = self._frame, None
            if frame is not None:
                return frame
            if self._is_over:
                return None
            time.sleep(0.001)


def main(camera: str, target: str, seconds: str = "10") -> None:
    """Record what the camera shows, restored; tell how long the slowest frame took."""
    # Without a look at the future, a frame is answered as soon as it is there.
    stream = Stream(load_restorer("fast", look_ahead=False), SceneCuts())
    done, slowest, end = 0, 0.0, time.monotonic() + float(seconds)
    with open_camera(camera) as opened, open_sink(target, opened, SinkOptions(preset="ultrafast")) as sink:
        latest = Latest(opened)
        while (frame := latest.take()) is not None and time.monotonic() < end:
            asked = time.monotonic()
            for result in stream.feed(frame):
                sink.write(result.after)
                done += 1
            slowest = max(slowest, time.monotonic() - asked)
    print(f"{target}: {done} of {latest.seen} frames, the slowest after {1000 * slowest:.0f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
