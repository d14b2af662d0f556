"""Peak memory of the whole process for a short and a ten times longer clip: it must not grow with length.

python benchmarks/memory.py [--model fast] [--size 640x360] [--frames 300 3000]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe_machine
from media import make_clip


def peak_mib(clip: Path, output: Path, model: str) -> float:
    """Largest resident set of one `vdeblur` process, MiB."""
    command = [sys.executable, "-m", "vdeblur", str(clip), "-o", str(output), "-m", model, "-y", "-q"]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", default="fast")
    arguments.add_argument("--size", default="640x360")
    arguments.add_argument("--frames", type=int, nargs="+", default=[300, 3000])
    given = arguments.parse_args()
    width, height = map(int, given.size.split("x"))
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for frames in given.frames:
            clip = make_clip(Path(folder) / "clip.mp4", frames, width, height)
            peaks[frames] = round(peak_mib(clip, Path(folder) / "out.mp4", given.model), 1)
    print(json.dumps({"machine": describe_machine(), "size": given.size, "model": given.model, "peak_mib": peaks}))


if __name__ == "__main__":
    main()
