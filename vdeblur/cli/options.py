"""Options shared by several commands, each declared once, and the `Job` that they describe."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ..cores import be_nice, use_threads
from ..media.quality import STEPS
from .config import BASE_QUALITY, SAVED_PRESETS, ConfigOption
from .grammar import GENERAL, F, input_option, model_option, output_option, run_option
from .values import BlurThreshold, KeyValue, Rate, ThreadCount, TileSize

if TYPE_CHECKING:
    from ..jobs.job import Job

CLASSICAL_NAMES = ("unsharp", "nlm", "richardson-lucy")
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")
ENGINES = ("auto", "torch", "onnx", "openvino")


def _complete_model(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from ..backends.published import published

    names = (*(model.name for model in published()), *CLASSICAL_NAMES)
    files = [CompletionItem(incomplete, type="file")]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)] or files


model = model_option(
    "-m",
    "--model",
    shell_complete=_complete_model,
    metavar="NAME|FILE",
    help="A name from `vdeblur models`, a .safetensors file, or unsharp, nlm or richardson-lucy.",
)
device = model_option(
    "-d", "--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda, cuda:0 or mps."
)
precision = model_option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="auto is bf16 or fp16 where it is fast, else fp32; int8 is the fastest on CPUs and needs openvino.",
)
engine = model_option(
    "--engine",
    type=click.Choice(ENGINES),
    default="auto",
    show_default=True,
    help="Inference engine; auto is the fastest one measured by `vdeblur bench`, else torch.",
)
views = model_option(
    "--views",
    type=click.IntRange(1, 8),
    default=1,
    show_default=True,
    metavar="1..8",
    help="Average this many mirrored and rotated views: better, and that many times slower.",
)
tile = model_option(
    "--tile",
    type=TileSize(),
    default="auto",
    show_default=True,
    metavar="auto|N|0",
    help="Restore in tiles of N pixels; 0 is never, auto depends on the free memory.",
)
strength = model_option(
    "--strength",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="From 0, the input, to 1, the full effect.",
)
only_blurred = model_option(
    "--only-blurred",
    type=BlurThreshold(),
    metavar="auto|PIXELS",
    help="Leave frames unchanged whose blur is shorter than this.",
)
scene_cuts = model_option(
    "--scene-cuts",
    type=click.Choice(["auto", "off"]),
    default="auto",
    show_default=True,
    help="Detect scene cuts and reset the recurrent state there.",
)
frame_rate = input_option(
    "-r", "--frame-rate", type=Rate(), help="Frame rate of images and raw streams: 25, 29.97 or 30000/1001."
)
deinterlace = input_option(
    "--deinterlace",
    type=click.Choice(["auto", "off", "bwdif"]),
    default="auto",
    show_default=True,
    help="Deinterlace frames flagged as interlaced (auto), none (off) or all (bwdif).",
)
hwaccel = input_option(
    "--hwaccel",
    default="none",
    show_default=True,
    metavar="auto|none|NAME",
    help="Decode and encode in hardware if available; auto uses the first that works.",
)
codec = output_option(
    "--codec", metavar="NAME", help="Video encoder, such as libx265.  [default: close to the input's]"
)
crf = output_option("--crf", type=float, help="Quality on the encoder's scale; lower is better.")
preset = output_option("--preset", metavar="NAME", help="The encoder's speed preset.")
pix_fmt = output_option("--pix-fmt", metavar="NAME", help="Pixel format, as named by FFmpeg.  [default: the input's]")
encoder_option = output_option(
    "-e",
    "--encoder-option",
    type=KeyValue(),
    multiple=True,
    metavar="KEY=VALUE",
    help="Encoder option such as -e tune=grain; `vdeblur encoders NAME` lists them. May be repeated.",
)
progress = run_option(
    "--progress",
    type=click.Choice(["auto", "bar", "json", "none"]),
    default="auto",
    show_default=True,
    help="On stderr; auto is a bar on a terminal.",
)
as_json = run_option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
config = click.option(
    "--config",
    cls=ConfigOption,
    section=GENERAL,
    is_eager=True,
    expose_value=False,
    metavar="FILE",
    help="TOML file with options and saved presets.",
)


def _base_quality(ctx: click.Context, param: click.Parameter, name: str | None) -> str:
    """The built-in quality of the preset, for the encoder; `ConfigOption` has applied its other settings."""
    base: str = ctx.meta.get(BASE_QUALITY, "good")
    return base


def _complete_quality(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    names = (*STEPS, *saved_presets(ctx))
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


quality = model_option(
    "--quality",
    shell_complete=_complete_quality,
    metavar="draft|good|best|NAME",
    callback=_base_quality,
    help="Preset of model, views and encoder settings, which other options override; `vdeblur presets` lists them."
    "  [default: good]",
)


def saved_presets(ctx: click.Context) -> Mapping[str, Mapping[str, object]]:
    """The presets in the file given by --config."""
    saved: Mapping[str, Mapping[str, object]] = ctx.meta.get(SAVED_PRESETS, {})
    return saved


def _set_threads(ctx: click.Context, param: click.Parameter, count: int | None) -> None:
    if is_given("threads", ctx):
        use_threads(count)


def _set_niceness(ctx: click.Context, param: click.Parameter, niceness: int) -> None:
    be_nice(niceness)


threads = run_option(
    "--threads",
    type=ThreadCount(),
    default="auto",
    show_default=True,
    expose_value=False,
    callback=_set_threads,
    metavar="N|auto",
    help="CPU cores to use; auto is all that this process may use.",
)
nice = run_option(
    "--nice",
    type=click.IntRange(0, 19),
    default=0,
    show_default=True,
    expose_value=False,
    callback=_set_niceness,
    metavar="0..19",
    help="Lower the priority of this process; 19 is the lowest.",
)


def computing_options(command: F) -> F:
    """Add --threads and --nice to a command; they take effect before it is called."""
    return threads(nice(command))


_JOB_OPTIONS = (
    config,
    quality,
    *(model, device, precision, engine, views, tile, strength, only_blurred, scene_cuts),
    *(frame_rate, deinterlace, hwaccel, codec, crf, preset, pix_fmt, encoder_option),
    *(threads, nice),
)


def job_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add all options that describe a job; the command is called with the `Job`, paths unset, as `job`."""

    @functools.wraps(command)
    def with_job(**values: Any) -> None:
        job = _job_of(values)
        command(job=job, **values)

    for add in reversed(_JOB_OPTIONS):
        with_job = add(with_job)
    return with_job


