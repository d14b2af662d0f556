"""The work on one upload: frames of it in advance, and the whole. Runs in threads; knows nothing of the network."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import OutputError, VdeblurError, reason_of
from ..frames import Frame, StreamInfo
from ..jobs.job import Job
from ..jobs.restore import restore as restore_file
from ..jobs.wrapped import with_fallback
from ..loading import load_restorer
from ..media.sources import open_source
from ..restorer import Restorer
from ..restorers.blend import Blended
from .choices import Settings
from .job import ServedJob
from .preview import Image, Preview, image_of, jpeg

if TYPE_CHECKING:
    from .options import ServeOptions

Which = Literal["before", "after"]

FULL = "the disk of this server is full; make room, then try again"
KEPT_FRAMES = 40
"""Single frames that are kept of a job, for the next who asks for them."""


class Cancelled(Exception):
    """The job was removed, or its settings were changed, while it ran."""


def prepare(job: ServedJob, options: ServeOptions) -> float:
    """Look at what was sent, and make its poster: the most blurred of some frames, before and after.

    Returns the poster's time. Raises InputError for what is no video, and what restoring raises.
    """
    preview, settings = Preview(job.input), job.settings
    job.video = preview.video
    seconds = round(preview.blurriest(settings.start_seconds, settings.end_seconds), 3)
    _make_pair(job, preview, seconds, settings, options)
    return seconds


def frame_jpeg(job: ServedJob, which: Which, seconds: float, settings: Settings, options: ServeOptions) -> bytes:
    """A frame of the video as JPEG, as it was made before or is made now. Raises what `prepare` raises."""
    path = job.folder / _frame_name(which, seconds, settings)
    if not path.is_file():
        preview = Preview(job.input)
        if which == "before":  # a scrubber asks for many of these and shows no result: nothing is restored
            _keep(job, path.name, image_of(preview.frame_at(seconds), preview.info))
        else:
            _make_pair(job, preview, seconds, settings, options)
    return path.read_bytes()


def explanation_page(job: ServedJob, seconds: float, settings: Settings, options: ServeOptions) -> Path:
    """A page about what the model made of the frame at `seconds`. Raises what `quality.explain` raises."""
    from ..quality.explain import explain  # with torch and all that is trained with it

    path = job.folder / f"{_frame_name('after', seconds, settings)}.html"
    if not path.is_file():
        found = explain(str(job.input), settings.model, at=seconds, device=options.model.device)
        replace(found, input=job.name).write_page(path)
    return path


def restore(job: ServedJob, options: ServeOptions) -> None:
    """Restore an upload to MP4. What an interrupted run has done of it is not done again.

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
    summary = restore_file(work, on_frame)
    job.frames, job.seconds = summary.frames, summary.seconds
    job.warnings = tuple(map(job.public, summary.warnings))


def line_of(error: VdeblurError, job: ServedJob) -> str:
    """An error's line for the page: without paths of this machine, and with what can be done on the page."""
    return FULL if is_full_disk(error) else job.public(str(error))


def is_full_disk(error: BaseException) -> bool:
    """Whether a full disk, or a share of it that is used up, is behind an error."""
    return any(getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _make_pair(job: ServedJob, preview: Preview, seconds: float, settings: Settings, options: ServeOptions) -> None:
    restorer: Restorer = with_fallback(load_restorer(replace(options.model, name=settings.model)))
    if settings.strength != 1:
        restorer = Blended(restorer, settings.strength)
    before, after = preview.pair_at(seconds, restorer)
    _keep(job, _frame_name("before", seconds, settings), before)
    _keep(job, _frame_name("after", seconds, settings), after)


def _frame_name(which: Which, seconds: float, settings: Settings) -> str:
    made_by = f"-{settings.model.replace('/', '_')}-{settings.strength:g}" if which == "after" else ""
    return f"frame-{seconds:.3f}{made_by}-{which}.jpg"


def _keep(job: ServedJob, name: str, image: Image) -> None:
    try:
        (job.folder / name).write_bytes(jpeg(image))
    except OSError as error:
        raise OutputError(f"{job.name}: a frame of it cannot be kept: {reason_of(error)}") from error
    kept = sorted(job.folder.glob("frame-*.jpg"), key=lambda path: path.stat().st_mtime)
    poster = f"frame-{job.poster:.3f}-" if job.poster is not None else " "
    for path in kept[:-KEPT_FRAMES]:
        if not path.name.startswith(poster):
            path.unlink(missing_ok=True)
