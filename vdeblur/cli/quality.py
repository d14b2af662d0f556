"""`eval` and `synth`: measure models on pairs of blurred and sharp frames, and make such pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from . import options
from .console import log, say, say_json
from .grammar import command, model_option, option

if TYPE_CHECKING:
    from ..restorer import Restorer

EVAL_EXAMPLES = """
vdeblur eval --pairs DIR
vdeblur eval --pairs DIR -m fast -m quality -m unsharp --html report.html
"""

SYNTH_EXAMPLES = """
vdeblur synth photographs/ -o pairs/ --clips 8
vdeblur synth sharp.mp4 -o pairs/ --interpolate --seed 7
"""


@command("eval", examples=EVAL_EXAMPLES)
@option("--pairs", metavar="DIR", required=True, help="Clips, each with blur/ and sharp/ of equally named images.")
@option("--sharp", metavar="DIR", help="Clips of sharp images that must come out as they are.")
@model_option("-m", "--model", multiple=True, metavar="NAME", help="As for INPUT; give several to compare them.")
@model_option("--reset", is_flag=True, help="Evaluate each model a second time with its state reset at every frame.")
@options.device
@options.precision
@options.views
@options.computing_options
@option("--html", metavar="FILE", help="Write a report with before/after sliders.")
@options.as_json
def evaluate(
    pairs: str,
    sharp: str | None,
    model: tuple[str, ...],
    reset: bool,
    device: str,
    precision: str,
    views: int,
    html: str | None,
    as_json: bool,
) -> None:
    """Measure models on pairs of blurred and sharp images.

    --json prints an object, or a list for several models.
    """
    from ..loading import ModelOptions, load_restorer
    from ..quality.evaluate import StateReset, compare, to_json
    from ..quality.report import to_markdown, write_report

    restorers: list[Restorer] = []
    for name in model or (None,):
        restorers.append(load_restorer(ModelOptions(name, device, precision, views=views)))
        if reset:
            restorers.append(StateReset(restorers[-1]))
    results = compare(pairs, restorers, sharp=sharp, examples=6 if html else 0)
    if html:
        write_report(results, html)
    if as_json:
        objects = [to_json(result) for result in results]
        say_json(objects[0] if len(objects) == 1 else objects)
    else:
        click.echo(to_markdown(results), nl=False)


@command(examples=SYNTH_EXAMPLES)
@click.argument("source", metavar="IN")
@option("-o", "--output", metavar="DIR", required=True, help="A new or empty folder for the clips.")
@option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same pairs.")
@option("--frames", type=click.IntRange(2), default=24, show_default=True, help="At most, per clip.")
@option("--clips", type=click.IntRange(1), help="At most.  [default: all footage; 8 of photographs]")
@option("--size", type=click.IntRange(8), default=320, show_default=True, help="Side of photographs' clips, px.")
@option(
    "--blur-px",
    type=(float, float),
    metavar="LOW HIGH",
    default=(4.0, 16.0),
    show_default=True,
    help="Camera's path, px.",
)
@option(
    "--duty",
    type=(float, float),
    metavar="LOW HIGH",
    default=(0.5, 1.0),
    show_default=True,
    help="Exposure over frame time.",
)
@option("--noise", is_flag=True, help="Add sensor noise to the blurred side.")
@option("--interpolate", is_flag=True, help="Let footage move within the exposure, along optical flow.")
@option(
    "--kind",
    type=click.Choice(["auto", "photographs", "footage"]),
    default="auto",
    show_default=True,
    help="What IN is.",
)
@options.computing_options
def synth(
    source: str,
    output: str,
    seed: int,
    frames: int,
    clips: int | None,
    size: int,
    blur_px: tuple[float, float],
    duty: tuple[float, float],
    noise: bool,
    interpolate: bool,
    kind: str,
) -> None:
    """Blur sharp photographs or footage, and keep the truth beside it, for `vdeblur eval --pairs`.

    IN is a folder of photographs, a video, or a folder of videos or of images in sequence.
    """
    if not 0 < blur_px[0] <= blur_px[1] or not 0 < duty[0] <= duty[1] <= 1:
        raise UsageError("--blur-px and --duty take a low and a high value above 0, and a duty is at most 1")

    from ..training.synth import SynthConfig, synthesise

    config = SynthConfig(seed, clips, frames, size, blur_px, duty, noise, interpolate)
    names = []
    for name in synthesise(source, output, config, kind):
        names.append(name)
        log.info("%s written", name)
    say(f"{len(names)} clips in {output}, seed {seed}; vdeblur eval --pairs {output}")
