"""What a smaller model costs and gives: a table, and a plot of quality over speed.

python benchmarks/compression.py --pairs DIR [--pairs DIR ...] --model NAME|PATH [...] [--size 1280x720] [-o FOLDER]

Models are names, .safetensors files (pruned ones, say) and folders that `vdeblur export` and `vdeblur compress` wrote;
each is run on every engine and in every precision that it can be run in here. Columns: bytes on disk, GMAC per frame of
--size, median ms per frame (restorer alone, on this machine), and PSNR and gain on every set of pairs. Writes
compression.json, compression.md and compression.svg.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from machine import describe_machine

from vdeblur.backends.engines import is_installed
from vdeblur.backends.graphs import PARTS, graph_file, is_graph, load_graph
from vdeblur.errors import UsageError
from vdeblur.jobs.moving import moving_frames
from vdeblur.loading import ModelOptions, load_restorer, weights_of
from vdeblur.quality.evaluate import compare
from vdeblur.restorer import Restorer
from vdeblur.windows import windows

FRAMES, WARM_UP = 14, 3
WAYS = [
    *(("torch", precision) for precision in ("fp32", "bf16")),
    *(("onnx", precision) for precision in ("fp32", "int8")),
    *(("openvino", precision) for precision in ("fp32", "bf16")),
]


def ways_of(model: str) -> list[tuple[str, str, Restorer]]:
    """Every engine and precision that can run a model here."""
    found = []
    for engine, precision in WAYS:
        if is_installed(engine):
            try:
                found.append((engine, precision, load_restorer(ModelOptions(model, "cpu", precision, engine=engine))))
            except UsageError:  # not this model, or not on this processor
                continue
    return found


def ms_per_frame(restorer: Restorer, size: tuple[int, int]) -> float:
    state, taken = None, []
    for window in windows(moving_frames(size, FRAMES), restorer.past, restorer.future):
        started = time.perf_counter()
        _, state = restorer.restore(window, state)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken[WARM_UP:])


def gmac(kind: str, config: dict[str, Any], size: tuple[int, int]) -> float:
    """Multiply-accumulates of the network's convolutions for a frame of this size, in units of 1e9."""
    from vdeblur.models import build
    from vdeblur.models.anatomy import dissect

    return dissect(build(kind, config), size).gmac


def describe(model: str, size: tuple[int, int]) -> dict[str, Any]:
    path, _ = weights_of(model)
    if is_graph(path):
        graph = load_graph(path)
        return {
            "bytes": sum(graph_file(path, part).stat().st_size for part in PARTS),
            "gmac": gmac(graph.kind, graph.config, size),
        }
    from vdeblur.backends.checkpoints import load

    checkpoint = load(path)
    return {"bytes": path.stat().st_size, "gmac": gmac(checkpoint.kind, checkpoint.config, size)}


def to_markdown(rows: list[dict[str, Any]], sets: list[str]) -> str:
    head = ["model", "engine", "precision", "kB", "GMAC", "ms", *(f"{name} dB (gain)" for name in sets)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        quality = [f"{row['psnr'][name]:.2f} ({row['gain'][name]:+.2f})" for name in sets]
        sizes = [f"{row['bytes'] / 1000:.0f}", f"{row['gmac']:.1f}", f"{row['ms']:.1f}"]
        lines.append("| " + " | ".join([row["model"], row["engine"], row["precision"], *sizes, *quality]) + " |")
    return "\n".join(lines) + "\n"


def to_svg(rows: list[dict[str, Any]], first: str) -> str:
    """Gain on the first set over ms per frame, one mark for each row."""
    width, height, left, bottom = 760, 420, 60, 50
    slowest, best = max(row["ms"] for row in rows) * 1.1, max(row["gain"][first] for row in rows) * 1.2
    colours = {"fp32": "#888888", "bf16": "#2266aa", "int8": "#cc6600"}
    marks = []
    for row in rows:
        x = left + (width - left - 170) * row["ms"] / slowest
        y = height - bottom - (height - 2 * bottom) * max(row["gain"][first], 0) / best
        marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colours[row["precision"]]}"/>')
        name = f"{row['model']} {row['engine']} {row['precision']}"
        marks.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}">{name}</text>')
    axes = (
        f'<path d="M{left} {bottom}V{height - bottom}H{width - 20}" fill="none" stroke="#000"/>'
        f'<text x="{width // 2}" y="{height - 12}">ms per frame (0 to {slowest:.0f})</text>'
        f'<text x="14" y="{bottom - 14}">gain on {first}, dB (0 to {best:.2f})</text>'
    )
    style = "<style>text{font:12px sans-serif}</style>"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
    return f"{head}{style}{axes}{''.join(marks)}</svg>\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", action="append", required=True)
    parser.add_argument("--model", nargs="+", required=True)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("-o", "--output", default=".")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    sets = [Path(pairs).name for pairs in given.pairs]
    rows = []
    for model in given.model:
        facts = describe(model, (width, height))
        for engine, precision, restorer in ways_of(model):
            row: dict[str, Any] = {"model": Path(model).stem, "engine": engine, "precision": precision, **facts}
            row |= {"ms": ms_per_frame(restorer, (width, height)), "psnr": {}, "gain": {}}
            for name, pairs in zip(sets, given.pairs, strict=True):
                (result,) = compare(pairs, [restorer], examples=0)
                row["psnr"][name], row["gain"][name] = result.mean("psnr") or 0.0, result.gain_db()
            rows.append(row)
            print(to_markdown(rows[-1:], sets).splitlines()[-1], flush=True)
    folder = Path(given.output)
    folder.mkdir(parents=True, exist_ok=True)
    machine = describe_machine()
    measured = {"machine": machine, "size": given.size, "rows": rows}
    (folder / "compression.json").write_text(json.dumps(measured, indent=1))
    (folder / "compression.md").write_text(f"{machine}; {given.size}\n\n{to_markdown(rows, sets)}")
    (folder / "compression.svg").write_text(to_svg(rows, sets[0]))


if __name__ == "__main__":
    main()
