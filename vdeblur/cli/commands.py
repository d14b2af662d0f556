"""The command line: the only module that prints or exits. Every command is one function that imports what it needs.

Data goes to stdout, everything said to people to stderr. An error made on purpose is one line and its exit code; any
other exception is one line that points to -v, which shows the traceback.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.shell_completion import get_completion_class, shell_complete

from .. import __version__
from ..errors import (
    EXIT_DAMAGED_INPUT,
    EXIT_INTERNAL,
    EXIT_OK,
    DeviceError,
    InputError,
    ModelError,
    OutputError,
    UsageError,
    VdeblurError,
    did_you_mean,
)
from ..signals import Stopped, StopSignals, stop_signals
from .command_group import RESTORE, InputCommand, InputOrCommand
from .flags import BlurThreshold, KeyValue, PictureSize, Rate, Seconds, TileSize, load_config

if TYPE_CHECKING:
    from fractions import Fraction

    from ..frames import Frame, StreamInfo
    from ..jobs.job import Job
    from ..progress import Progress

CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "VDEBLUR", "max_content_width": 100}

log = logging.getLogger("vdeblur")

THREADS = ("vdeblur-decode", "vdeblur-encode")
"""Names that `vdeblur.threads` gives."""

F = TypeVar("F", bound=Callable[..., Any])

PRECISIONS = ("auto", "fp32", "bf16", "fp16")

COMPLETION_VARIABLE = "_VDEBLUR_COMPLETE"

EXAMPLES = """\b
Examples:
  vdeblur input.mp4                          writes input.deblur.mp4, every other stream kept
  vdeblur input.mp4 -o out.mkv --crf 16      choose container and quality
  vdeblur input.mp4 --ss 1:10 --to 1:20 --compare split -o look.mp4
  vdeblur frames/ -o restored/               a folder of PNG or JPEG pictures
  vdeblur - -o - < in.mkv | ffplay -         as part of a pipe
"""


class Vdeblur(InputOrCommand):
    """The whole command line."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **_: Any
    ) -> NoReturn:
        """Run a command line and exit; turns every exception into one line and an exit code."""
        code = _run(self, list(sys.argv[1:] if args is None else args))
        if any(thread.name in THREADS for thread in threading.enumerate()):
            # One hangs in a read that never returns, and holds locks that Python's own way out would wait for.
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)


def _run(group: click.Group, args: list[str]) -> int:
    if instruction := os.environ.get(COMPLETION_VARIABLE):
        return shell_complete(group, {}, "vdeblur", COMPLETION_VARIABLE, instruction)
    with _log_on_stderr():
        try:
            with stop_signals() as stop, group.make_context("vdeblur", args, obj=stop) as ctx:
                group.invoke(ctx)
            sys.stdout.flush()
            return EXIT_OK
        except click.exceptions.Exit as error:
            return error.exit_code
        except click.ClickException as error:
            return _fail(error.format_message(), error, UsageError.exit_code)
        except VdeblurError as error:
            return _fail(str(error), error, error.exit_code)
        except Stopped as stop:
            click.echo(f"vdeblur: stopped; {stop.what_is_left}", err=True)
            return stop.exit_code
        except BrokenPipeError:
            # The reader of stdout has had enough: no fault. Python would still complain when it flushes at the end.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_OK
        except MemoryError as error:
            return _fail("out of memory; a smaller model or picture needs less", error, DeviceError.exit_code)
        except OSError as error:
            code = OutputError.exit_code if error.errno in (errno.ENOSPC, errno.EROFS) else EXIT_INTERNAL
            return _fail(str(error), error, code)
        except Exception as error:
            hint = "" if _verbose() else " (internal error; -v shows the traceback)"
            return _fail(f"{type(error).__name__}: {error}{hint}", error, EXIT_INTERNAL)


def _fail(message: str, error: BaseException, code: int) -> int:
    if _verbose():
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    click.echo(f"vdeblur: error: {' '.join(message.split())}", err=True)
    return code


def _verbose() -> bool:
    return log.isEnabledFor(logging.INFO)


def _quiet() -> bool:
    return not log.isEnabledFor(logging.WARNING)


