"""`eval` and `synth`: measure models on pairs of blurred and sharp frames, and synthesise such pairs."""

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
@option(
    "--pairs",
    metavar="DIR",
    required=True,
    help="Folder of clips, each with blur/ and sharp/ that hold images of the same names.",
)
@option("--sharp", metavar="DIR", help="Folder of sharp clips, which should come out unchanged.")
@model_option("-m", "--model", multiple=True, metavar="NAME", help="Model to measure; repeat to compare several.")
@model_option("--reset", is_flag=True, help="Evaluate each model a second time with its state reset at every frame.")
@options.device
@options.precision
@options.views
@options.computing_options
@option("--html", metavar="FILE", help="Write a report with before/after sliders.")
@options.as_json
def eval_command(
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

    --json prints one object, or a list for several models.
    """
    from ..loading import ModelOptions, load_restorer
    from ..quality.evaluate import StateReset, compare, to_json
    from ..quality.report import check_report, to_markdown, write_report

    if html:
        check_report(html)
    restorers: list[Restorer] = []
    for name in model or (None,):
        restorers.append(load_restorer(ModelOptions(name, device, precision, views=views)))
        if reset:
            restorers.append(StateReset(restorers[-1]))
    results = compare(pairs, restorers, sharp=sharp, examples=6 if html else 0)
    if as_json:
        objects = [to_json(result) for result in results]
        say_json(objects[0] if len(objects) == 1 else objects)
    else:
        click.echo(to_markdown(results), nl=False)
    if html:  # after the results, which a disk that has filled up meanwhile does not take away
        write_report(results, html)


@command("synth", examples=SYNTH_EXAMPLES)
@click.argument("source", metavar="INPUT")
@option("-o", "--output", metavar="DIR", required=True, help="A new or empty folder for the clips.")
@option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all random choices.")
@option("--frames", type=click.IntRange(2), default=24, show_default=True, help="Maximum frames per clip.")
@option("--clips", type=click.IntRange(1), help="Maximum clips.  [default: all footage; 8 from photographs]")
@option(
    "--size", type=click.IntRange(8), default=320, show_default=True, help="Side of clips from photographs, in pixels."
)
@option(
    "--blur-px",
    type=(float, float),
    metavar="LOW HIGH",
    default=(4.0, 16.0),
    show_default=True,
    help="Range of the camera path's length, in pixels.",
)
@option(
    "--duty",
    type=(float, float),
    metavar="LOW HIGH",
    default=(0.5, 1.0),
    show_default=True,
    help="Range of the exposure as a share of the frame time.",
)
@option("--noise", is_flag=True, help="Add sensor noise to the blurred frames.")
@option("--interpolate", is_flag=True, help="Interpolate footage within the exposure by optical flow.")
@option(
    "--kind",
    type=click.Choice(["auto", "photographs", "footage"]),
    default="auto",
    show_default=True,
    help="Kind of source material.",
)
@options.computing_options
def synth_command(
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
    """Blur sharp photographs or footage and keep the original, as pairs for `vdeblur eval --pairs`.

    INPUT is a folder of photographs, a video, or a folder of videos or of images in sequence.
    """
    if not 0 < blur_px[0] <= blur_px[1] or not 0 < duty[0] <= duty[1] <= 1:
        raise UsageError("--blur-px and --duty take LOW and HIGH above 0, LOW first; --duty is at most 1")

    from ..training.synth import SynthConfig, synthesise

    config = SynthConfig(seed, clips, frames, size, blur_px, duty, noise, interpolate)
    names = []
    for name in synthesise(source, output, config, kind):
        names.append(name)
        log.info("%s written", name)
    say(f"{len(names)} clips in {output}, seed {seed}; vdeblur eval --pairs {output}")
