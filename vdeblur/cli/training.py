"""`train`: train a network on sharp photographs and footage, or on pairs."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import click

from ..signals import Stopped
from . import options
from .console import is_quiet, say
from .grammar import command, option, run_option

EXAMPLES = """
vdeblur train --config weights/fast.toml --data photographs/ --data footage/
vdeblur train --init fast --pairs pairs/ --steps 2000 --run fine-tuned
vdeblur input.mp4 -m fine-tuned/model.safetensors
"""


@command("train", examples=EXAMPLES)
@option(
    "--config",
    metavar="FILE",
    envvar="VDEBLUR_TRAIN_CONFIG",
    allow_from_autoenv=False,  # VDEBLUR_CONFIG is a file of options and presets
    help="TOML file with the run's settings, such as weights/fast.toml.",
)
@option("--data", metavar="DIR", multiple=True, help="Sharp photographs and footage; may be repeated.")
@option("--pairs", metavar="DIR", multiple=True, help="Train on pairs of blurred and sharp images instead.")
@option(
    "--run", "run_folder", metavar="DIR", default="run", show_default=True, help="Folder for checkpoint, log and plot."
)
@option(
    "--init",
    metavar="MODEL",
    help="Initial weights, and settings of the network if --config has none: a name or a file.",
)
@option("--steps", type=click.IntRange(1), help="Number of training steps.  [default: from --config]")
@option("--seed", type=click.IntRange(0), help="Seed of all random choices.  [default: from --config]")
@option("--max-minutes", type=click.FloatRange(0, min_open=True), help="Stop here; run the same command to resume.")
@options.device
@option(
    "--renderers",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Processes that render clips; 0 renders in the trainer.",
)
@run_option("--progress", type=click.Choice(["auto", "json", "none"]), default="auto", show_default=True)
@options.computing_options
@click.pass_context
def train_command(
    ctx: click.Context,
    config: str | None,
    data: tuple[str, ...],
    pairs: tuple[str, ...],
    run_folder: str,
    init: str | None,
    steps: int | None,
    seed: int | None,
    max_minutes: float | None,
    device: str,
    renderers: int,
    progress: str,
) -> None:
    """Train a network on sharp photographs and footage, or fine-tune one on pairs.

    The run folder holds the complete state: run the same command again to resume.
    """
    from ..backends.checkpoints import load
    from ..backends.published import published
    from ..backends.pytorch import choose_device
    from ..training.log import to_text
    from ..training.recipe import read_recipe
    from ..training.train import train

    named = {model.name: str(model.path) for model in published()}
    given = {"data": data, "pairs": pairs, "init": init, "steps": steps, "seed": seed}
    recipe = read_recipe(config, **{name: value for name, value in given.items() if value not in (None, ())})
    teacher = tuple(named.get(model, model) for model in recipe.teacher)
    recipe = replace(recipe, init=named.get(recipe.init, recipe.init), teacher=teacher)
    if recipe.init and not recipe.model:  # no other network is asked for than the one to begin with
        start = load(recipe.init)
        if config is None or start.kind == recipe.kind:
            recipe = replace(recipe, kind=start.kind, model=start.config)

    def report(line: dict[str, Any]) -> None:
        if progress == "json":
            click.echo(json.dumps(line), err=True)
        elif progress == "auto" and not is_quiet():
            say(to_text(line, recipe.steps, recipe.minutes))

    folder, stop = Path(run_folder), ctx.obj
    try:
        with stop.held():
            learner = train(
                recipe,
                folder,
                device=choose_device(device),
                max_minutes=max_minutes or inf,
                renderers=renderers,
                report=report,
                check=stop.check,
            )
    except Stopped as stopped:
        stopped.what_is_left = f"run the same command to resume from the checkpoint in {folder}"
        raise
    all_steps = "" if recipe.minutes else f" of {recipe.steps}"
    say(f"{learner.step_count}{all_steps} steps done; use it with -m {folder / 'model.safetensors'}")
