"""`info`, `models`, `presets` and `doctor`: describe a file, the installed models and presets, and this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import click

from ..errors import ModelError, UsageError
from ..media.quality import STEPS
from . import options
from .console import say, say_json
from .grammar import command, option
from .presets import BUILT_IN, find_preset


@command(
    "info",
    examples="""
vdeblur info input.mp4
vdeblur info input.mp4 --blur              with a plot of its blur over time
vdeblur info input.mp4 --json | jq .video
vdeblur info --model fast --drawing fast.svg
""",
)
@click.argument("path", metavar="FILE", required=False)
@option("--blur", is_flag=True, help="Measure and plot the blur of its frames, in pixels.")
@option(
    "-m",
    "--model",
    metavar="NAME|FILE",
    help="Describe a network instead: its layers, their cost and reach.",
    allow_from_autoenv=False,  # VDEBLUR_MODEL is what other commands restore with
    envvar="VDEBLUR_INFO_MODEL",
)
@option("--drawing", metavar="SVG", help="Also draw the network into this file.")
@options.computing_options
@options.as_json
def info_command(path: str | None, blur: bool, model: str | None, drawing: str | None, as_json: bool) -> None:
    """Show what a file contains and what an output would keep, or the layers of a network."""
    if (path is None) == (model is None):
        raise UsageError("give either a FILE or a --model")
    if model is not None:
        if blur:
            raise UsageError("--blur measures a file; leave out --model")
        _describe_network(model, drawing, as_json)
        return
    if drawing is not None:
        raise UsageError("--drawing draws a network; add --model")
    assert path is not None
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


def _describe_network(model: str, target: str | None, as_json: bool) -> None:
    """Print the layers of a model's network, and draw them if `target` names a file."""
    from ..backends.checkpoints import load
    from ..backends.published import published
    from ..loading import weights_of
    from ..models.anatomy import dissect, to_json, to_text
    from ..quality.network_plot import write_drawing

    anatomy = dissect(load(*weights_of(model)).network())
    int8 = next((entry.int8 for entry in published() if entry.name == model), None)
    if as_json:
        say_json(to_json(anatomy) | {"int8": int8 and asdict(int8)})
    else:
        click.echo(to_text(anatomy))
        if int8:
            lost = ", ".join(f"{name} {db:.3f}" for name, db in int8.lost_db.items())
            click.echo(f"dB lost in int8 (--precision int8): {lost}")
    if target is not None:
        write_drawing(anatomy, model, target)
        say(f"{target}: written")


@command("models")
@options.as_json
def models_command(as_json: bool) -> None:
    """List the models that come with vdeblur."""
    from ..backends.published import published

    keys = ("name", "kind", "params", "gmac_720p", "sha256", "default_on", "int8")
    found = published()
    if as_json:
        say_json([{key: asdict(model)[key] for key in keys} for model in found])
        return
    click.echo(f"{'name':<12}{'kind':<10}{'parameters':>12}{'GMAC at 720p':>14}  {'sha256':<14}--precision")
    for model in found:
        places = " and ".join({"cpu": "a CPU", "gpu": "a GPU"}[place] for place in model.default_on.split())
        sizes = f"{model.params:>12,}{model.gmac_720p:>14.1f}"
        precisions = "fp32 bf16 fp16" + (" int8" if model.int8 else "")
        mark = f"  (default on {places})" if places else ""
        click.echo(f"{model.name:<12}{model.kind:<10}{sizes}  {model.sha256[:12]:<14}{precisions:<19}{mark}".rstrip())


@command("doctor")
@options.as_json
@click.pass_context
def doctor_command(ctx: click.Context, as_json: bool) -> None:
    """Check versions, devices, encoders, weights and display."""
    from .doctor import diagnose, to_json, to_text

    diagnosis = diagnose()
    if as_json:
        say_json(to_json(diagnosis))
    else:
        click.echo(to_text(diagnosis))
    if diagnosis.problems:
        ctx.exit(ModelError.exit_code)


@command(
    "presets",
    examples="""
vdeblur presets
vdeblur input.mp4 --quality best
vdeblur input.mp4 --config presets.toml --quality archive

presets.toml:
[presets.archive]
quality = "best"
codec = "ffv1"
""",
)
@options.as_json
@options.config
@click.pass_context
def presets_command(ctx: click.Context, as_json: bool) -> None:
    """List the presets for --quality, and the options that each one sets.

    Options given together with --quality override the preset. --config FILE adds the presets saved there, each a table
    [presets.NAME] of long options without dashes; `quality` in it names the built-in preset that it is based on.
    """
    saved = options.saved_presets(ctx)
    found = [find_preset(name, saved) for name in [*BUILT_IN, *(name for name in saved if name not in BUILT_IN)]]
    if as_json:
        say_json([{"name": p.name, "settings": dict(p.settings), "encoders": STEPS[p.quality]} for p in found])
        return
    width = max(len(preset.name) for preset in found)
    for preset in found:
        click.echo(f"{preset.name:<{width}}  {_flags_text(preset.settings) or 'defaults'}")
        for encoder, step in STEPS[preset.quality].items():
            flags = {"preset" if key == "cpu-used" else key: value for key, value in step.items()}
            click.echo(f"{'':<{width}}  {encoder}: {_flags_text(flags)}")


def _flags_text(settings: Mapping[str, object]) -> str:
    """--views 2 --codec ffv1"""
    words = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            words += [f"--{key} {name}={text}" for name, text in value.items()]
        else:
            words.append(f"--{key}" if value is True else f"--{key} {value}")
    return " ".join(words)
