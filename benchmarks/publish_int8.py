"""Publish a model in int8: make it from the weights that ship, measure what that costs, and write it into the manifest.

python benchmarks/publish_int8.py [NAME] [--clip PATH ...] [--pairs DIR ...]

Needs `pip install '.[compress,test]'`; two minutes. NAME is a published model ("fast"). Ranges are taken from clips
that are blurred here from photographs of scikit-image, without and with sensor noise, always the same ones, and from
each --clip of blurred footage. What is lost is measured on two other such sets and on each --pairs. A model that loses
MOST_LOST_DB on any of them is not published. Run it after every `benchmarks/publish.py`: a test compares the weights it
was made from with those that ship.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

from compression import CLIP_FRAMES, CLIPS, SETS, SIDE, gain_db, make_sets

from vdeblur.backends.graphs import Graph
from vdeblur.backends.published import PublishedModel, Quantised, published, weights_folder
from vdeblur.converting import export_model, quantise_model
from vdeblur.frames import Frame
from vdeblur.loading import ModelOptions, load_restorer
from vdeblur.media.sources import open_source
from vdeblur.quality.pairs import find_clips, read_frames
from vdeblur.training.synth import SynthConfig

RANGES = {
    "ranges": SynthConfig(3, CLIPS, CLIP_FRAMES, SIDE),
    "noisy ranges": SynthConfig(4, CLIPS, CLIP_FRAMES, SIDE, noise=True),
}
FOOTAGE_FRAMES = 24
"""Taken of each --clip."""
MOST_LOST_DB = 0.03


def clips_of(ranges: dict[str, Path], footage: list[str]) -> Iterator[tuple[str, Iterable[Frame]]]:
    for name, folder in ranges.items():
        for clip in find_clips(folder):
            seed = RANGES[name].seed
            yield f"scikit-image photographs, blurred: clip {clip.name} of seed {seed}", read_frames(clip.blur)
    for path in footage:
        with open_source(path) as source:
            yield Path(path).name, islice(source, FOOTAGE_FRAMES)


def lost_db(model: PublishedModel, folder: Path, sets: dict[str, Path]) -> dict[str, float]:
    """PSNR lost against fp32, by set."""
    fp32 = load_restorer(ModelOptions(model.name, "cpu", "fp32", engine="torch"))
    int8 = load_restorer(ModelOptions(str(folder)))
    return {name: round(gain_db(fp32, pairs) - gain_db(int8, pairs), 4) for name, pairs in sets.items()}


def entry_of(graph: Graph, folder: str, lost: dict[str, float]) -> Quantised:
    return Quantised(
        folder=folder,
        sha256=graph.sha256,
        weights_sha256=graph.weights_sha256,
        calibration=graph.provenance["calibration"],
        calibration_frames=graph.provenance["calibration_frames"],
        made_by=graph.made_by,
        lost_db=lost,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("name", nargs="?", default="fast")
    arguments.add_argument("--clip", action="append", default=[], metavar="PATH", help="blurred footage for ranges")
    arguments.add_argument("--pairs", action="append", default=[], metavar="DIR", help="scored by its name")
    given = arguments.parse_args()

    model = next(model for model in published() if model.name == given.name)
    with tempfile.TemporaryDirectory() as temporary:
        sets = make_sets(Path(temporary), SETS | RANGES)
        clips = clips_of({name: sets.pop(name) for name in RANGES}, given.clip)
        sets |= {Path(pairs).name: Path(pairs) for pairs in given.pairs}
        made = Path(temporary) / "int8"
        export_model(given.name, Path(temporary) / "fp32")
        graph = quantise_model(str(Path(temporary) / "fp32"), clips, made)
        lost = lost_db(model, made, sets)
        print(json.dumps(lost), flush=True)
        if max(lost.values()) >= MOST_LOST_DB:
            sys.exit(f"{model.name} is not published in int8: it loses {MOST_LOST_DB} dB or more")
        entry = entry_of(graph, f"{model.name}-int8", lost)
        folder = weights_folder() / entry.folder
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
    published_now = [replace(one, int8=entry) if one == model else one for one in published()]
    manifest = weights_folder() / "manifest.json"
    manifest.write_text(json.dumps([asdict(model) for model in published_now], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
