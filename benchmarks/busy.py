"""What is left of the rate when other programs take some of the cores.

python benchmarks/busy.py [--model fast] [--size 640x360] [--frames 120] [--rounds 3] [--busy 1] [--json]

In each round, in turn: the model alone in a process of its own on a quiet machine, and the same beside `--busy`
processes that each take a core. The share is taken round by round. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SPIN = "while True: pass"
CHILD = "--measure"
WARM_UP_FRAMES = 5


def measure(model: str, size: tuple[int, int], frames: int) -> float:
    """Frames per second of the model in this process, on frames that lie in memory."""
    from vdeblur import load_restorer, restored
    from vdeblur.jobs.moving import moving_frames
    from vdeblur.restorers.timed import Timed

    timed = Timed(load_restorer(model))
    for _ in restored(moving_frames(size, frames + WARM_UP_FRAMES), timed):
        pass
    return frames / sum(timed.seconds[WARM_UP_FRAMES:])


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """`count` processes that do nothing but compute."""
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def in_a_process(arguments: list[str]) -> float:
    command = [sys.executable, str(Path(__file__)), CHILD, *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, default=1, help="cores that others take")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(CHILD, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        width, height = map(int, given.size.split("x"))
        print(measure(given.model, (width, height), given.frames))
        return
    from machine import describe_machine

    arguments = ["--model", given.model, "--size", given.size, "--frames", str(given.frames)]
    quiet, busy = [], []
    for _ in range(given.rounds):
        quiet.append(in_a_process(arguments))
        with busy_processes(given.busy):
            busy.append(in_a_process(arguments))
    shares = [b / q for q, b in zip(quiet, busy, strict=True)]
    result = {
        "machine": describe_machine(),
        "model": given.model,
        "size": given.size,
        "cores_taken": given.busy,
        "quiet_fps": [round(fps, 2) for fps in quiet],
        "busy_fps": [round(fps, 2) for fps in busy],
        "share_median": round(statistics.median(shares), 3),
    }
    if given.json:
        print(json.dumps(result))
        return
    print(f"{result['machine']}\n{given.model} at {given.size}, {given.busy} core(s) taken by others")
    print(f"quiet {statistics.median(quiet):.1f} fps, busy {statistics.median(busy):.1f}: {result['share_median']:.0%}")


if __name__ == "__main__":
    main()
