"""What a smaller model costs and gives: a table, and a plot of quality over speed. Ten minutes on a quiet machine.

python benchmarks/compression.py [--model fast] [--pruned FILE ...] [--pairs DIR ...] [--size 1280x720] [-o FOLDER]

The model is measured as it ships and with 25 % and 50 % of its channels pruned, on every engine and in every precision
that it can be run in here, int8 where it comes in that; then once more held to the arithmetic of processors without
bf16: AVX-512 with VNNI (Intel's Cascade Lake and Ice Lake), AVX2 with VNNI (Alder Lake and later) and AVX2 alone.
Where there are no --pruned checkpoints, which were taught after they were pruned, the pruned models are made here and
gain little or nothing: their rows show size and speed alone.

Columns: bytes on disk, GMAC per frame of --size, median ms per frame of --size (restorer alone; all models of a run
restore the same frame in turn, so that what else the machine does meets them all), and gain in dB on clips that are
blurred here from photographs of scikit-image (without and with sensor noise), and on each --pairs. Writes
compression.json, compression.md and compression.svg.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from html import escape
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from machine import describe_machine
from skimage import data

from vdeblur.backends.checkpoints import load, save
from vdeblur.backends.engines import installed_engines
from vdeblur.backends.graphs import is_graph, load_graph
from vdeblur.backends.pytorch import choose_precision
from vdeblur.errors import UsageError
from vdeblur.jobs.moving import moving_frames
from vdeblur.loading import ModelOptions, load_restorer, weights_of
from vdeblur.models import build
from vdeblur.models.anatomy import dissect
from vdeblur.pipeline import restored
from vdeblur.quality.metrics import psnr
from vdeblur.quality.pairs import find_clips, read_frames, rgb_image
from vdeblur.restorer import Restorer, State
from vdeblur.training.pruning import prune
from vdeblur.training.synth import SynthConfig, synthesise
from vdeblur.windows import windows

FRAMES, WARM_UP = 14, 3
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket", "brick", "gravel")
CLIPS, CLIP_FRAMES, SIDE = 6, 8, 256
SETS = {
    "clean": SynthConfig(1, CLIPS, CLIP_FRAMES, SIDE),
    "noisy": SynthConfig(2, CLIPS, CLIP_FRAMES, SIDE, noise=True),
}
SHARES = (0.25, 0.5)
PRECISIONS = ("fp32", "bf16", "int8")
ARITHMETICS = {
    "own": {},
    "AVX-512, VNNI": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI", "ATEN_CPU_CAPABILITY": "avx512"},
    "AVX2, VNNI": {"ONEDNN_MAX_CPU_ISA": "AVX2_VNNI", "ATEN_CPU_CAPABILITY": "avx2"},
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
}
"""Name -> what the environment says of it to torch and OpenVINO. ONNX Runtime is deaf to it, and is left out there."""


@dataclass
class Row:
    """A model, as it was run."""

    model: str
    arithmetic: str
    engine: str
    precision: str
    bytes: int
    gmac: float
    ms: float = 0.0
    gain: dict[str, float] = field(default_factory=dict)
    """Set of clips -> dB."""


def write_photographs(folder: Path) -> Path:
    folder.mkdir()
    for name in PHOTOGRAPHS:
        picture = getattr(data, name)()
        cv2.imwrite(str(folder / f"{name}.png"), picture[..., ::-1] if picture.ndim == 3 else picture)
    return folder


def make_sets(folder: Path, sets: Mapping[str, SynthConfig]) -> dict[str, Path]:
    """Folders of clips that are blurred here."""
    photographs = write_photographs(folder / "photographs")
    for name, config in sets.items():
        for _ in synthesise(photographs, folder / name, config, "photographs"):
            pass
    return {name: folder / name for name in sets}


def make_models(model: str, pruned: list[str], folder: Path) -> dict[str, str]:
    """Name -> what `load_restorer` takes."""
    models = {model: model}
    for share in SHARES if not pruned else ():
        smaller = prune(load(*weights_of(model)), share)
        path = folder / f"pruned{share:.0%}.safetensors".replace("%", "")
        save(path, smaller.network(), smaller.kind, smaller.tensors, smaller.provenance)
        models[f"{model}, {share:.0%} pruned, not taught"] = str(path)
    for path in map(Path, pruned):
        models[f"{model}, {load(path).provenance.get('pruned', 0):.0%} pruned: {path.stem}"] = str(path)
    return models


def restorers_of(name: str, model: str, arithmetic: str, size: tuple[int, int]) -> Iterator[tuple[Row, Restorer]]:
    """Every engine and precision that runs a model here."""
    has_bf16 = arithmetic == "own" and choose_precision("auto", "cpu") == "bf16"
    for engine in installed_engines():
        if engine == "onnx" and arithmetic != "own":
            continue
        for precision in PRECISIONS if has_bf16 else ("fp32", "int8"):
            with suppress(UsageError):  # not this model, or not on this processor
                restorer = load_restorer(ModelOptions(model, "cpu", precision, tile=0, engine=engine))
                yield Row(name, arithmetic, engine, precision, *bytes_and_gmac(model, precision, size)), restorer


def bytes_and_gmac(model: str, precision: str, size: tuple[int, int]) -> tuple[int, float]:
    path, _ = weights_of(model, precision)
    if is_graph(path):
        graph = load_graph(path)
        kind, config, files = graph.kind, graph.config, [path / name for name in graph.graphs_sha256]
    else:
        checkpoint = load(path)
        kind, config, files = checkpoint.kind, checkpoint.config, [path]
    return sum(file.stat().st_size for file in files), dissect(build(kind, config), size).gmac


def measure(models: dict[str, str], sets: dict[str, Path], arithmetic: str, size: tuple[int, int]) -> list[Row]:
    """All models on all engines, in the arithmetic of this process."""
    runs = [run for name, model in models.items() for run in restorers_of(name, model, arithmetic, size)]
    for (row, _), taken in zip(runs, ms_per_frame([restorer for _, restorer in runs], size), strict=True):
        row.ms = taken
    for row, restorer in runs:
        row.gain = {name: gain_db(restorer, pairs) for name, pairs in sets.items()}
        print(" | ".join(cells(row)), file=sys.stderr, flush=True)
    return [row for row, _ in runs]


def ms_per_frame(restorers: list[Restorer], size: tuple[int, int]) -> list[float]:
    """The median of each, which take turns."""
    frames = moving_frames(size, FRAMES)
    streams = [windows(frames, restorer.past, restorer.future) for restorer in restorers]
    states: list[State] = [None] * len(restorers)
    taken: list[list[float]] = [[] for _ in restorers]
    for moment in zip(*streams, strict=True):
        for place, (restorer, window) in enumerate(zip(restorers, moment, strict=True)):
            started = time.perf_counter()
            _, states[place] = restorer.restore(window, states[place])
            taken[place].append(1000 * (time.perf_counter() - started))
    return [statistics.median(times[WARM_UP:]) for times in taken]


def gain_db(restorer: Restorer, pairs: Path) -> float:
    """Mean over all frames of the PSNR won."""
    gains = []
    for clip in find_clips(pairs):
        results = restored(read_frames(islice(clip.blur, CLIP_FRAMES)), restorer)
        for result, truth in zip(results, read_frames(clip.sharp), strict=False):
            before, after, sharp = map(rgb_image, (result.before, result.after, truth))
            gains.append(psnr(after, sharp) - psnr(before, sharp))
    return float(np.mean(gains))


def cells(row: Row) -> list[str]:
    sizes = [f"{row.bytes / 1000:.0f}", f"{row.gmac:.1f}", f"{row.ms:.1f}"]
    return [
        row.model,
        row.arithmetic,
        row.engine,
        row.precision,
        *sizes,
        *(f"{gain:+.3f}" for gain in row.gain.values()),
    ]


def to_markdown(rows: list[Row]) -> str:
    head = ["model", "arithmetic", "engine", "precision", "kB", "GMAC", "ms", *(f"{name}, dB" for name in rows[0].gain)]
    lines = [head, ["---"] * len(head), *map(cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_svg(rows: list[Row]) -> str:
    """Gain on the first set over ms per frame, one mark for each row of the processor's own arithmetic."""
    first = next(iter(rows[0].gain))
    shown = sorted((row for row in rows if row.arithmetic == "own"), key=lambda row: row.ms)
    width, height, left, bottom, line, legend = 1080, 420, 60, 50, 15, 500
    slowest = max(row.ms for row in shown) * 1.1
    low, high = (pick(0.0, *(row.gain[first] for row in shown)) for pick in (min, max))
    colours = {"fp32": "#888888", "bf16": "#2266aa", "int8": "#cc6600"}
    marks = []
    for place, row in enumerate(shown, 1):
        x = left + (width - left - legend - 20) * row.ms / slowest
        y = height - bottom - (height - 2 * bottom) * (row.gain[first] - low) / (high - low or 1)
        facts = f"{row.engine}, {row.precision}, {row.bytes / 1000:.0f} kB, {row.gmac:.1f} GMAC"
        label = f"{place} {escape(row.model)} ({facts})"
        marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colours[row.precision]}"/>')
        marks.append(f'<text x="{x + 6:.1f}" y="{y - 6 - line * (place % 2):.1f}">{place}</text>')
        marks.append(
            f'<text x="{width - legend}" y="{bottom + line * place}" fill="{colours[row.precision]}">{label}</text>'
        )
    axes = (
        f'<path d="M{left} {bottom}V{height - bottom}H{width - legend - 20}" fill="none" stroke="#000"/>'
        f'<text x="{left}" y="{height - 20}">ms per frame (0 to {slowest:.0f})</text>'
        f'<text x="14" y="{bottom - 14}">gain on {first} clips, dB ({low:.2f} to {high:.2f})</text>'
    )
    style = "<style>text{font:11px sans-serif}</style>"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
    return f'{head}{style}<rect width="100%" height="100%" fill="#fff"/>{axes}{"".join(marks)}</svg>\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--pruned", action="append", default=[], metavar="FILE")
    parser.add_argument("--pairs", action="append", default=[], metavar="DIR")
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("-o", "--output", type=Path, default=Path())
    parser.add_argument("--of", help=argparse.SUPPRESS)  # a process of our own: what to measure, as JSON
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    if given.of:
        models, sets, arithmetic = json.loads(given.of)
        rows = measure(models, {name: Path(pairs) for name, pairs in sets.items()}, arithmetic, (width, height))
        print(json.dumps([asdict(row) for row in rows]))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        models = make_models(given.model, given.pruned, Path(folder))
        sets = make_sets(Path(folder), SETS)
        sets |= {Path(pairs).name: Path(pairs) for pairs in given.pairs}
        for arithmetic, environment in ARITHMETICS.items():
            task = json.dumps([models, {name: str(pairs) for name, pairs in sets.items()}, arithmetic])
            command = [sys.executable, __file__, "--size", given.size, "--of", task]
            done = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True)
            rows += [Row(**row) for row in json.loads(done.stdout)]
    given.output.mkdir(parents=True, exist_ok=True)
    machine = describe_machine()
    measured = {"machine": machine, "size": given.size, "rows": [asdict(row) for row in rows]}
    (given.output / "compression.json").write_text(json.dumps(measured, indent=1) + "\n")
    (given.output / "compression.md").write_text(f"{machine}; {given.size}\n\n{to_markdown(rows)}")
    (given.output / "compression.svg").write_text(to_svg(rows))
    print(to_markdown(rows))


if __name__ == "__main__":
    main()
