"""`live` and `serve`: cameras and streams as they come, in a window or in a browser."""

from __future__ import annotations

import json
from typing import Any

import click

from ..errors import UsageError
from . import options
from .console import say, say_json
from .grammar import command, input_option, option, output_option, run_option
from .values import PictureSize, Seconds

LIVE_EXAMPLES = """
vdeblur live                                     the first camera, with a divider between before and after
vdeblur live --list
vdeblur live --camera screen --virtual-camera
vdeblur live --camera rtsp://HOST/STREAM --preview none -o out.mkv -t 60
"""

SERVE_EXAMPLES = """
vdeblur serve
vdeblur serve --host 0.0.0.0 --port 8080         others need the token that it prints
"""


@command(examples=LIVE_EXAMPLES)
@input_option(
    "--camera", default="0", show_default=True, metavar="SOURCE", help="Index, name, URL, screen, or a file to play."
)
@input_option("--list", "list_them", is_flag=True, help="List cameras and screens, and end.")
@input_option("--size", type=PictureSize(), help="Ask the camera for this size.")
@input_option("--fps", type=click.FloatRange(1, 240), help="Ask the camera for this rate.")
@input_option("--loop", is_flag=True, help="Play a file over and over.")
@options.model
@options.device
@options.precision
@options.strength
@run_option(
    "--max-latency",
    type=click.FloatRange(10, 5000),
    default=200,
    show_default=True,
    help="In ms; steps down to keep it.",
)
@run_option("--fixed", is_flag=True, help="Never step down; leave frames out instead.")
@output_option("--preview", type=click.Choice(["window", "none"]), default="window", show_default=True)
@output_option("--compare", type=click.Choice(["split", "side", "restored"]), default="split", show_default=True)
@output_option("-o", "--record", multiple=True, metavar="PATH", help="Record to a file; - is stdout. May be repeated.")
@output_option("--record-view", type=click.Choice(["restored", "side"]), default="restored", show_default=True)
@output_option("--virtual-camera", is_flag=True, help="Be a camera for other programs.")
@output_option("-y/-n", "--overwrite/--no-overwrite", default=False, help="Replace an existing recording.")
@run_option("-t", "--duration", type=Seconds(), help="End after this long.")
@run_option("--progress", type=click.Choice(["json", "none"]), default="none", help="On stderr, each second.")
@options.computing_options
@options.as_json
@options.config
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
    overwrite: bool,
    duration: float | None,
    progress: str,
    as_json: bool,
) -> None:
    """Restore a camera, stream, screen or file in time, with a before/after window.

    Keys in the window: c compare, space pause, s snapshot, r record, m model, + - strength, f full screen, q quit.
    """
    if as_json and "-" in record:
        raise UsageError("--json and -o - would both write to stdout: leave one of them out")
    if list_them:
        _list_cameras()
        return
    from ..live.job import LiveJob, run_live
    from ..loading import ModelOptions

    job = LiveJob(
        camera=camera,
        size=size,
        frame_rate=fps,
        loop=loop,
        model=ModelOptions(model, device, precision),
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
    say(f"{camera}: {stats}")
    for path in record:
        say(f"{'stdout' if path == '-' else path}: recorded")
    if as_json:
        say_json(stats.to_json())
    if stopped:
        stopped.what_is_left = "what was recorded is whole" if record else "nothing was recorded"
        raise stopped


def _list_cameras() -> None:
    from ..live.listing import list_cameras

    cameras = list_cameras()
    for found in cameras:
        click.echo(found.to_text())
    if not cameras:
        say("no camera and no screen is here; --camera takes a URL or a file as well")


@command(examples=SERVE_EXAMPLES)
@option("--host", default="127.0.0.1", show_default=True, help="Any but loopback needs a token.")
@option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@option("--token", help="What the browser must show.  [default: one is made where one is needed]")
@options.model
@options.device
@options.precision
@option("--max-upload", type=click.IntRange(1), default=2048, show_default=True, help="MiB of one video.")
@option("--max-jobs", type=click.IntRange(1), default=100, show_default=True, help="Videos kept at a time.")
@option(
    "--folder",
    metavar="DIR",
    help="Where videos and the queue lie, to go on after a restart.  [default: in the user's cache]",
)
@option("--max-peers", type=click.IntRange(1), default=2, show_default=True, help="Webcams at a time.")
@options.computing_options
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
    folder: str | None,
) -> None:
    """Serve a page that restores videos dropped on it, and the browser's webcam.

    Videos wait in a queue that a restart goes on with; finished ones are kept for a day.

    Browsers give their camera only to https and to their own machine; to use a machine without a display from another
    one, forward the port (ssh -L 8000:127.0.0.1:8000 HOST) and open http://127.0.0.1:8000. The page and dropped videos
    go through that tunnel; a webcam's frames go straight to HOST by UDP, which must be let through.

    Needs the extra: pip install 'vdeblur[serve]'.
    """
    from pathlib import Path

    from ..loading import ModelOptions
    from ..serve.folder import kept_folder
    from ..serve.options import ServeOptions
    from ..serve.server import serve_forever

    settings = ServeOptions(
        host=host,
        port=port,
        token=token,
        model=ModelOptions(model, device, precision),
        max_upload_bytes=max_upload << 20,
        max_jobs=max_jobs,
        max_peers=max_peers,
        folder=Path(folder) if folder else kept_folder(),
    )
    ctx.exit(128 + serve_forever(settings, lambda url: click.echo(f"vdeblur: serving {url} (Ctrl-C ends)", err=True)))
