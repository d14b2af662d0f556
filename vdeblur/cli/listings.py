"""`info`, `models` and `doctor`: what is in a file, in this copy of vdeblur, and on this machine."""

from __future__ import annotations

import click

from ..errors import ModelError
from . import options
from .console import say_json
from .grammar import command, option


@command(
    examples="""
vdeblur info input.mp4
vdeblur info input.mp4 --blur              with a plot of how blurred it is
vdeblur info input.mp4 --json | jq .video
"""
)
@click.argument("path", metavar="FILE")
@option("--blur", is_flag=True, help="Measure and plot how blurred its frames are, in pixels.")
@options.computing_options
@options.as_json
def info(path: str, blur: bool, as_json: bool) -> None:
    """Show what is in a file and what would be kept of it."""
    from ..media.probe import blur_of, probe, to_json
    from ..media.probe_text import blur_text, to_text

    found = probe(path)
    described = to_json(found)
    if blur:
        from ..blurriness import auto_threshold

        times, lengths = blur_of(path)
        threshold = auto_threshold((found.video.width, found.video.height))
        described["blur"] = {"seconds": times, "pixels": lengths, "threshold": threshold}
    if as_json:
        say_json(described)
        return
    click.echo(to_text(found))
    if blur:
        click.echo(blur_text(times, lengths, threshold))


@command()
@options.as_json
def models(as_json: bool) -> None:
    """List the models that come with vdeblur."""
    from ..backends.published import published

    keys = ("name", "kind", "params", "gmac_720p", "sha256", "default_on")
    found = [{key: getattr(model, key) for key in keys} for model in published()]
    if as_json:
        say_json(found)
        return
    click.echo(f"{'name':<12}{'kind':<10}{'parameters':>12}{'GMAC at 720p':>14}  sha256")
    for model in found:
        places = " and ".join({"cpu": "a CPU", "gpu": "a GPU"}[place] for place in model["default_on"].split())
        mark = f"  (default on {places})" if places else ""
        sizes = f"{model['params']:>12,}{model['gmac_720p']:>14.1f}"
        click.echo(f"{model['name']:<12}{model['kind']:<10}{sizes}  {model['sha256'][:12]}{mark}")


@command()
@options.as_json
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check versions, devices, encoders, weights and display."""
    from .doctor import diagnose, to_json, to_text

    diagnosis = diagnose()
    if as_json:
        say_json(to_json(diagnosis))
    else:
        click.echo(to_text(diagnosis))
    if diagnosis.problems:
        ctx.exit(ModelError.exit_code)
