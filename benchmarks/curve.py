"""What training has cost and brought: validation gain over FLOP on a log axis, from the logs of runs.

    python benchmarks/curve.py NAME=runs/fast/log.jsonl [NAME=LOG...] -o curve.svg

A run that began where another ended is drawn on from there: NAME=LOG,LOG.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from vdeblur.files import write_text
from vdeblur.quality import plots
from vdeblur.training.log import read_lines

POINTS = 240
KINDS = {"gain": "", "gain_no_state": ", state reset at each frame"}


def curve(files: list[Path], kind: str) -> tuple[list[float], list[float]]:
    """FLOP so far, and the gain in dB, of each validation."""
    spent, before, gains = [], 0.0, []
    for file in files:
        lines = read_lines(file)
        cost = [(line["step"], line["flop"]) for line in lines if "flop" in line]
        per_step = cost[-1][1] / cost[-1][0]
        for line in lines:
            if "validation" in line:
                spent.append(before + per_step * line["step"])
                gains.append(line["validation"][kind])
        before += cost[-1][1]
    return spent, gains


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="NAME=LOG[,LOG...]")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    curves = {}
    for run in given.runs:
        name, _, files = run.partition("=")
        for kind, words in KINDS.items():
            curves[name + words] = curve([Path(file) for file in files.split(",")], kind)
    low = math.log10(min(spent[0] for spent, _ in curves.values()))
    high = math.log10(max(spent[-1] for spent, _ in curves.values()))
    grid = np.linspace(low, high, POINTS)
    series = {
        name: list(np.interp(grid, np.log10(spent), gains, left=np.nan, right=np.nan))
        for name, (spent, gains) in curves.items()
    }
    decades = [math.log10(d * 10.0**e) for e in range(int(low), int(high) + 1) for d in (1, 2, 5)]
    marks = {(at - low) / (high - low) * (POINTS - 1): f"{10**at:.0e}" for at in decades if low <= at <= high}
    drawn = plots.lines("gain", series, "FLOP of training, log scale", "dB", marks=marks)
    write_text(given.output, plots.standalone({"validation gain over the blurred input": (drawn, list(series))}))


if __name__ == "__main__":
    main()
