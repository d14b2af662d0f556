"""`vdeblur INPUT`: restore one file, folder, pattern or pipe."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ..errors import EXIT_DAMAGED_INPUT, InputError, Problems, UsageError, VdeblurError, did_you_mean
from ..signals import StopSignals
from . import options
from .console import log, progress_of, say, say_json
from .grammar import RESTORE, InputCommand, command, input_option, output_option, run_option
from .values import Seconds

if TYPE_CHECKING:
    from ..frames import Frame, StreamInfo
    from ..jobs.job import Job

EXAMPLES = """
vdeblur input.mp4                          writes input.deblur.mp4, every other stream kept
vdeblur input.mp4 -o out.mkv --crf 16      choose container and quality
vdeblur input.mp4 --ss 1:10 --to 1:20 --compare split -o look.mp4
vdeblur frames/ -o restored/               a folder of PNG or JPEG images
vdeblur - -o - < in.mkv | ffplay -         as part of a pipe
"""


@command(RESTORE, cls=InputCommand, hidden=True, examples=EXAMPLES)
@click.argument("input_path", metavar="INPUT")
@output_option("-o", "--output", metavar="PATH", help="Where to; - is stdout.  [default: INPUT with .deblur added]")
@options.job_options
@input_option("--ss", type=Seconds(), help="Start here: seconds or hh:mm:ss.ms.")
@input_option("--to", type=Seconds(), help="End here, in the input's time.")
@input_option("-t", "--duration", type=Seconds(), help="Or end after this long.")
@input_option("--input-format", metavar="NAME", help="FFmpeg's name, for a pipe or raw stream it cannot guess.")
@output_option("--compare", type=click.Choice(["split", "side"]), help="Show input and result in one frame.")
@output_option("-f", "--format", "output_format", metavar="NAME", help="Container, as in mp4, mkv, nut, y4m.")
@output_option("-y/-n", "--overwrite/--no-overwrite", default=False, help="Replace an existing output, or refuse to.")
@run_option("--resume/--no-resume", default=True, help="Go on where a stopped run of the same job was.")
@run_option("--keep-temp", is_flag=True, help="Leave the segments of a long job beside its output.")
@options.progress
@options.as_json
@options.config
@click.pass_context
def restore(
    ctx: click.Context,
    job: Job,
    input_path: str,
    output: str | None,
    ss: float | None,
    to: float | None,
    duration: float | None,
    input_format: str | None,
    compare: Any,
    output_format: str | None,
    overwrite: bool,
    resume: bool,
    keep_temp: bool,
    progress: str,
    as_json: bool,
) -> None:
    """Restore a video, a folder or pattern of images, or stdin (-).

    The suffix of the output chooses its container: .mp4 .m4v .mov .mkv .webm .ts .m2ts .mts .nut .y4m keep every time
    and tag; .avi .mxf .flv .gif .h264 .hevc are written when asked for. A pattern such as frames/%05d.png writes
    images (.png .jpg .jpeg); a folder takes a video under its own name, and image sequences as images.

    Every option can also be set in the environment (VDEBLUR_MODEL=quality) or in a --config file.
    """
    if as_json and output == "-":
        raise UsageError("--json and -o - would both write to stdout: leave one of them out")
    end = _end_of(ss, to, duration)
    if hint := _command_meant(ctx, input_path):
        raise InputError(f"{input_path}: neither a file nor a command{hint}")

    from ..jobs.resume import restore_resumable

    job = replace(
        job,
        input=input_path,
        output=output,
        compare=compare,
        source=replace(job.source, start_seconds=ss, end_seconds=end, container=input_format),
        sink=replace(job.sink, overwrite=overwrite, container=output_format),
    )
    stop: StopSignals = ctx.obj
    begun = False
    with progress_of(progress) as shown:

        def on_frame(info: StreamInfo, frame: Frame) -> None:
            nonlocal begun
            begun = True
            stop.check()
            shown.update(info, frame)

        try:
            summary = restore_resumable(job, on_frame, resume=resume, keep_temp=keep_temp)
        except VdeblurError as error:
            if begun:
                raise
            raise _all_problems(job, error) from error
    for warning in summary.warnings:
        log.warning("%s", warning)
    say(summary.to_text())
    if as_json:
        say_json(summary.to_json())
    if summary.damaged:
        ctx.exit(EXIT_DAMAGED_INPUT)


def _all_problems(job: Job, first: VdeblurError) -> VdeblurError:
    """What else is wrong with a job that was refused, behind the reason for it."""
    from ..jobs.check import problems_of

    others = [error for error in problems_of(job) if str(error) != str(first)]
    return Problems([first, *others]) if others else first


def _end_of(start: float | None, end: float | None, duration: float | None) -> float | None:
    """Where the cut ends, in the input's time; None is its own end. Raises UsageError for an empty cut."""
    if end is not None and duration is not None:
        raise UsageError("--to and -t both say where to end: give one of them")
    if duration is not None:
        if duration == 0:
            raise UsageError("-t 0: nothing would be left; give a length above 0")
        return (start or 0.0) + duration
    if end is not None and end <= (start or 0.0):
        raise UsageError(f"--to {end:g} lies before the start at {start or 0:g} s: nothing would be left")
    return end


def _command_meant(ctx: click.Context, word: str) -> str:
    """A hint where a word that names no file is nearly a command."""
    group = ctx.parent.command if ctx.parent else None
    if "." in word or os.path.exists(word) or not isinstance(group, click.Group):
        return ""
    return did_you_mean(word, set(group.commands) - {RESTORE})
