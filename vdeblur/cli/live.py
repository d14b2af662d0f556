"""`live` and `serve`: restore cameras and streams in real time, in a window or in a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from . import options
from .console import say, say_json
from .grammar import command, input_option, option, output_option, run_option
from .values import FrameSize, Seconds

if TYPE_CHECKING:
    from ..live.recording import RecordedView
    from ..live.window import View

LIVE_EXAMPLES = """
vdeblur live                                     the first camera, with a divider between before and after
vdeblur live --list
vdeblur live --camera screen --virtual-camera
vdeblur live --camera rtsp://HOST/STREAM --no-window -o out.mkv -t 60
"""

SERVE_EXAMPLES = """
vdeblur serve
vdeblur serve --host 0.0.0.0 --port 8080         other machines need the printed token
"""


@command("live", examples=LIVE_EXAMPLES)
@input_option(
    "--camera",
    default="0",
    show_default=True,
    metavar="SOURCE",
    help="Index, name or URL of a camera, screen, or a file.",
)
@input_option("--list", "list_them", is_flag=True, help="List cameras and screens, and exit.")
@input_option("--size", type=FrameSize(), help="Frame size to request from the camera.")
@input_option("--fps", type=click.FloatRange(1, 240), help="Frame rate to request from the camera.")
@input_option("--loop", is_flag=True, help="Repeat a file.")
@options.model
@options.device
@options.precision
@options.strength
@run_option(
    "--max-latency",
    type=click.FloatRange(10, 5000),
    default=200,
    show_default=True,
    help="Milliseconds; the working size is reduced to keep it.",
)
@run_option("--fixed", is_flag=True, help="Never reduce the working size; drop frames instead.")
@output_option("--window/--no-window", default=True, show_default=True, help="Show the result in a window.")
@output_option("--compare", type=click.Choice(["split", "side", "restored"]), default="split", show_default=True)
@output_option(
    "-o", "--record", multiple=True, metavar="PATH", help="Record to a file, or - for stdout. May be repeated."
)
@output_option("--record-view", type=click.Choice(["restored", "side"]), default="restored", show_default=True)
@output_option("--virtual-camera", is_flag=True, help="Offer the result to other programs as a camera.")
@output_option("-y/-n", "--overwrite/--no-overwrite", default=False, help="Replace an existing recording.")
@run_option("-t", "--duration", type=Seconds(), help="Stop after this time.")
@run_option("--progress", type=click.Choice(["json", "none"]), default="none", help="On stderr, once a second.")
@options.computing_options
@options.as_json
@options.config
def live_command(
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
    window: bool,
    compare: View,
    record: tuple[str, ...],
    record_view: RecordedView,
    virtual_camera: bool,
    overwrite: bool,
    duration: float | None,
    progress: str,
    as_json: bool,
) -> None:
    """Restore a camera, stream, screen or file in real time, with a before/after window.

    Keys in the window: c compare, space pause, s snapshot, r record, m model, + - strength, f full screen, q quit.
    """
    if as_json and "-" in record:
        raise UsageError("--json and -o - both write to stdout; use one of them")
    if duration == 0:
        raise UsageError("-t 0: nothing would be restored; give a duration above 0")
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
        window=window,
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
        say(f"{'stdout' if path == '-' else path}: {'recorded' if stats.restored else 'no frame to record'}")
    if as_json:
        say_json(stats.to_json())
    if stopped:
        stopped.what_is_left = "the recording is complete" if record and stats.restored else "nothing was recorded"
        raise stopped


def _list_cameras() -> None:
    from ..live.listing import list_cameras

    cameras = list_cameras()
    for found in cameras:
        click.echo(found.to_text())
    if not cameras:
        say("no camera or screen found; --camera also takes a URL or a file")


@command("serve", examples=SERVE_EXAMPLES)
@option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; all but loopback need a token.")
@option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 picks a free one.")
@option("--token", help="Secret that the browser must send.  [default: generated if needed]")
@options.model
@options.device
@options.precision
@option("--max-upload", type=click.IntRange(1), default=2048, show_default=True, help="Largest upload, in MiB.")
@option("--max-jobs", type=click.IntRange(1), default=100, show_default=True, help="Maximum number of videos kept.")
@option(
    "--folder",
    metavar="DIR",
    help="Folder for videos and the queue, kept over restarts: an empty one, or one that was served before.  "
    "[default: in the user's cache]",
)
@option(
    "--max-peers", type=click.IntRange(1), default=2, show_default=True, help="Maximum number of simultaneous webcams."
)
@options.computing_options
@click.pass_context
def serve_command(
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

    Videos wait in a queue that survives a restart; finished ones are kept for a day.

    Browsers allow camera access only over https and on localhost. To use a remote machine, forward the port (ssh -L
    8000:127.0.0.1:8000 HOST) and open http://127.0.0.1:8000. The page and uploads go through that tunnel; webcam
    frames go directly to HOST over UDP, which its firewall must allow.

    Needs the extra: pip install 'vdeblur[serve]'.
    """
    from ..loading import ModelOptions
    from ..serve.folder import default_folder
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
        folder=Path(folder) if folder else default_folder(),
    )
    ctx.exit(128 + serve_forever(settings, lambda url: click.echo(f"vdeblur: serving {url} (Ctrl-C ends)", err=True)))
