"""`batch` and `segment`: many files, or single segments of one file for an external scheduler."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ..errors import UsageError
from ..signals import StopSignals
from . import options
from .console import batch_progress_of, conclude, say
from .grammar import command, input_option, option, output_option, run_option

if TYPE_CHECKING:
    from ..jobs.job import Job

BATCH_EXAMPLES = """
vdeblur batch footage/ -o restored/                    every video and image sequence in a folder
vdeblur batch footage/ -o restored/ --recursive --dry-run
vdeblur batch *.mov -o restored/ --name "{stem}.mkv" --codec ffv1
vdeblur batch inbox/ -o restored/ --watch              then keep restoring files that appear
"""

SEGMENT_EXAMPLES = """
vdeblur segment out.mkv --prepare in.mkv     prints the number of segments, N
vdeblur segment out.mkv --index 0 ... N-1    in any order, on any machine; may be repeated
vdeblur segment out.mkv --join
"""


@command("batch", examples=BATCH_EXAMPLES)
@click.argument("paths", nargs=-1, required=True, metavar="PATHS...")
@output_option("-o", "--output", required=True, metavar="DIR", help="Folder for outputs, report and journal.")
@options.job_options
@input_option("--recursive", is_flag=True, help="Search subfolders too, and keep their structure.")
@input_option("--include", multiple=True, metavar="PATTERN", help="Only files whose name or relative path matches.")
@input_option("--exclude", multiple=True, metavar="PATTERN", help="Skip files whose name or relative path matches.")
@output_option(
    "--name", default="{stem}{suffix}", show_default=True, help="Names of outputs; {index} is a running number."
)
@output_option("--overwrite", is_flag=True, help="Restore finished files again and replace existing outputs.")
@run_option("--dry-run", is_flag=True, help="List what would be done, with estimated frames and hours.")
@run_option(
    "--jobs",
    default="auto",
    show_default=True,
    metavar="N|auto",
    help="Worker processes; auto is one per GPU, or without one, per four cores.",
)
@run_option("--ray", metavar="ADDRESS|local", help="Run on a Ray cluster instead; needs vdeblur[ray].")
@run_option(
    "--tries", type=click.IntRange(1), default=3, show_default=True, help="Attempts at a segment before its file fails."
)
@run_option("--min-free", type=click.FloatRange(0), default=1.0, show_default=True, help="GB of disk to leave free.")
@run_option("--watch", is_flag=True, help="Keep running and restore files that appear; needs vdeblur[watch].")
@options.progress
@options.as_json
@click.pass_context
def batch_command(
    ctx: click.Context,
    job: Job,
    paths: tuple[str, ...],
    output: str,
    recursive: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    name: str,
    overwrite: bool,
    dry_run: bool,
    jobs: str,
    ray: str | None,
    tries: int,
    min_free: float,
    watch: bool,
    progress: str,
    as_json: bool,
) -> None:
    """Restore many files: skip finished ones, continue after failures, and write a report.

    PATHS are files, folders, patterns, or @list.txt with one path per line. A folder of numbered images is restored as
    one image sequence. Run the same command again to resume after any interruption. Exit code 7 means that a file
    failed, 6 that an input was damaged.
    """
    from ..batch.request import Request
    from ..batch.run import run_batch
    from ..batch.scheduler import BatchOptions

    request = Request(
        paths=paths,
        output=output,
        settings=job,
        options=BatchOptions(overwrite=overwrite, tries=tries, min_free_bytes=int(min_free * 1e9)),
        recursive=recursive,
        include=include,
        exclude=exclude,
        name=name,
        jobs=jobs,
        ray=ray,
        watch=watch,
    )
    stop: StopSignals = ctx.obj
    shown = batch_progress_of(progress)
    ctx.exit(run_batch(request, stop, shown, dry_run=dry_run, as_json=as_json, say=say, write=click.echo))


STEP_OPTIONS = frozenset(
    {"output", "source", "index", "join", "config", "device", "threads", "nice", "verbose", "quiet"}
)
"""Options of `segment` that every step takes; the others describe the job, and --prepare stores them."""


@command("segment", examples=SEGMENT_EXAMPLES)
@click.argument("output", metavar="OUTPUT")
@option("--prepare", "source", metavar="INPUT", help="Cut INPUT into segments.", section="Step")
@option("--index", type=click.IntRange(0), help="Restore this segment.", section="Step")
@option("--join", is_flag=True, help="Join all segments into the output.", section="Step")
@options.job_options
@output_option(
    "-y/-n",
    "--overwrite/--no-overwrite",
    default=False,
    help="With --prepare or --join: replace an existing output, or refuse to.",
)
@click.pass_context
def segment_command(
    ctx: click.Context, job: Job, output: str, index: int | None, source: str | None, join: bool, overwrite: bool
) -> None:
    """Restore one segment of a job, for Slurm arrays and other schedulers.

    Without a step, show which segments are done. Settings such as --model and --crf belong to --prepare, which stores
    them for all segments; --device may differ from step to step. An existing output is refused by --prepare already.
    --join exits with code 6 if the input was damaged.
    """
    from ..jobs.slurm import join_job, prepare_job, restore_one, status_text

    if (source is not None) + (index is not None) + join > 1:
        raise UsageError("--prepare, --index and --join are single steps; give one of them")
    if source is None:
        _refuse_stored(ctx, STEP_OPTIONS | {"overwrite"} if join else STEP_OPTIONS)
    device = job.model.device if options.is_given("device") else None
    if source is not None:
        sink = replace(job.sink, overwrite=overwrite)
        click.echo(prepare_job(replace(job, input=source, output=output, sink=sink)))
    elif index is not None:
        say(restore_one(output, index, device))
    elif join:
        conclude(ctx, join_job(output, device, overwrite if options.is_given("overwrite") else None))
    else:
        click.echo(status_text(output))


def _refuse_stored(ctx: click.Context, taken: Collection[str]) -> None:
    """Raise UsageError for an option that this step would ignore, on the command line: the environment is for all."""
    for given in ctx.command.params:
        if given.name not in taken and ctx.get_parameter_source(str(given.name)) is ParameterSource.COMMANDLINE:
            flag = max(given.opts, key=len)
            raise UsageError(f"{flag} belongs to --prepare, which stores it for all segments; leave it out here")
