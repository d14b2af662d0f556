"""Smaller models for benchmarks/compression.py: channels pruned, then taught by the whole model. An hour on two cores.

python benchmarks/teach_pruned.py --data DIR [--data DIR ...] [--model fast] [--steps 3000] -o FOLDER
python benchmarks/compression.py --pruned FOLDER/pruned25.safetensors --pruned FOLDER/pruned50.safetensors

The same as, for each share, `vdeblur compress MODEL --prune SHARE -o FILE` and `vdeblur train --config
benchmarks/pruned.toml --init FILE --data DIR`. A run that was stopped goes on when the command is given again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from vdeblur.backends.checkpoints import load, save
from vdeblur.backends.pytorch import choose_device
from vdeblur.loading import weights_of
from vdeblur.training.log import to_text
from vdeblur.training.pruning import prune
from vdeblur.training.recipe import read_recipe
from vdeblur.training.train import train

RECIPE = Path(__file__).with_name("pruned.toml")
SHARES = (0.25, 0.5)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", action="append", required=True, metavar="DIR", help="photographs and footage")
    arguments.add_argument("--model", default="fast")
    arguments.add_argument("--steps", type=int, default=read_recipe(RECIPE).steps, help="of each model")
    arguments.add_argument("--renderers", type=int, default=1, help="processes that render clips")
    arguments.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    given = arguments.parse_args()

    whole, _ = weights_of(given.model)
    given.output.mkdir(parents=True, exist_ok=True)
    for share in SHARES:
        name = f"pruned{share:.0%}".removesuffix("%")
        pruned = prune(load(whole), share)
        start = given.output / f"{name}-untaught.safetensors"
        save(start, pruned.network(), pruned.kind, pruned.tensors, pruned.provenance)
        recipe = read_recipe(
            RECIPE,
            kind=pruned.kind,
            model=pruned.config,
            init=str(start),
            teacher=(str(whole),),
            data=tuple(given.data),
            steps=given.steps,
        )

        def report(line: dict[str, Any], name: str = name) -> None:
            print(f"{name}: {to_text(line, given.steps)}", flush=True)

        run = given.output / name
        train(recipe, run, device=choose_device("auto"), renderers=given.renderers, report=report)
        taught = load(run / "model.safetensors")
        provenance = taught.provenance | {"pruned": share, "from": given.model}
        save(run.with_suffix(".safetensors"), taught.network(), taught.kind, taught.tensors, provenance)


if __name__ == "__main__":
    main()
