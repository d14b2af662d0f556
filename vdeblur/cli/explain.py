"""`explain`: what a network saw in a video, and why it did what it did."""

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


@command(examples=EXAMPLES)
@click.argument("path", metavar="INPUT")
@input_option("--at", type=Seconds(), metavar="TIME", help="Explain the frame shown at this time, and those about it.")
@input_option("--frames", type=FrameRange(), metavar="A-B", help="Or frames A to B, counted from 0.  [default: all]")
@input_option("--point", type=Point(), metavar="X,Y", help="Show how far the answer looked at this pixel.")
@options.model
@options.device
@model_option(
    "--views",
    type=click.IntRange(1, 8),
    default=4,
    show_default=True,
    metavar="1..8",
    help="Compare so many mirrored and turned views; 1 says nothing of certainty.",
)
@options.scene_cuts
@input_option(
    "--exposure",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="0..1",
    help="Share of the frame time that the shutter was open.  [default: fitted]",
)
@input_option("--pairs", metavar="DIR", help="Calibrate certainty on these pairs.  [default: on the input itself]")
@output_option("-o", "--output", metavar="FILE", help="The page.  [default: beside INPUT, as INPUT.explained.html]")
@output_option(
    "--shown",
    type=click.IntRange(1),
    default=24,
    show_default=True,
    metavar="N",
    help="About how many frames the page shows.",
)
@output_option("--images", metavar="DIR", help="Write every map as a PNG image, too.")
@output_option("--evidence", metavar="RESTORED", help="Write RESTORED.evidence.json about a video restored from INPUT.")
@output_option("-y", "--overwrite", is_flag=True, help="Replace an existing page.")
@options.computing_options
@options.progress
@options.as_json
@click.pass_context
def explain(
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
    """Explain a model's answer: where the change came from, how sure it is, what its memory did.

    Writes one page that needs no network. Of a classical filter it can only tell what was changed.
    """
    target = Path(output or Path(path).with_suffix(".explained.html"))
    if target.exists() and not overwrite:
        raise OutputError(f"{target}: exists already; -y replaces it, -o names another place")
    if evidence is not None and (at is not None or frames is not None):
        raise UsageError("--evidence is about all frames: leave --at and --frames out")
    if evidence is not None and (point is not None or pairs is not None):
        raise UsageError("--evidence takes neither --point nor --pairs: leave them out")

    from ..quality import explain as explaining
    from ..quality.explain.evidence import evidence_path, write_evidence

    stop: StopSignals = ctx.obj
    with progress_of(progress) as display:

        def on_frame(info: StreamInfo, frame: Frame) -> None:
            stop.check()
            display.update(info, frame)

        if evidence is not None:
            found, written = write_evidence(
                path,
                evidence,
                model,
                views=views,
                device=device,
                scene_cuts=scene_cuts == "auto",
                most_shown=shown,
                on_frame=on_frame,
            )
            agrees = "agrees" if written["agrees"] else "DOES NOT AGREE"
            say(f"{evidence_path(evidence)}: {evidence} {agrees} with {found.model}'s answer")
        else:
            found = explaining.explain(
                path,
                model,
                at=at,
                frames=frames,
                point=point,
                views=views,
                device=device,
                scene_cuts=scene_cuts == "auto",
                exposure=exposure,
                pairs=pairs,
                most_shown=shown,
                on_frame=on_frame,
            )
    found.write_page(target)
    if images is not None:
        found.write_pictures(images)
    say(f"{target}: {len(found.frames)} frames explained in {found.seconds:.1f} s with {found.model} on {found.device}")
    if as_json:
        say_json(found.to_json())
    if found.damaged:
        ctx.exit(EXIT_DAMAGED_INPUT)