class _StderrHandler(logging.Handler):
    """Looks stderr up for each line, so that lines appear above a progress bar and inside a test's capture."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"vdeblur: {record.levelname.lower()}: {record.getMessage()}", err=True)


@contextlib.contextmanager
def _log_on_stderr() -> Iterator[None]:
    handler = _StderrHandler()
    log.addHandler(handler)
    log.propagate = False
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = True
        log.setLevel(logging.NOTSET)


def _be_verbose(ctx: click.Context, param: click.Parameter, count: int) -> None:
    if count:
        log.setLevel(logging.INFO if count == 1 else logging.DEBUG)


def _be_quiet(ctx: click.Context, param: click.Parameter, quiet: bool) -> None:
    if quiet:
        log.setLevel(logging.ERROR)


def verbosity(command: F) -> F:
    """-v and -q, for every command."""
    louder = click.option(
        "-v", "--verbose", count=True, expose_value=False, callback=_be_verbose, help="Say more; -vv still more."
    )
    quieter = click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=_be_quiet, help="Say nothing but errors."
    )
    return louder(quieter(command))


@click.group(cls=Vdeblur, context_settings=CONTEXT, epilog=EXAMPLES, subcommand_metavar="COMMAND")
@click.version_option(__version__, "--version", prog_name="vdeblur", message="%(prog)s %(version)s")
def cli() -> None:
    """Make blurred footage sharper, and keep everything else in the file as it was."""


VIEWS = click.option(
    "--views",
    type=click.IntRange(1, 8),
    default=1,
    show_default=True,
    metavar="1..8",
    help="Average so many mirrored and turned views: better, as many times slower.",
)


@cli.command(RESTORE, cls=InputCommand, hidden=True, context_settings=CONTEXT, epilog=EXAMPLES)
@click.argument("input_path", metavar="INPUT")
@click.option("-o", "--output", metavar="PATH", help="Where to; - is stdout.  [default: INPUT with .deblur added]")
@click.option(
    "-m", "--model", help="A name of `vdeblur models`, a .safetensors file, or unsharp, nlm, richardson-lucy."
)
@click.option("-d", "--device", default="auto", show_default=True, help="auto, cpu, cuda:0 or mps.")
@click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True)
@click.option(
    "--strength", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="0 is the input, 1 the full effect."
)
@click.option(
    "--tile",
    type=TileSize(),
    default="auto",
    show_default=True,
    metavar="auto|N|0",
    help="Restore in tiles of N pixels; 0 is never, auto by the memory that is free.",
)
@VIEWS
@click.option("--compare", type=click.Choice(["split", "side"]), help="Show input and result in one picture.")
@click.option(
    "--scene-cuts",
    type=click.Choice(["auto", "off"]),
    default="auto",
    show_default=True,
    help="Whether the recurrent state starts anew at cuts.",
)
@click.option(
    "--deinterlace",
    type=click.Choice(["auto", "off", "bwdif"]),
    default="auto",
    show_default=True,
    help="Part the fields of pictures flagged as interlaced, of none, or of all.",
)
@click.option(
    "--hwaccel",
    default="none",
    show_default=True,
    metavar="auto|none|NAME",
    help="Decode and encode in hardware where there is some; auto takes the first that works.",
)
@click.option("--ss", type=Seconds(), help="Start here: seconds or hh:mm:ss.ms.")
@click.option("--to", type=Seconds(), help="End here, in the input's time.")
@click.option("-t", "--duration", type=Seconds(), help="Or end after this long.")
@click.option("-r", "--frame-rate", type=Rate(), help="Of pictures and raw streams: 25, 29.97 or 30000/1001.")
@click.option("--input-format", metavar="NAME", help="FFmpeg's name, for a pipe or raw stream it cannot guess.")
@click.option("-f", "--format", "output_format", metavar="NAME", help="Container for -o -, as in mp4, mkv, nut, y4m.")
@click.option("--codec", metavar="NAME", help="Video encoder, such as libx265.  [default: near the input's]")
@click.option("--crf", type=float, help="Quality, as the encoder counts it.")
@click.option("--preset", help="Speed against size, as the encoder names it.")
@click.option("--pix-fmt", metavar="NAME", help="FFmpeg's pixel format.  [default: the input's]")
@click.option(
    "-e", "--encoder-option", type=KeyValue(), multiple=True, metavar="KEY=VALUE", help="Passed to the encoder as is."
)
@click.option("-y/-n", "--overwrite/--no-overwrite", default=False, help="Replace an existing output, or refuse to.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "json", "none"]),
    default="auto",
    show_default=True,
    help="On stderr.",
)
@click.option("--resume/--no-resume", default=True, help="Go on where a stopped run of the same job was.")
@click.option("--keep-temp", is_flag=True, help="Leave the segments of a long job beside its output.")
@click.option("--only-blurred", type=BlurThreshold(), help="auto or pixels of blur: sharper frames pass as they are.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object on stdout at the end.")
@click.option("--config", is_eager=True, callback=load_config, metavar="FILE", help="TOML file with these options.")
@verbosity
@click.pass_context
def restore(
    ctx: click.Context,
    input_path: str,
    output: str | None,
    model: str | None,
    device: str,
    precision: str,
    strength: float,
    compare: Any,
    scene_cuts: str,
    tile: int | None,
    views: int,
    deinterlace: str,
    hwaccel: str,
    ss: float | None,
    to: float | None,
    duration: float | None,
    frame_rate: Fraction | None,
    input_format: str | None,
    output_format: str | None,
    codec: str | None,
    crf: float | None,
    preset: str | None,
    pix_fmt: str | None,
    encoder_option: tuple[tuple[str, str], ...],
    overwrite: bool,
    progress: str,
    resume: bool,
    keep_temp: bool,
    only_blurred: float | None,
    as_json: bool,
    config: str | None,
) -> None:
    """Restore a video, a folder or pattern of pictures, or stdin (-).

    Every option can also be set in the environment (VDEBLUR_MODEL=quality) or in a --config file.
    """
    if to is not None and duration is not None:
        raise UsageError("--to and -t both say where to end: give one of them")
    if duration is not None:
        to = (ss or 0.0) + duration
    if to is not None and to <= (ss or 0.0):
        raise UsageError(f"--to {to:g} lies before the start at {ss or 0:g} s: nothing would be left")
    if as_json and output == "-":
        raise UsageError("--json and -o - would both write to stdout: leave one of them out")

    from ..jobs.job import Job
    from ..jobs.resume import restore_resumable
    from ..media.sinks import SinkOptions
    from ..media.sources import SourceOptions

    job = Job(
        input=input_path,
        output=output,
        model=model,
        device=device,
        precision=precision,
        strength=strength,
        compare=compare,
        scene_cuts=scene_cuts == "auto",
        only_blurred=only_blurred,
        tile=tile,
        views=views,
        source=SourceOptions(
            start_seconds=ss,
            end_seconds=to,
            frame_rate=frame_rate,
            deinterlace=deinterlace,
            hwaccel=hwaccel,
            container=input_format,
        ),
        sink=SinkOptions(
            codec=codec,
            crf=crf,
            preset=preset,
            pix_fmt=pix_fmt,
            encoder_options=dict(encoder_option),
            overwrite=overwrite,
            container=output_format,
            hwaccel=hwaccel,
        ),
    )
    if "." not in input_path and not os.path.exists(input_path):
        commands = set(cli.commands) - {RESTORE}
        if hint := did_you_mean(input_path, commands):
            raise InputError(f"{input_path}: neither a file nor a command{hint}")
    stop: StopSignals = ctx.obj

    with _progress(progress) as shown:

        def on_frame(info: StreamInfo, frame: Frame) -> None:
            stop.check()
            shown.update(info, frame)

        summary = restore_resumable(job, on_frame, resume=resume, keep_temp=keep_temp)
    for warning in summary.warnings:
        log.warning("%s", warning)
    if not _quiet():
        click.echo(f"vdeblur: {summary.to_text()}", err=True)
    if as_json:
        click.echo(json.dumps(summary.to_json()))
    if summary.damaged:
        ctx.exit(EXIT_DAMAGED_INPUT)


def _progress(kind: str) -> Progress:
    from ..progress import Bar, JsonLines, Silent

    shown = _progress_kind(kind)
    if shown == "json":
        return JsonLines(lambda line: click.echo(line, err=True))
    return Bar(force=kind == "bar") if shown == "bar" else Silent()


def _progress_kind(kind: str) -> str:
    """What "auto" comes to."""
    on_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return kind if kind != "auto" else "bar" if on_terminal and not _quiet() else "none"


@cli.command(context_settings=CONTEXT)
@click.argument("path", metavar="FILE")
@click.option("--blur", is_flag=True, help="Measure and plot how blurred its frames are, in pixels.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@verbosity
def info(path: str, blur: bool, as_json: bool) -> None:
    """Show what is in a file and what would be kept of it."""
    from ..media.probe import blur_of, blur_text, probe, to_json, to_text

    found = probe(path)
    described = to_json(found)
    if blur:
        from ..restorers.blurriness import auto_threshold

        times, lengths = blur_of(path)
        threshold = auto_threshold((found.video.width, found.video.height))
        described["blur"] = {"seconds": times, "pixels": lengths, "threshold": threshold}
    click.echo(json.dumps(described) if as_json else to_text(found))
    if blur and not as_json:
        click.echo(blur_text(times, lengths, threshold))


def settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of jobs that are prepared for others to do; `settings_of` takes their values."""
    options = (
        click.option("-m", "--model", help="As for INPUT."),
        click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True),
        VIEWS,
        click.option("--strength", type=click.FloatRange(0, 1), default=1.0, show_default=True),
        click.option(
            "--only-blurred", type=BlurThreshold(), help="auto or pixels of blur: sharper frames pass as they are."
        ),
        click.option("--codec", metavar="NAME", help="Video encoder, such as libx265.  [default: near each input's]"),
        click.option("--crf", type=float, help="Quality, as the encoder counts it."),
        click.option("--preset", help="Speed against size, as the encoder names it."),
        click.option("-e", "--encoder-option", type=KeyValue(), multiple=True, metavar="KEY=VALUE"),
        click.option("-r", "--frame-rate", type=Rate(), help="Of pictures and raw streams: 25, 29.97 or 30000/1001."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def settings_of(
    model: str | None,
    precision: str,
    views: int,
    strength: float,
    only_blurred: float | None,
    codec: str | None,
    crf: float | None,
    preset: str | None,
    encoder_option: tuple[tuple[str, str], ...],
    frame_rate: Fraction | None,
) -> Job:
    """A job of these settings, without input and output."""
    from ..jobs.job import Job
    from ..media.sinks import SinkOptions
    from ..media.sources import SourceOptions

    return Job(
        "",
        None,
        model,
        precision=precision,
        views=views,
        strength=strength,
        only_blurred=only_blurred,
        source=SourceOptions(frame_rate=frame_rate),
        sink=SinkOptions(codec=codec, crf=crf, preset=preset, encoder_options=dict(encoder_option)),
    )


@cli.command(context_settings=CONTEXT)
@click.argument("paths", nargs=-1, required=True, metavar="PATHS...")
@click.option("-o", "--output", required=True, metavar="DIR", help="Folder for outputs, report and journal.")
@settings_options
@click.option("-d", "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:0 or mps.")
@click.option("--recursive", is_flag=True, help="Search folders below, and keep their structure.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Only names (or paths below a folder) like this.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="No names (or paths below a folder) like this.")
@click.option("--name", default="{stem}{suffix}", show_default=True, help="Of outputs; {index} counts.")
@click.option("--overwrite", is_flag=True, help="Restore anew what is done, and replace files that stand in the way.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, with an estimate of frames and hours.")
@click.option("--jobs", default="auto", show_default=True, metavar="N|auto", help="Processes; auto: one per GPU.")
@click.option("--ray", metavar="ADDRESS|local", help="Work on a Ray cluster instead; needs vdeblur[ray].")
@click.option("--tries", type=click.IntRange(1), default=3, show_default=True, help="Before a segment is set aside.")
@click.option("--min-free", type=click.FloatRange(0), default=1.0, show_default=True, help="GiB of disk to leave free.")
@click.option("--watch", is_flag=True, help="Go on for ever with files that appear; needs vdeblur[watch].")
@click.option("--progress", type=click.Choice(["auto", "bar", "json", "none"]), default="auto", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on stdout at the end.")
@click.option("--config", is_eager=True, callback=load_config, metavar="FILE", help="TOML file with these options.")
@verbosity
def batch(
    paths: tuple[str, ...],
    output: str,
    device: str,
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
    config: str | None,
    **settings: Any,
) -> None:
    """Restore many files: skip what is done, go on after failures, and report.

    PATHS are files, folders, patterns, and @list.txt with a path a line. A folder that holds nothing but numbered
    pictures is restored as one stream into a folder. The same command goes on after any stop.
    Exit code 7 says that something failed, 6 that an input was damaged.
    """
    from ..batch.run import Request, run_batch
    from ..batch.scheduler import BatchOptions

    request = Request(
        paths=paths,
        output=output,
        settings=replace(settings_of(**settings), device=device),
        options=BatchOptions(overwrite=overwrite, tries=tries, min_free_bytes=int(min_free * 2**30)),
        recursive=recursive,
        include=include,
        exclude=exclude,
        name=name,
        jobs=jobs,
        ray=ray,
        watch=watch,
    )
    ctx = click.get_current_context()
    stop: StopSignals = ctx.obj
    shown = _progress_kind(progress)
    ctx.exit(run_batch(request, stop, shown, dry_run=dry_run, as_json=as_json, say=_say, write=click.echo))


def _say(line: str) -> None:
    if not _quiet():
        click.echo(f"vdeblur: {line}", err=True)


@cli.command(context_settings=CONTEXT)
@click.argument("job", metavar="JOB")
@click.option("--index", type=click.IntRange(0), help="Restore this segment; without it, say what there is.")
@click.option("-d", "--device", help="Other than the job's: auto, cpu, cuda:0 or mps.")
@click.option("--prepare", "source", metavar="INPUT", help="Cut INPUT into segments; JOB is its output file.")
@settings_options
@click.option("--join", is_flag=True, help="Join all segments into the output.")
@verbosity
def segment(job: str, index: int | None, device: str | None, source: str | None, join: bool, **settings: Any) -> None:
    """Restore a single segment of a job, for arrays of Slurm and the like.

    \b
      vdeblur segment out.mkv --prepare in.mkv     prints the number of segments, N
      vdeblur segment out.mkv --index 0 ... N-1    in any order, anywhere, as often as need be
      vdeblur segment out.mkv --join

    Settings such as --model and --crf are for --prepare, which keeps them for all.
    """
    from ..jobs.slurm import join_job, prepare_job, restore_one, state_of

    if source is not None:
        click.echo(prepare_job(replace(settings_of(**settings), input=source, output=job, device=device or "auto")))
    elif index is not None:
        _say(restore_one(job, index, device))
    elif join:
        _say(join_job(job, device).to_text())
    else:
        click.echo(state_of(job))


@cli.command(context_settings=CONTEXT)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@verbosity
def models(as_json: bool) -> None:
    """List the models that come with vdeblur."""
    from ..backends.published import published

    keys = ("name", "kind", "params", "gmac_720p", "sha256", "default_on")
    found = [{key: getattr(model, key) for key in keys} for model in published()]
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"{'name':<12}{'kind':<10}{'parameters':>12}{'GMAC at 720p':>14}  sha256")
    for model in found:
        places = " and ".join({"cpu": "a CPU", "gpu": "a GPU"}[place] for place in model["default_on"].split())
        mark = f"  (default on {places})" if places else ""
        sizes = f"{model['params']:>12,}{model['gmac_720p']:>14.1f}"
        click.echo(f"{model['name']:<12}{model['kind']:<10}{sizes}  {model['sha256'][:12]}{mark}")


@cli.command("eval", context_settings=CONTEXT)
@click.option(
    "--pairs", metavar="DIR", required=True, help="Clips, each with blur/ and sharp/ of equally named images."
)
@click.option("-m", "--model", multiple=True, metavar="NAME", help="As for INPUT; give several to compare them.")
@click.option("--reset", is_flag=True, help="Evaluate each model a second time with its state reset at every frame.")
@click.option("--sharp", metavar="DIR", help="Clips of sharp images that must come out as they are.")
@click.option("-d", "--device", default="auto", show_default=True, help="auto, cpu, cuda:0 or mps.")
@click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True)
@VIEWS
@click.option("--html", metavar="FILE", help="Write a report with before/after sliders.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an object, or a list for several models.")
@verbosity
def evaluate_models(
    pairs: str,
    model: tuple[str, ...],
    reset: bool,
    sharp: str | None,
    device: str,
    precision: str,
    views: int,
    html: str | None,
    as_json: bool,
) -> None:
    """Measure models on pairs of blurred and sharp images."""
    from ..jobs.job import default_model
    from ..quality.evaluate import StateReset, compare, to_json
    from ..quality.report import to_markdown, write_report
    from ..restorer import Restorer, load_restorer

    restorers: list[Restorer] = []
    for name in model or (default_model(device),):
        restorers.append(load_restorer(name, device, precision, views=views))
        if reset:
            restorers.append(StateReset(restorers[-1]))
    results = compare(pairs, restorers, sharp=sharp, examples=6 if html else 0)
    if html:
        write_report(results, html)
    if as_json:
        objects = [to_json(result) for result in results]
        click.echo(json.dumps(objects[0] if len(objects) == 1 else objects))
    else:
        click.echo(to_markdown(results), nl=False)


@cli.command(context_settings=CONTEXT)
@click.option("--config", metavar="FILE", help="TOML file with the run's settings, such as weights/fast.toml.")
@click.option("--data", metavar="DIR", multiple=True, help="Sharp photographs and footage; may be repeated.")
@click.option("--pairs", metavar="DIR", multiple=True, help="Blurred and sharp pictures to learn from instead.")
@click.option("--run", "run_folder", metavar="DIR", default="run", show_default=True, help="Checkpoint, log and plot.")
@click.option("--init", metavar="MODEL", help="Begin with these weights: a name of `vdeblur models` or a file.")
@click.option("--steps", type=click.IntRange(1), help="How far to train.  [default: as --config says]")
@click.option("--seed", type=click.IntRange(0), help="Of all that is random.  [default: as --config says]")
@click.option("--max-minutes", type=click.FloatRange(0, min_open=True), help="Stop here; the same command goes on.")
@click.option("-d", "--device", default="auto", show_default=True, help="auto, cpu, cuda:0 or mps.")
@click.option("--renderers", type=click.IntRange(1), default=1, show_default=True, help="Processes that make clips.")
@click.option("--progress", type=click.Choice(["auto", "json", "none"]), default="auto", show_default=True)
@verbosity
@click.pass_context
def train(
    ctx: click.Context,
    config: str | None,
    data: tuple[str, ...],
    pairs: tuple[str, ...],
    run_folder: str,
    init: str | None,
    steps: int | None,
    seed: int | None,
    max_minutes: float | None,
    device: str,
    renderers: int,
    progress: str,
) -> None:
    """Train a network on sharp photographs and footage, or fine-tune one on pairs.

    The run's folder holds all there is: give the same command again and it goes on where it was.
    """
    from dataclasses import replace
    from math import inf
    from pathlib import Path

    from ..backends.published import published
    from ..backends.pytorch import choose_device
    from ..training.log import to_text
    from ..training.recipe import read_recipe
    from ..training.train import train as run_training

    named = {model.name: str(model.path) for model in published()}
    given = {"data": data, "pairs": pairs, "init": init, "steps": steps, "seed": seed}
    recipe = read_recipe(config, **{name: value for name, value in given.items() if value not in (None, ())})
    teacher = tuple(named.get(model, model) for model in recipe.teacher)
    recipe = replace(recipe, init=named.get(recipe.init, recipe.init), teacher=teacher)

    def report(line: dict[str, Any]) -> None:
        if progress == "json":
            click.echo(json.dumps(line), err=True)
        elif progress == "auto" and not _quiet():
            click.echo(f"vdeblur: {to_text(line, recipe.steps)}", err=True)

    folder, stop = Path(run_folder), ctx.obj
    try:
        with stop.held():
            trainer = run_training(
                recipe,
                folder,
                device=choose_device(device),
                max_minutes=max_minutes or inf,
                renderers=renderers,
                report=report,
                check=stop.check,
            )
    except Stopped as stopped:
        stopped.what_is_left = f"the same command goes on from the checkpoint in {folder}"
        raise
    if not _quiet():
        reached = f"{trainer.step} of {recipe.steps} steps"
        click.echo(f"vdeblur: {reached} done; use it with -m {folder / 'model.safetensors'}", err=True)


@cli.command(context_settings=CONTEXT)
@click.argument("source", metavar="IN")
@click.option("-o", "--output", metavar="DIR", required=True, help="A new or empty folder for the clips.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same pairs.")
@click.option("--frames", type=click.IntRange(2), default=24, show_default=True, help="At most, per clip.")
@click.option("--clips", type=click.IntRange(1), help="At most.  [default: all footage; 8 of photographs]")
@click.option("--size", type=click.IntRange(8), default=320, show_default=True, help="Side of photographs' clips, px.")
@click.option("--blur-px", type=(float, float), default=(4.0, 16.0), show_default=True, help="Camera's path, px.")
@click.option("--duty", type=(float, float), default=(0.5, 1.0), show_default=True, help="Exposure over frame time.")
@click.option("--noise", is_flag=True, help="Add sensor noise to the blurred side.")
@click.option("--interpolate", is_flag=True, help="Let footage move within the exposure, along optical flow.")
@click.option(
    "--kind",
    type=click.Choice(["auto", "photographs", "footage"]),
    default="auto",
    show_default=True,
    help="What IN is.",
)
@verbosity
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

    IN is a folder of photographs, a video, or a folder of videos or of pictures in sequence.
    """
    if not 0 < blur_px[0] <= blur_px[1] or not 0 < duty[0] <= duty[1] <= 1:
        raise UsageError("--blur-px and --duty take a low and a high value above 0, and a duty is at most 1")

    from ..training.synth import SynthConfig, synthesise

    config = SynthConfig(seed, clips, frames, size, blur_px, duty, noise, interpolate)
    names = []
    for name in synthesise(source, output, config, kind):
        names.append(name)
        log.info("%s written", name)
    if not _quiet():
        click.echo(f"vdeblur: {len(names)} clips in {output}, seed {seed}; vdeblur eval --pairs {output}", err=True)


@cli.command(context_settings=CONTEXT)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@verbosity
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check versions, devices, encoders, weights and display."""
    from .doctor import diagnose, to_json, to_text

    diagnosis = diagnose()
    click.echo(json.dumps(to_json(diagnosis)) if as_json else to_text(diagnosis))
    if diagnosis.problems:
        ctx.exit(ModelError.exit_code)


@cli.command(context_settings=CONTEXT)
@click.option(
    "--camera", default="0", show_default=True, metavar="SOURCE", help="Index, name, URL, screen, or a file to play."
)
@click.option("--list", "list_them", is_flag=True, help="List cameras and screens, and end.")
@click.option("--size", type=PictureSize(), help="Ask the camera for this size.")
@click.option("--fps", type=click.FloatRange(1, 240), help="Ask the camera for this rate.")
@click.option("--loop", is_flag=True, help="Play a file over and over.")
@click.option("-m", "--model", help="As for INPUT.")
@click.option("-d", "--device", default="auto", show_default=True, help="auto, cpu, cuda:0 or mps.")
@click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True)
@click.option("--strength", type=click.FloatRange(0, 1), default=1.0, show_default=True)
@click.option(
    "--max-latency",
    type=click.FloatRange(10, 5000),
    default=200,
    show_default=True,
    help="In ms; steps down to keep it.",
)
@click.option("--fixed", is_flag=True, help="Never step down; leave frames out instead.")
@click.option("--preview", type=click.Choice(["window", "none"]), default="window", show_default=True)
@click.option("--compare", type=click.Choice(["split", "side", "restored"]), default="split", show_default=True)
@click.option("-o", "--record", multiple=True, metavar="PATH", help="Record to a file; - is stdout. May be repeated.")
@click.option("--record-view", type=click.Choice(["restored", "side"]), default="restored", show_default=True)
@click.option("--virtual-camera", is_flag=True, help="Be a camera for other programs.")
@click.option("-t", "--duration", type=Seconds(), help="End after this long.")
@click.option("-y/-n", "--overwrite/--no-overwrite", default=False, help="Replace an existing recording.")
@click.option("--progress", type=click.Choice(["json", "none"]), default="none", help="On stderr, each second.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object on stdout at the end.")
@click.option("--config", is_eager=True, callback=load_config, metavar="FILE", help="TOML file with these options.")
@verbosity
def live(
    camera: str,
    list_them: bool,
    size: tuple[int, int] | None,
    fps: float | None,
    loop: bool,
    model: str | None,
    device: str,
    precision: str,
    strength: float,
    max_latency: float,
    fixed: bool,
    preview: str,
    compare: Any,
    record: tuple[str, ...],
    record_view: Any,
    virtual_camera: bool,
    duration: float | None,
    overwrite: bool,
    progress: str,
    as_json: bool,
    config: str | None,
) -> None:
    """Restore a camera, stream, screen or file in time, with a before/after window.

    Keys in the window: c compare, space pause, s snapshot, r record, m model, + - strength, f full screen, q quit.
    """
    if as_json and "-" in record:
        raise UsageError("--json and -o - would both write to stdout: leave one of them out")
    from ..live.job import LiveJob, run_live

    if list_them:
        from ..live.cameras import list_cameras

        cameras = list_cameras()
        for found in cameras:
            click.echo(f"{found.spec:<10}{found.name}")
        if not cameras and not _quiet():
            click.echo("vdeblur: no camera and no screen is here; --camera takes a URL or a file as well", err=True)
        return
    job = LiveJob(
        camera=camera,
        size=size,
        frame_rate=fps,
        loop=loop,
        model=model,
        device=device,
        precision=precision,
        strength=strength,
        max_latency=max_latency / 1000,
        fixed=fixed,
        window=preview == "window",
        view=compare,
        record=record,
        record_view=record_view,
        virtual_camera=virtual_camera,
        seconds=duration,
        overwrite=overwrite,
    )
    report = (lambda stats: click.echo(json.dumps(stats.to_json()), err=True)) if progress == "json" else None
    stats, stopped = run_live(job, report)
    if not _quiet():
        click.echo(f"vdeblur: {camera}: {stats}", err=True)
        for path in record:
            click.echo(f"vdeblur: {'stdout' if path == '-' else path}: recorded", err=True)
    if as_json:
        click.echo(json.dumps(stats.to_json()))
    if stopped:
        stopped.what_is_left = "what was recorded is whole" if record else "nothing was recorded"
        raise stopped


