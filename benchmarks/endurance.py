"""Memory and latency of `vdeblur live`, minute by minute: neither may grow, however long a camera runs.

    python benchmarks/endurance.py [--minutes 60] [--size 320x180] [--rate 10] [-m fast] [--record] [--json]

The camera is a film of 20 seconds that plays over and over in real time, so decoding, the clock, the ladder and the
network do what they do with a camera, and the film is opened anew three times a minute. With `--record` what is
restored goes to a Matroska file in a temporary folder as well. A frame counts as shown when the loop that would draw
it takes it. Memory is what the process holds in RAM at the end of each minute. The trends are least squares over all
minutes but the first three, in which memory is laid out; latency's is that of the minutes' medians.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import describe_machine
from media import make_clip

from vdeblur.live.camera import CameraOptions
from vdeblur.live.file_camera import FileCamera
from vdeblur.live.meter import percentile
from vdeblur.live.recording import open_recording
from vdeblur.live.session import Live
from vdeblur.live.stream import LiveStream, ladder
from vdeblur.loading import ModelOptions

FILM_SECONDS = 20
SETTLING_MINUTES = 3


def resident_mib() -> float:
    """What this process holds in RAM, from Linux's /proc."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def watch_minute(live: Live, seconds: float) -> list[float]:
    """Take what is shown for so long; the latencies in seconds, sorted."""
    end = time.perf_counter() + seconds
    latencies = []
    while (now := time.perf_counter()) < end:
        shown = live.next(timeout=min(0.2, end - now))
        if shown is not None:
            latencies.append(time.perf_counter() - shown.captured.at)
            live.meter.shown(latencies[-1])
        elif live.has_ended:
            raise RuntimeError("the camera has ended")
    return sorted(latencies)


def trend(values: list[float]) -> float:
    """Growth per hour of one value a minute; 0 while there are fewer than three."""
    counted = values[SETTLING_MINUTES:]
    return 60 * float(np.polyfit(np.arange(len(counted)), counted, 1)[0]) if len(counted) > 2 else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--rate", type=int, default=10, help="of the camera, frames a second")
    parser.add_argument("-m", "--model", default=None)
    parser.add_argument("-d", "--device", default="auto")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    rows: list[dict[str, float | str]] = []
    with tempfile.TemporaryDirectory(prefix="vdeblur-endurance-") as folder:
        film = make_clip(Path(folder) / "film.mp4", FILM_SECONDS * options.rate, width, height, options.rate)
        camera = FileCamera(str(film), CameraOptions(loop=True))
        live = Live(camera, LiveStream(ladder(ModelOptions(options.model, options.device))))
        if options.record:
            live.record(open_recording(str(Path(folder) / "recorded.mkv"), camera))
        if not options.json:
            print(f"{describe_machine()}; {options.size} at {options.rate} fps\n")
            print("| minute | memory MiB | p50 ms | p95 ms | worst ms | captured | dropped | step |")
            print("|---:|---:|---:|---:|---:|---:|---:|---|", flush=True)
        with live:
            before = live.stats()
            for minute in range(1, options.minutes + 1):
                latencies = watch_minute(live, 60)
                stats = live.stats()
                row: dict[str, float | str] = {
                    "minute": minute,
                    "memory_mib": round(resident_mib(), 1),
                    "latency_p50_ms": round(1000 * percentile(latencies, 0.5), 1),
                    "latency_p95_ms": round(1000 * percentile(latencies, 0.95), 1),
                    "latency_max_ms": round(1000 * percentile(latencies, 1.0), 1),
                    "captured": stats.captured - before.captured,
                    "dropped": stats.dropped - before.dropped,
                    "step": stats.step,
                }
                before = stats
                rows.append(row)
                if not options.json:
                    print("| " + " | ".join(map(str, row.values())) + " |", flush=True)
    memory, latency = ([float(row[name]) for row in rows] for name in ("memory_mib", "latency_p50_ms"))
    trends = {"memory_mib_per_hour": round(trend(memory), 2), "latency_ms_per_hour": round(trend(latency), 2)}
    if options.json:
        print(json.dumps({"machine": describe_machine(), "size": options.size, "rows": rows, **trends}))
    else:
        print(
            f"\ntrend: memory {trends['memory_mib_per_hour']:+} MiB, median latency "
            f"{trends['latency_ms_per_hour']:+} ms, per hour"
        )


if __name__ == "__main__":
    main()
