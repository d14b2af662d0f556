"""Publish weights: copy a trained model into weights/ under a name, and write what it is into the manifest.

python benchmarks/publish.py NAME MODEL.safetensors [MODEL...] [--default-on "cpu gpu"] [--pairs DIR...] [--sharp DIR]

Several models, each trained on from the one before it, are averaged weight by weight (a soup, Wortsman et al. 2022).
Scores are measured here, by the same functions as `vdeblur eval`, on the folders that are given.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from vdeblur.backends.checkpoints import Checkpoint, load, save
from vdeblur.backends.published import UNMEASURED_WARM_UP, PublishedModel, published, weights_folder
from vdeblur.files import file_sha256
from vdeblur.loading import ModelOptions, load_restorer
from vdeblur.models import StreamNetwork
from vdeblur.models.anatomy import dissect
from vdeblur.quality.evaluate import StateReset, do_no_harm, evaluate


def gmac_720p(network: StreamNetwork) -> float:
    """Multiply-accumulates of one 1280x720 frame in the stream, in units of 1e9."""
    return dissect(network).gmac


def soup(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """The mean of their weights; kind, configuration and steps are the last one's."""
    last = checkpoints[-1]
    if len(checkpoints) == 1:
        return last
    mean = {name: torch.stack([one.tensors[name] for one in checkpoints]).mean(0) for name in last.tensors}
    return replace(last, tensors=mean, provenance=last.provenance | {"averaged": len(checkpoints)})


def rounded(score: float | None) -> float | None:
    """To the digits that mean something."""
    return None if score is None else round(score, 4)


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("name")
    arguments.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    arguments.add_argument("--default-on", default="", help="cpu, gpu or both, in quotes")
    arguments.add_argument("--data", action="append", help="what it was trained on, for people; may be repeated")
    arguments.add_argument("--pairs", action="append", default=[], help="may be repeated; scored by its name")
    arguments.add_argument("--sharp")
    arguments.add_argument(
        "--warm-up", type=int, default=UNMEASURED_WARM_UP, help="frames, as benchmarks/warm_up.py measures them"
    )
    given = arguments.parse_args()

    checkpoint = soup([load(model) for model in given.models])
    network = checkpoint.network()
    scores: dict[str, dict[str, float | None]] = {}
    training = checkpoint.provenance | ({"data": given.data} if given.data else {})
    path = weights_folder() / f"{given.name}.safetensors"
    half = {name: tensor.half() for name, tensor in checkpoint.tensors.items()}
    save(path, network, checkpoint.kind, half, training)
    restorer = load_restorer(ModelOptions(str(path)))
    for pairs in map(Path, given.pairs):
        result = evaluate(pairs, restorer)
        alone = evaluate(pairs, StateReset(restorer))
        scores[pairs.name] = {
            "psnr_input": rounded(result.mean_input("psnr")),
            "psnr": rounded(result.mean("psnr")),
            "psnr_state_reset": rounded(alone.mean("psnr")),
            "ssim_input": rounded(result.mean_input("ssim")),
            "ssim": rounded(result.mean("ssim")),
        }
    if given.sharp:
        scores["do_no_harm"] = {"psnr_to_input": rounded(do_no_harm(given.sharp, restorer).mean("psnr"))}
    entry = PublishedModel(
        name=given.name,
        kind=checkpoint.kind,
        file=path.name,
        sha256=file_sha256(path),
        params=sum(p.numel() for p in network.parameters()),
        gmac_720p=round(gmac_720p(network), 2),
        default_on=given.default_on,
        config=checkpoint.config,
        training=training,
        scores=scores,
        warm_up=given.warm_up,
    )
    manifest = weights_folder() / "manifest.json"
    others = [m for m in published() if m.name != given.name] if manifest.exists() else []
    models = sorted([*others, entry], key=lambda m: ("cpu" not in m.default_on.split(), m.name))
    manifest.write_text(json.dumps([asdict(m) for m in models], indent=2) + "\n", encoding="utf-8")
    print(json.dumps(asdict(entry), indent=2))


if __name__ == "__main__":
    main()