@cli.command(context_settings=CONTEXT)
@click.option("--host", default="127.0.0.1", show_default=True, help="Any but loopback needs a token.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--token", help="What the browser must show.  [default: one is made where one is needed]")
@click.option("-m", "--model", help="Chosen at first; as for INPUT.")
@click.option("-d", "--device", default="auto", show_default=True, help="auto, cpu, cuda:0 or mps.")
@click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True)
@click.option("--max-upload", type=click.IntRange(1), default=2048, show_default=True, help="MiB of one video.")
@click.option("--max-jobs", type=click.IntRange(1), default=8, show_default=True, help="Videos kept at a time.")
@click.option("--max-peers", type=click.IntRange(1), default=2, show_default=True, help="Webcams at a time.")
@verbosity
@click.pass_context
def serve(
    ctx: click.Context,
    host: str,
    port: int,
    token: str | None,
    model: str | None,
    device: str,
    precision: str,
    max_upload: int,
    max_jobs: int,
    max_peers: int,
) -> None:
    """Serve a page that restores the browser's webcam, and videos dropped on it.

    Browsers give their camera only to https and to their own machine; to use a machine without a display from another
    one, forward the port (ssh -L 8000:127.0.0.1:8000 HOST) and open http://127.0.0.1:8000. The page and dropped videos
    go through that tunnel; a webcam's pictures go straight to HOST by UDP, which must be let through.

    Needs the extra: pip install 'vdeblur[serve]'.
    """
    from ..serve.app import ServeOptions, serve_forever

    options = ServeOptions(
        host=host,
        port=port,
        token=token,
        model=model,
        device=device,
        precision=precision,
        max_upload_bytes=max_upload << 20,
        max_jobs=max_jobs,
        max_peers=max_peers,
    )
    ctx.exit(128 + serve_forever(options, lambda url: click.echo(f"vdeblur: serving {url} (Ctrl-C ends)", err=True)))


@cli.command(context_settings=CONTEXT)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script for your shell.

    \b
    bash:  vdeblur completion bash > ~/.local/share/bash-completion/completions/vdeblur
    zsh:   vdeblur completion zsh > "${fpath[1]}/_vdeblur"
    fish:  vdeblur completion fish > ~/.config/fish/completions/vdeblur.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(cli, {}, "vdeblur", COMPLETION_VARIABLE)
    click.echo(script.source_template % script.source_vars())


def main() -> NoReturn:
    """Entry point of the `vdeblur` command."""
    cli.main()
