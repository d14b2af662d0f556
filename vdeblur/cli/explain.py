"""`explain`: a report on what a network changed in a video, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import EXIT_DAMAGED_INPUT, OutputError, UsageError
from . import options
from .console import progress_of, say, say_json
from .grammar import command, input_option, model_option, output_option
from .values import FrameRange, Point, Seconds

if TYPE_CHECKING:
    from ..frames import Frame, StreamInfo
    from ..signals import StopSignals

EXAMPLES = """
vdeblur explain input.mp4                        a page, input.explained.html
vdeblur explain input.mp4 --at 0:03.2 --point 320,180
vdeblur explain input.mp4 --frames 90-120 --images maps/ --json
vdeblur explain input.mp4 --evidence input.deblur.mp4
"""


@command("explain", examples=EXAMPLES)
@click.argument("path", metavar="INPUT")
@input_option("--at", type=Seconds(), metavar="TIME", help="Explain the frame shown at this time and its neighbours.")
@input_option(
    "--frames", type=FrameRange(), metavar="A-B", help="Explain frames A to B, counted from 0.  [default: all]"
)
@input_option("--point", type=Point(), metavar="X,Y", help="Show how far around this pixel the network looked.")
@options.model
@options.device
@model_option(
    "--views",
    type=click.IntRange(1, 8),
    default=4,
    show_default=True,
    metavar="1..8",
    help="Number of mirrored and rotated views to compare; with 1 there is no certainty.",
)
@options.scene_cuts
@input_option(
    "--exposure",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="0..1",
    help="Share of the frame time that the shutter was open.  [default: fitted]",
)
@input_option("--pairs", metavar="DIR", help="Calibrate certainty on these pairs.  [default: on the input itself]")
@output_option("-o", "--output", metavar="FILE", help="The HTML page.  [default: INPUT.explained.html]")
@output_option(
    "--shown",
    type=click.IntRange(1),
    default=24,
    show_default=True,
    metavar="N",
    help="Approximate number of frames on the page.",
)
@output_option("--images", metavar="DIR", help="Also write every map as a PNG image.")
@output_option("--evidence", metavar="RESTORED", help="Write RESTORED.evidence.json about a video restored from INPUT.")
@output_option("-y", "--overwrite", is_flag=True, help="Replace an existing page.")
@options.computing_options
@options.progress
@options.as_json
@click.pass_context
def explain_command(
    ctx: click.Context,
    path: str,
    at: float | None,
    frames: tuple[int, int] | None,
    point: tuple[int, int] | None,
    model: str | None,
    device: str,
    views: int,
    scene_cuts: str,
    exposure: float | None,
    pairs: str | None,
    output: str | None,
    shown: int,
    images: str | None,
    evidence: str | None,
    overwrite: bool,
    progress: str,
    as_json: bool,
) -> None:
    """Explain a model's result: where each change came from, how certain it is, what the memory contributed.

    Writes one self-contained HTML page. For a classical filter it can only show what was changed.
    """
    source = Path(path) if Path(path).name else Path(path).resolve()  # "." has no name of its own
    target = Path(output or source.with_suffix(".explained.html"))
    if target.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{target}: the output is an HTML page, name it .html; --json prints the findings to stdout")
    if target.exists() and not overwrite:
        raise OutputError(f"{target}: already exists; -y replaces it, -o names another file")
    if evidence is not None and (at is not None or frames is not None):
        raise UsageError("--evidence covers all frames; leave out --at and --frames")

    from ..quality.explain import ExplainOptions, explain
    from ..quality.explain.evidence import evidence_path, write_evidence
    from ..quality.explain.page import check_page

    check_page(target)
    settings = ExplainOptions(
        at=at,
        frames=frames,
        point=point,
        views=views,
        device=device,
        scene_cuts=scene_cuts == "auto",
        exposure=exposure,
        pairs=pairs,
        most_shown=shown,
    )
    stop: StopSignals = ctx.obj
    with progress_of(progress) as display:

        def on_frame(info: StreamInfo, frame: Frame) -> None:
            stop.check()
            display.update(info, frame)

        if evidence is not None:
            found, written = write_evidence(path, evidence, model, settings, on_frame=on_frame)
            agrees = "agrees" if written["agrees"] else "DOES NOT AGREE"
            say(f"{evidence_path(evidence)}: {evidence} {agrees} with the result of {found.model}")
        else:
            found = explain(path, model, settings, on_frame=on_frame)
    if as_json:  # before the files, which a disk that has filled up meanwhile may not take
        say_json(found.to_json())
    found.write_page(target)
    if images is not None:
        found.write_images(images)
    say(f"{target}: {len(found.frames)} frames explained in {found.seconds:.1f} s with {found.model} on {found.device}")
    if found.damaged:
        ctx.exit(EXIT_DAMAGED_INPUT)
