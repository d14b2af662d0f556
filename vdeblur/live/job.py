"""Runs a live session as described on the command line: camera, ladder, window, recordings."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from ..files import user_cache
from ..loading import ModelOptions
from ..signals import Stopped
from .display import require_display

if TYPE_CHECKING:
    from .meter import Stats
    from .recording import RecordedView
    from .window import View


@dataclass(frozen=True, slots=True)
class LiveJob:
    """Settings of a live session; the defaults are those of the command line."""

    camera: str = "0"
    """An index, a name, a URL, "screen", or a file to play in real time."""
    size: tuple[int, int] | None = None
    """(width, height) to request from a camera."""
    frame_rate: float | None = None
    loop: bool = False
    model: ModelOptions = field(default_factory=ModelOptions)
    strength: float = 1.0
    max_latency: float = 0.2
    """Seconds from capture to result; the ladder steps down to stay below."""
    fixed: bool = False
    """Never step down the ladder."""
    window: bool = True
    view: View = "split"
    record: tuple[str, ...] = ()
    """Files to record to; "-" is standard output."""
    record_view: RecordedView = "restored"
    virtual_camera: bool = False
    seconds: float | None = None
    """Stop after this time; None: run until the end."""
    overwrite: bool = False


def is_first_run() -> bool:
    """Whether the live window is shown to this user for the first time; it counts as shown from now on."""
    try:
        (user_cache() / "live").mkdir(parents=True)
    except OSError:  # it exists, or the cache cannot be written, and nobody wants the help every time
        return False
    return True


def run_live(job: LiveJob, on_stats: Callable[[Stats], None] | None = None) -> tuple[Stats, Stopped | None]:
    """Run until the stream ends, the user quits, the time is up or a signal arrives; then finish all recordings.

    Returns the final statistics, and the signal if one ended the session. Raises DeviceError if there is no display or
    no such camera, and what `open_camera`, `ladder` and `open_recording` raise.
    """
    if job.window:
        require_display()
        from . import window as live_window  # before anything that imports PyAV, see there
        from .screen import screen_size
    from ..backends.published import published
    from .camera import CameraOptions
    from .cameras import open_camera
    from .recording import Recording, open_recording
    from .session import Live, run_without_window
    from .stream import LiveStream, Rung, ladder

    def load(model: str) -> list[Rung]:
        return ladder(replace(job.model, name=model), fixed=job.fixed)

    rate = Fraction(job.frame_rate).limit_denominator(1001) if job.frame_rate else None
    stopped = None
    with ExitStack() as stack:
        rungs = ladder(job.model, fixed=job.fixed)
        camera = stack.enter_context(open_camera(job.camera, CameraOptions(job.size, rate, job.loop)))
        live = Live(camera, LiveStream(rungs, max_latency=job.max_latency, strength=job.strength))
        stack.callback(live.close)
        for path in job.record:
            live.record(open_recording(path, camera, job.record_view, overwrite=job.overwrite))
        if job.virtual_camera:
            from .virtual_camera import VirtualCamera

            live.record(Recording("-", VirtualCamera(camera.info)))
        try:
            live.start()
            if job.window:
                known = (model.name for model in published() if model.comes_in(job.model.precision))
                names = tuple(dict.fromkeys([*known, rungs[0].step.model, "unsharp"]))
                look = live_window.Look(job.view, shows_help=is_first_run())
                window = live_window.LiveWindow(live, look, names, load, on_stats=on_stats, screen=screen_size())
                window.run(job.seconds)
            else:
                run_without_window(live, math.inf if job.seconds is None else job.seconds, on_stats)
        except Stopped as stop:
            stopped = stop
    return live.stats(), stopped
