"""`vdeblur INPUT...`: restore a file, folder, pattern or pipe, or several inputs as a batch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar

import click

from ..errors import InputError, OutputError, Problems, UsageError, VdeblurError
from ..signals import StopSignals
from . import options
from .console import batch_progress_of, conclude, has_display, progress_of, say, say_json
from .grammar import RESTORE, InputCommand, command, input_option, output_option, run_option
from .input_check import check_inputs
from .values import Seconds

if TYPE_CHECKING:
    from ..frames import Frame, StreamInfo
    from ..jobs.job import Job, OnFrame

Done = TypeVar("Done")

PREVIEW_SECONDS = 4.0

EXAMPLES = """
vdeblur input.mp4                          writes input.deblur.mp4, every other stream kept
vdeblur input.mp4 --preview                only the most blurred seconds, before and after, and an estimate
vdeblur input.mp4 -o out.mkv --crf 16      choose container and quality
vdeblur input.mp4 --ss 1:10 --to 1:20 --compare split -o look.mp4
vdeblur *.mp4 -o restored/ --quality best  several inputs, as a batch
vdeblur frames/ -o restored/               a folder of PNG or JPEG images
vdeblur - -o - < in.mkv | ffplay -         as part of a pipe
"""


@command(RESTORE, cls=InputCommand, hidden=True, examples=EXAMPLES)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@output_option(
    "-o", "--output", metavar="PATH", help="Output file or folder; - is stdout.  [default: INPUT.deblur.SUFFIX]"
)
@options.job_options
@input_option("--ss", type=Seconds(), help="Start here: seconds or hh:mm:ss.ms.")
@input_option("--to", type=Seconds(), help="End here, in the time of the input.")
@input_option("-t", "--duration", type=Seconds(), help="Duration, in place of --to.")
@input_option("--input-format", metavar="NAME", help="FFmpeg's name of the format, for pipes and raw streams.")
@output_option("--compare", type=click.Choice(["split", "side"]), help="Write input and result in one frame.")
@output_option("-f", "--format", "output_format", metavar="NAME", help="Container: mp4, mkv, nut, y4m and so on.")
@output_option("-y/-n", "--overwrite/--no-overwrite", default=False, help="Replace an existing output, or refuse to.")
@run_option("--dry-run", is_flag=True, help="Check everything and estimate the time, but write nothing.")
@run_option("--resume/--no-resume", default=True, help="Continue an interrupted run of the same job.")
@run_option("--keep-temp", is_flag=True, help="Keep the segments of a long job next to the output.")
@run_option(
    "--preview",
    type=click.FloatRange(0.1, 600),
    is_flag=False,
    flag_value=PREVIEW_SECONDS,
    metavar="[SECONDS]",
    help="Restore only the most blurred seconds, before and after side by side, and estimate the whole."
    f"  [default: {PREVIEW_SECONDS:g}]",
)
@options.progress
@options.as_json
@click.pass_context
def restore_command(
    ctx: click.Context,
    job: Job,
    inputs: tuple[str, ...],
    output: str | None,
    ss: float | None,
    to: float | None,
    duration: float | None,
    input_format: str | None,
    compare: Literal["split", "side"] | None,
    output_format: str | None,
    overwrite: bool,
    dry_run: bool,
    resume: bool,
    keep_temp: bool,
    preview: float | None,
    progress: str,
    as_json: bool,
) -> None:
    """Restore a video, a folder or pattern of images, or stdin (-).

    The suffix of the output selects its container: .mp4 .m4v .mov .mkv .webm .ts .m2ts .mts .nut .y4m keep all time
    stamps and tags; .avi .mxf .flv .gif .h264 .hevc are supported too. A pattern such as frames/%05d.png writes images
    (.png .jpg .jpeg). Into a folder, a video goes under its own name and an image sequence as images.

    Several inputs are restored as by `vdeblur batch`: a failure affects one file only, and the same command resumes.
    Each output is written next to its input, or under the same name into the folder given by -o.

    Every option can also be set in the environment (VDEBLUR_MODEL=quality) or in a --config file.
    """
    if as_json and output == "-":
        raise UsageError("--json and -o - both write to stdout; use one of them")
    if dry_run and preview is not None:
        raise UsageError("--preview and --dry-run both estimate the whole; use one of them")
    if len(inputs) > 1 and (keep_temp or not resume):
        raise UsageError("several inputs are a batch, which always resumes: leave out --keep-temp and --no-resume")
    end = _end_of(ss, to, duration)
    check_inputs(ctx, inputs)
    job = replace(
        job,
        input=inputs[0],
        output=output,
        compare=compare,
        source=replace(job.source, start_seconds=ss, end_seconds=end, container=input_format),
        sink=replace(job.sink, overwrite=overwrite, container=output_format),
    )
    if dry_run and len(inputs) == 1:
        _dry_run(job, as_json)
        return
    if preview is not None:
        _write_preview(ctx.obj, job, inputs, preview, progress, as_json)
        return
    if len(inputs) > 1:
        ctx.exit(_restore_all(ctx.obj, job, inputs, progress, dry_run, as_json))
    from ..jobs.restore import restore
    from ..media.image_files import bytes_of

    summary = _watched(
        ctx.obj, job, progress, lambda on_frame: restore(job, on_frame, resume=resume, keep_segments=keep_temp)
    )
    sizes = bytes_of(summary.output), bytes_of(job.input)
    result = summary.to_json() | {"output_bytes": sizes[0], "input_bytes": sizes[1]}
    conclude(ctx, summary, _sizes_text(*sizes), result if as_json else None)


def _watched(stop: StopSignals, job: Job, progress: str, work: Callable[[OnFrame], Done]) -> Done:
    """Do `work` with its progress shown, until a signal stops it.

    An error before the first frame is raised together with all other problems of the job.
    """
    begun = False
    with progress_of(progress) as shown:

        def on_frame(info: StreamInfo, frame: Frame) -> None:
            nonlocal begun
            begun = True
            stop.check()
            shown.update(info, frame)

        try:
            return work(on_frame)
        except VdeblurError as error:
            if begun:
                raise
            raise _all_problems(job, error) from error


def _dry_run(job: Job, as_json: bool) -> None:
    """Raise all problems of the job; if there are none, estimate its time from a trial."""
    from ..jobs.check import problems_of
    from ..jobs.trial import estimate
    from ..media.paths import output_of
    from ..progress import clock

    if found := problems_of(job):
        raise _all_problems(job, found[0])
    output = output_of(job.input, job.output)
    seconds = None if job.input == "-" else estimate(job)
    length = "duration unknown" if seconds is None else f"takes about {clock(max(seconds, 1))}"
    say(f"{job.input} -> {output}: ready, {length}")
    if as_json:
        say_json({"input": job.input, "output": output, "seconds": seconds and round(seconds, 3)})


def _write_preview(
    stop: StopSignals, job: Job, inputs: tuple[str, ...], seconds: float, progress: str, as_json: bool
) -> None:
    """Write a preview, and open it if no output was given."""
    if len(inputs) > 1 or job.output == "-":
        raise UsageError("--preview takes one input and writes a file: name a single input, and a file with -o")
    from ..jobs.preview import preview, preview_output

    named = replace(job, output=job.output or preview_output(job.input))
    made = _watched(stop, named, progress, lambda on_frame: preview(named, seconds, on_frame))
    say(made.to_text())
    if as_json:
        say_json(made.to_json())
    if job.output is None and sys.stdout.isatty() and has_display():
        click.launch(made.output)


def _restore_all(
    stop: StopSignals, job: Job, inputs: tuple[str, ...], progress: str, dry_run: bool, as_json: bool
) -> int:
    """Restore several inputs as a batch, and return its exit code."""
    if job.output == "-" or "-" in inputs:
        raise UsageError("several inputs cannot go through a pipe; name files, and a folder with -o")
    if job.output is not None and not os.path.isdir(job.output) and os.path.splitext(job.output)[1]:
        raise UsageError(f"{job.output}: not a folder; several inputs need a folder", settings=("output",))
    from ..batch.request import Request
    from ..batch.run import run_batch
    from ..batch.scheduler import BatchOptions

    request = Request(inputs, job.output, job, BatchOptions(overwrite=job.sink.overwrite))
    shown = batch_progress_of(progress)
    return run_batch(request, stop, shown, dry_run=dry_run, as_json=as_json, say=say, write=click.echo)


def _all_problems(job: Job, first: VdeblurError) -> VdeblurError:
    """All problems of a job that failed with `first`, those of the input first."""
    from ..jobs.check import problems_of

    others = [error for error in problems_of(job) if str(error) != str(first)]
    found = sorted([first, *others], key=lambda error: not isinstance(error, InputError))
    if job.output is None and isinstance(found[0], InputError):  # the output's name comes from the input
        found = [error for error in found if not isinstance(error, OutputError)]
    return Problems(found) if len(found) > 1 else found[0]


def _sizes_text(output: int | None, source: int | None) -> list[str]:
    from ..progress import size_text

    if output is None:
        return []
    return [size_text(output) + (f" (input: {size_text(source)})" if source is not None else "")]


def _end_of(start: float | None, end: float | None, duration: float | None) -> float | None:
    """Time in the input at which to end; None for its end. Raises UsageError for an empty range."""
    if end is not None and duration is not None:
        raise UsageError("--to and -t both set the end; use one of them")
    if duration is not None:
        if duration == 0:
            raise UsageError("-t 0: empty range; give a duration above 0")
        return (start or 0.0) + duration
    if end is not None and end <= (start or 0.0):
        raise UsageError(f"--to {end:g}: empty range, the start is at {start or 0:g} s")
    return end
