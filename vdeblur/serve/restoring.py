"""The work on one upload: single frames in advance, and the whole video. Runs in threads, independent of HTTP."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from ..errors import OutputError, VdeblurError, reason_of
from ..files import replacing
from ..frames import Frame, Image, StreamInfo
from ..jobs.job import Job
from ..jobs.restore import restore
from ..jobs.wrapped import with_fallback
from ..loading import load_restorer
from ..media.sources import open_source
from ..restorer import Restorer
from ..restorers.blend import Blended
from .choices import Settings
from .job import ServedJob
from .stills import Stills, image_of, jpeg

if TYPE_CHECKING:
    from .options import ServeOptions

Which = Literal["before", "after"]

FULL = "the disk of this server is full; free some space and try again"
KEPT_FRAMES = 40
"""Number of single frames and explanations of frames cached per job, besides the poster."""


class Cancelled(Exception):
    """The job was removed, or its settings were changed, while it ran."""


def make_poster(job: ServedJob, options: ServeOptions) -> float:
    """Read the properties of an upload and make its poster: its most blurred sampled frame, before and after.

    Returns the time of the poster. Raises InputError for a file that is not a video, and what restoring raises.
    """
    stills, settings = Stills(job.input), job.settings
    job.video = stills.video
    seconds = round(stills.most_blurred(settings.source), 3)
    _make_pair(job, stills, seconds, settings, options)
    return seconds


def frame_jpeg(job: ServedJob, which: Which, seconds: float, settings: Settings, options: ServeOptions) -> bytes:
    """A frame of the video as JPEG, cached or made now. Raises what `make_poster` raises."""
    path = job.folder / _frame_name(which, seconds, settings)
    if not path.is_file():
        stills = Stills(job.input)
        if which == "before":  # scrubbing requests many of these: restore nothing
            _keep(job, path.name, image_of(stills.frame_at(seconds), stills.info))
        else:
            _make_pair(job, stills, seconds, settings, options)
    return path.read_bytes()


def explanation_page(job: ServedJob, seconds: float, settings: Settings, options: ServeOptions) -> Path:
    """The page of `vdeblur explain` for the frame at `seconds`. Raises what `quality.explain` raises."""
    from ..quality.explain import ExplainOptions, explain  # loads torch

    path = job.folder / f"{_frame_prefix(seconds)}{_file_name(settings.model)}-explained.html"
    if not path.is_file():
        found = explain(str(job.input), settings.model, ExplainOptions(at=seconds, device=options.model.device))
        replace(found, input=job.name).write_page(path)
        _remove_oldest(job)
    return path


def restore_upload(job: ServedJob, options: ServeOptions) -> None:
    """Restore an upload to MP4, resuming an interrupted run.

    Raises Cancelled when the job is cancelled meanwhile, and what `jobs.restore` raises.
    """
    with open_source(str(job.input)) as source:
        info = source.info
    cancelled, settings = job.cancelled, job.settings

    def on_frame(info: StreamInfo, frame: Frame) -> None:
        if cancelled.is_set():
            raise Cancelled
        job.meter.update(info, frame)

    work = Job(
        input=str(job.input),
        output=str(job.output),
        model=replace(options.model, name=settings.model),
        strength=settings.strength,
        source=settings.source,
        sink=settings.sink(info),
    )
    summary = restore(work, on_frame)
    job.frames, job.seconds = summary.frames, summary.seconds
    damage = ["; ".join(summary.damage)] if summary.damage else []  # no warning of the job: the command's exit code 6
    job.warnings = tuple(map(job.public, [*summary.warnings, *damage]))


def error_text(error: VdeblurError, job: ServedJob) -> str:
    """The message of an error for the page, without paths on the server."""
    return FULL if is_full_disk(error) else job.public(str(error))


def unexpected(error: Exception) -> str:
    """What the page says of an error that only the log describes."""
    return f"internal error ({type(error).__name__}); see the log of the server"


def is_full_disk(error: BaseException) -> bool:
    """Whether a full disk or an exhausted quota caused an error."""
    return any(getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _make_pair(job: ServedJob, stills: Stills, seconds: float, settings: Settings, options: ServeOptions) -> None:
    restorer: Restorer = with_fallback(load_restorer(replace(options.model, name=settings.model)))
    if settings.strength != 1:
        restorer = Blended(restorer, settings.strength)
    before, after = stills.pair_at(seconds, restorer)
    _keep(job, _frame_name("before", seconds, settings), before)
    _keep(job, _frame_name("after", seconds, settings), after)


def _frame_name(which: Which, seconds: float, settings: Settings) -> str:
    suffix = f"{_file_name(settings.model)}-{settings.strength:g}-" if which == "after" else ""
    return f"{_frame_prefix(seconds)}{suffix}{which}.jpg"


def _frame_prefix(seconds: float) -> str:
    return f"frame-{seconds:.3f}-"


def _file_name(model: str) -> str:
    return model.replace("/", "_")


def _keep(job: ServedJob, name: str, image: Image) -> None:
    try:
        with replacing(job.folder / name) as part:  # the server may end meanwhile, and half a frame would be kept
            part.write_bytes(jpeg(image))
    except OSError as error:
        raise OutputError(f"{job.name}: a frame cannot be stored: {reason_of(error)}") from error
    _remove_oldest(job)


def _remove_oldest(job: ServedJob) -> None:
    """Keep the newest of what was made of single frames, and the poster as the page first shows it."""
    poster = set()
    if job.poster is not None:
        poster = {_frame_name(which, job.poster, job.settings) for which in get_args(Which)}
    made = [path for path in job.folder.glob("frame-*") if path.name not in poster]
    for path in sorted(made, key=_changed_at)[:-KEPT_FRAMES]:
        path.unlink(missing_ok=True)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another thread removed it
        return 0.0
