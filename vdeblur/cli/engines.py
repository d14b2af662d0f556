"""`bench`, `export` and `compress`: measure speed, export models to ONNX, make models smaller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import OutputError, UsageError
from . import options
from .console import log, say, say_json
from .grammar import command, model_option, option
from .values import FrameSize

if TYPE_CHECKING:
    from ..frames import Frame

BENCH_EXAMPLES = """
vdeblur bench
vdeblur bench -m fast --size 1280x720 --json
"""

EXPORT_EXAMPLES = """
vdeblur export fast -o fast-onnx
vdeblur input.mp4 -m fast-onnx --engine openvino
"""

COMPRESS_EXAMPLES = """
vdeblur compress fast -o fast-int8 --clip blurred.mp4 --clip holiday.mov
vdeblur compress quality --prune 0.25 -o pruned.safetensors
"""


@command("bench", examples=BENCH_EXAMPLES)
@model_option("-m", "--model", multiple=True, metavar="NAME|PATH", help="May be repeated.  [default: all published]")
@option("--size", type=FrameSize(), multiple=True, help="May be repeated.  [default: 640x360 and 1280x720]")
@model_option("--engine", multiple=True, metavar="NAME", help="May be repeated.  [default: all installed]")
@options.device
@options.precision
@option(
    "--seconds",
    type=click.FloatRange(1),
    default=40,
    show_default=True,
    help="Approximate total time of the measurement.",
)
@options.computing_options
@options.as_json
def bench_command(
    model: tuple[str, ...],
    size: tuple[tuple[int, int], ...],
    engine: tuple[str, ...],
    device: str,
    precision: str,
    seconds: float,
    as_json: bool,
) -> None:
    """Measure frames per second on this machine, by frame size, model and engine.

    "fps" covers everything from decoding to encoding; "alone" is the model by itself. Without --device, --engine auto
    uses the fastest engine of each model from then on; int8, which changes more than the last bit, is only used with
    --precision int8.
    """
    from ..backends.choice import machine
    from ..backends.published import published
    from ..jobs.speed import SIZES, measure_all, to_text, with_int8
    from ..loading import ModelOptions

    names = model or [entry.name for entry in published()]
    wanted = with_int8([ModelOptions(name, device, precision) for name in names], engine)

    def report(speed: object) -> None:
        log.info("%s", speed)

    speeds = measure_all(wanted, size or SIZES, engine, seconds, report)
    if as_json:
        say_json({"machine": machine(), "speeds": [speed.to_json() for speed in speeds]})
    else:
        click.echo(to_text(speeds))


@command("export", examples=EXPORT_EXAMPLES)
@click.argument("model", metavar="MODEL")
@option("-o", "--output", required=True, metavar="DIR", help="A new folder for the graph and its manifest.")
def export_command(model: str, output: str) -> None:
    """Export a model as an ONNX graph, which ONNX Runtime and OpenVINO run without torch.

    MODEL is a name from `vdeblur models` or a .safetensors file.
    """
    from ..converting import export_model

    graph = export_model(model, output)
    say(f"{output}: {graph.kind} in {graph.precision}; use it with -m {output}")


@command("compress", examples=COMPRESS_EXAMPLES)
@click.argument("model", metavar="MODEL")
@option("-o", "--output", required=True, metavar="PATH", help="A new folder; with --prune a .safetensors file.")
@option("--clip", multiple=True, metavar="PATH", help="Blurred footage to calibrate int8 ranges on. May be repeated.")
@option("--frames", type=click.IntRange(1), default=24, show_default=True, help="Maximum frames of each clip.")
@option(
    "--prune",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Remove this share of the channels instead.",
)
@options.computing_options
def compress_command(model: str, output: str, clip: tuple[str, ...], frames: int, prune: float | None) -> None:
    """Make a model smaller: quantise it to int8, for the openvino engine, or prune its channels.

    MODEL is a name from `vdeblur models`, a .safetensors file, or for int8 the folder of an exported model. int8 needs
    pip install 'vdeblur[compress]'.

    A pruned model restores worse until it is fine-tuned: vdeblur train --init FILE, with the original model as
    `teacher` in the configuration.
    """
    if prune is not None:
        from ..backends.checkpoints import load, save
        from ..loading import weights_of
        from ..training.pruning import WIDTHS
        from ..training.pruning import prune as prune_checkpoint

        if clip:
            raise UsageError("--clip calibrates int8 and --prune does not need it; use one of them")
        if not output.endswith(".safetensors"):
            raise UsageError(f"{output}: a pruned model is a .safetensors file", settings=("output",))
        if Path(output).exists():
            raise OutputError(f"{output}: already exists; choose another file")
        pruned = prune_checkpoint(load(*weights_of(model)), prune)
        save(output, pruned.network(), pruned.kind, pruned.tensors, pruned.provenance)
        sizes = ", ".join(f"{name} {pruned.config[name]}" for name in WIDTHS if name in pruned.config)
        say(f"{output}: {sizes}; fine-tune it with vdeblur train --init {output} --data DIR")
        return
    if not clip:
        raise UsageError("int8 is calibrated on blurred footage; name some with --clip")
    from ..converting import quantise_model
    from ..media.sources import open_source

    def clips() -> Iterator[tuple[str, Iterable[Frame]]]:
        for path in clip:
            with open_source(path) as source:
                yield path, islice(source, frames)

    graph = quantise_model(model, clips(), output)
    shown = graph.provenance["calibration_frames"]
    say(f"{output}: int8, calibrated on {shown} frames; use it with -m {output}")