def _job_of(values: dict[str, Any]) -> Job:
    """The job that these options describe; they are removed from `values`."""
    from ..jobs.job import Job
    from ..loading import ModelOptions
    from ..media.options import SinkOptions, SourceOptions

    take = values.pop
    hwaccel = take("hwaccel")
    return Job(
        input="",
        model=ModelOptions(
            name=take("model"),
            device=take("device"),
            precision=take("precision"),
            tile=take("tile"),
            views=take("views"),
            engine=take("engine"),
        ),
        strength=take("strength"),
        only_blurred=take("only_blurred"),
        scene_cuts=take("scene_cuts") == "auto",
        source=SourceOptions(frame_rate=take("frame_rate"), deinterlace=take("deinterlace"), hwaccel=hwaccel),
        sink=SinkOptions(
            codec=take("codec"),
            crf=take("crf"),
            preset=take("preset"),
            pix_fmt=take("pix_fmt"),
            encoder_options=dict(take("encoder_option")),
            quality=take("quality"),
            hwaccel=hwaccel,
        ),
    )


def is_given(name: str, ctx: click.Context | None = None) -> bool:
    """Whether the option was set on the command line, in the environment or in a configuration file."""
    source = (ctx or click.get_current_context()).get_parameter_source(name)
    return source not in (None, click.core.ParameterSource.DEFAULT)
