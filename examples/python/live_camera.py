"""Restore a camera as it films, and never fall behind: frames that came while one was restored are left out.

python examples/python/live_camera.py CAMERA OUTPUT [SECONDS]

CAMERA is an index, a device, a URL, "screen", or a file that is played as if a camera filmed it. OUTPUT gets
the restored frames at the times at which they were filmed.
"""

from __future__ import annotations

import sys
import time
from threading import Thread

from vdeblur import Frame, SceneCuts, SinkOptions, Source, Stream, load_restorer, open_camera, open_sink
from vdeblur.live.newest import Newest


def film(camera: Source, newest: Newest[Frame]) -> None:
    """Hand over every frame, in a thread of its own; one that was not taken in time makes room for the next."""
    try:
        for frame in camera:
            newest.put(frame)
        newest.end()
    except Exception as error:
        newest.end(error)


def main(camera: str, target: str, seconds: str = "10") -> None:
    """Record what the camera shows, restored; tell how long the slowest frame took."""
    # Without a look at the future, a frame is answered as soon as it is there.
    stream = Stream(load_restorer("fast", look_ahead=False), SceneCuts())
    newest: Newest[Frame] = Newest()
    done, slowest, end = 0, 0.0, time.monotonic() + float(seconds)
    with open_camera(camera) as opened, open_sink(target, opened, SinkOptions(preset="ultrafast")) as sink:
        Thread(target=film, args=(opened, newest), daemon=True).start()
        while (frame := newest.take()) is not None and time.monotonic() < end:
            taken = time.monotonic()
            for result in stream.feed(frame):
                sink.write(result.after)
                done += 1
            slowest = max(slowest, time.monotonic() - taken)
    print(f"{target}: {done} frames, the slowest after {1000 * slowest:.0f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
