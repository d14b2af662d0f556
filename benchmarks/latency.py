"""Latency from capture to shown, rate and drops of `vdeblur live`, for each step of the ladder and for the ladder.

    python benchmarks/latency.py [-m fast] [--precision int8] [--sizes 640x360 1280x720] [--seconds 20] [--json]

The camera is simulated: a moving picture with a little noise comes 30 times a second, whatever happens to it. A frame
counts as shown when the loop that would draw it takes it; drawing itself (some milliseconds) is not in the figures.
Each step runs alone first, then the ladder chooses. The first seconds of each run warm up and do not count.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from threading import Event

from machine import describe_machine

from vdeblur.frames import Color, Frame, StreamInfo
from vdeblur.jobs.moving import PERIOD, YUV420, moving_frames
from vdeblur.live.meter import LiveMeter, Stats
from vdeblur.live.session import Live, run_without_window
from vdeblur.live.stream import LiveStream, Rung, ladder
from vdeblur.loading import ModelOptions

CLOCK = Fraction(1, 90000)
WARM_UP_SECONDS = 3.0
RATE = 30


@dataclass
class SimulatedCamera:
    """Thirty frames a second of a picture that moves, made beforehand so that making them takes no time."""

    size: tuple[int, int]
    name: str = "simulated"
    is_lost: bool = False
    reconnects: int = 0
    longest_silence: float = math.inf
    concealed: int = 0
    damaged: bool = False
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        width, height = self.size
        self._closed = Event()
        self.info = StreamInfo(width, height, YUV420, Color(), CLOCK, frame_rate=Fraction(RATE))
        self._pictures = [frame.planes for frame in moving_frames(self.size, PERIOD)]

    def __iter__(self) -> Iterator[Frame]:
        start, number = time.perf_counter(), 0
        while not self._closed.wait(max(start + number / RATE - time.perf_counter(), 0)):
            planes = self._pictures[number % len(self._pictures)]
            yield Frame(planes, YUV420, Color(), number * 90000 // RATE, CLOCK)
            number += 1

    def close(self) -> None:
        self._closed.set()

    def __enter__(self) -> SimulatedCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run(size: tuple[int, int], rungs: list[Rung], seconds: float) -> Stats:
    """How a stream of this size does on these rungs."""
    with Live(SimulatedCamera(size), LiveStream(rungs)) as live:
        run_without_window(live, WARM_UP_SECONDS)
        live.meter = LiveMeter()
        run_without_window(live, seconds)
        return live.stats()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", default=None)
    parser.add_argument("-d", "--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--sizes", nargs="+", default=["640x360", "1280x720"])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rungs = ladder(ModelOptions(options.model, options.device, options.precision))
    rows: list[dict[str, object]] = []
    for text in options.sizes:
        width, height = map(int, text.split("x"))
        for name, chosen in [*((str(rung.step), [rung]) for rung in rungs), ("the ladder", rungs)]:
            rows.append({"size": text, "run": name, **run((width, height), chosen, options.seconds).to_json()})
    if options.json:
        print(json.dumps({"machine": describe_machine(), "seconds": options.seconds, "rows": rows}))
        return
    print(f"{describe_machine()}; {options.seconds:g} s each\n")
    print("| size | step | p50 ms | p95 ms | shown fps | dropped |\n|---|---|---|---|---|---|")
    for row in rows:
        step = row["run"] if row["run"] != "the ladder" else f"the ladder: {row['step']}"
        share = int(str(row["dropped"])) / max(int(str(row["captured"])), 1)
        print(
            f"| {row['size']} | {step} | {row['latency_p50_ms']:.0f} | {row['latency_p95_ms']:.0f} "
            f"| {int(str(row['restored'])) / options.seconds:.1f} | {share:.0%} |"
        )


if __name__ == "__main__":
    main()
