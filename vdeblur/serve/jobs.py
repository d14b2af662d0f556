"""Videos dropped on the page: received, restored one after the other, kept for a while to compare and download."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, unquote

from ..errors import VdeblurError
from ..frames import Frame, StreamInfo
from ..progress import Meter

if TYPE_CHECKING:
    from aiohttp import web

    from .app import ServeOptions

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
STALLED_SECONDS = 60.0
"""An upload that sends nothing for this long is dropped."""


class Cancelled(Exception):
    """The user removed the job while it ran."""


@dataclass
class ServedJob:
    """One video: its files lie in `folder` under names of our own."""

    id: str
    folder: Path
    name: str
    """What the user's file is called: shown, and never a path."""
    model: str
    strength: float
    status: Literal["uploading", "waiting", "restoring", "done", "failed"] = "uploading"
    error: str = ""
    meter: Meter = field(default_factory=Meter)
    warnings: tuple[str, ...] = ()
    cancelled: Event = field(default_factory=Event)
    finished_at: float | None = None

    @property
    def input(self) -> Path:
        """Without suffix: FFmpeg looks at what it holds."""
        return self.folder / "input"

    @property
    def output(self) -> Path:
        """Plays in every browser."""
        return self.folder / "output.mp4"

    def to_json(self) -> dict[str, Any]:
        """What the page is told."""
        running = self.status == "restoring"
        left = self.meter.seconds_left if running else None
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "error": self.error,
            "warnings": list(self.warnings),
            "frames": self.meter.frames,
            "fps": round(self.meter.fps, 2) if running else None,
            "share": 1.0 if self.status == "done" else self.meter.share,
            "seconds_left": None if left is None else round(left, 1),
            "download": download_name(self.name),
        }


class Jobs:
    """All jobs of a server. They are restored one at a time, in the order in which they came."""

    def __init__(self, options: ServeOptions, folder: Path) -> None:
        """`folder` is private and there."""
        self._options, self._folder = options, folder
        self._jobs: dict[str, ServedJob] = {}
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def add_routes(self, app: web.Application) -> None:
        """POST /api/jobs (the file is the body), GET and DELETE /api/jobs/ID, GET /api/jobs/ID/input|output."""
        job = r"/api/jobs/{id:[A-Za-z0-9_-]{22}}"
        app.router.add_post("/api/jobs", self.upload)
        app.router.add_get("/api/jobs", self.list_all)
        app.router.add_get(job, self.show)
        app.router.add_delete(job, self.remove)
        app.router.add_get(job + "/{which:input|output}", self.send)

    async def upload(self, request: web.Request) -> web.Response:
        """Take a file of bounded size, and put it in the queue."""
        from aiohttp import web

        from .app import checked_model, checked_strength

        await self._remove_old()
        limit = self._options.max_upload_bytes
        if len(self._jobs) >= self._options.max_jobs:
            raise web.HTTPTooManyRequests(text="too many videos are here: remove one first")
        if request.content_length is not None and request.content_length > limit:
            raise web.HTTPRequestEntityTooLarge(limit, request.content_length, text=_too_large(limit))
        model = await asyncio.to_thread(checked_model, request.query.get("model"), self._options)
        strength = checked_strength(request.query.get("strength"))
        job_id = secrets.token_urlsafe(16)
        job = ServedJob(job_id, self._folder / job_id, shown_name(request.headers.get("X-Name", "")), model, strength)
        self._jobs[job.id] = job  # before the first wait, so that the number stays bounded
        try:
            job.folder.mkdir(mode=0o700)
            await self._receive(request, job, limit)
        except BaseException:
            await self._drop(job)
            raise
        job.status = "waiting"
        task = asyncio.create_task(self._restore(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return web.json_response(job.to_json(), status=201)

    async def list_all(self, _: web.Request) -> web.Response:
        """Every job, in the order in which they came."""
        from aiohttp import web

        await self._remove_old()
        return web.json_response([job.to_json() for job in self._jobs.values()])

    async def show(self, request: web.Request) -> web.Response:
        """How far one is."""
        from aiohttp import web

        return web.json_response(self._find(request).to_json())

    async def remove(self, request: web.Request) -> web.Response:
        """Stop it if it runs, and remove its files."""
        from aiohttp import web

        await self._drop(self._find(request))
        return web.json_response({})

    async def send(self, request: web.Request) -> web.StreamResponse:
        """The video as it came, or restored; in parts where the browser asks for parts."""
        from aiohttp import web

        job = self._find(request)
        path = job.output if request.match_info["which"] == "output" else job.input
        if job.status == "uploading" or not path.is_file():
            raise web.HTTPNotFound(text="not there yet")
        headers = {"Content-Type": "video/mp4" if path == job.output else "application/octet-stream"}
        if "download" in request.query:
            ascii_name = re.sub(r"[^A-Za-z0-9._ -]", "_", download_name(job.name))
            encoded = quote(download_name(job.name), safe="")
            headers["Content-Disposition"] = f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{encoded}"
        return web.FileResponse(path, headers=headers)

    async def close(self, _: web.Application) -> None:
        """Stop all work."""
        for job in self._jobs.values():
            job.cancelled.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)

    def _find(self, request: web.Request) -> ServedJob:
        from aiohttp import web

        try:
            return self._jobs[request.match_info["id"]]
        except KeyError:
            raise web.HTTPNotFound(text="no such video; it may have been removed") from None

    async def _receive(self, request: web.Request, job: ServedJob, limit: int) -> None:
        from aiohttp import web

        received = 0
        with job.input.open("xb") as file:
            while True:
                try:
                    chunk = await asyncio.wait_for(request.content.read(CHUNK_BYTES), STALLED_SECONDS)
                except TimeoutError:
                    raise web.HTTPRequestTimeout(text="the upload has stalled") from None
                if not chunk:
                    break
                received += len(chunk)
                if received > limit:
                    raise web.HTTPRequestEntityTooLarge(limit, received, text=_too_large(limit))
                await asyncio.to_thread(file.write, chunk)
        if not received:
            raise web.HTTPBadRequest(text="the file is empty")

    async def _restore(self, job: ServedJob) -> None:
        async with self._turn:
            if job.cancelled.is_set():
                return
            job.status = "restoring"
            job.meter = Meter()
            try:
                job.warnings = await asyncio.to_thread(restore_upload, job, self._options)
                job.status = "done"
            except Cancelled:
                job.status = "failed"
                job.error = "removed"
            except VdeblurError as error:
                job.status, job.error = "failed", public_message(error, job)
            except Exception:
                log.exception("job %s failed", job.id)
                job.status, job.error = "failed", "internal error"
            job.finished_at = time.monotonic()

    async def _drop(self, job: ServedJob) -> None:
        job.cancelled.set()
        self._jobs.pop(job.id, None)
        if job.status == "restoring":  # its thread ends with the next frame, and lets go of the files
            async with self._turn:
                pass
        await asyncio.to_thread(shutil.rmtree, job.folder, ignore_errors=True)

    async def _remove_old(self) -> None:
        now = time.monotonic()
        for job in list(self._jobs.values()):
            if job.finished_at is not None and now - job.finished_at > self._options.job_seconds:
                await self._drop(job)


def restore_upload(job: ServedJob, options: ServeOptions) -> tuple[str, ...]:
    """Restore an upload to MP4 with H.264 in 8-bit 4:2:0, which every browser plays; returns warnings.

    Raises Cancelled when the job was removed, and what `restore_whole` raises.
    """
    from ..jobs.job import Job
    from ..jobs.whole import restore_whole
    from ..media.sink import SinkOptions
    from ..media.sources import open_source

    with open_source(str(job.input)) as source:
        info = source.info
    even = info.width % 2 == 0 and info.height % 2 == 0
    sink = SinkOptions(codec="libx264", pix_fmt="yuv420p" if even else "yuv444p", preset="veryfast")

    def on_frame(info: StreamInfo, frame: Frame) -> None:
        if job.cancelled.is_set():
            raise Cancelled
        job.meter.update(info, frame)

    work = Job(
        input=str(job.input),
        output=str(job.output),
        model=replace(options.model, name=job.model),
        strength=job.strength,
        sink=sink,
    )
    summary = restore_whole(work, on_frame)
    return tuple(hide_paths(warning, job) for warning in summary.warnings)


def public_message(error: VdeblurError, job: ServedJob) -> str:
    """An error's line without paths of this machine."""
    return hide_paths(str(error), job)


def hide_paths(text: str, job: ServedJob) -> str:
    """The text with the job's files under the user's name for them."""
    return text.replace(str(job.input), job.name).replace(str(job.output), download_name(job.name))


def shown_name(header: str) -> str:
    """A file name from outside, percent-encoded, made fit to be shown: one line, no folders, at most 100 characters."""
    name = unquote(header).replace("\\", "/").rpartition("/")[2]
    name = "".join(character for character in name if character.isprintable()).strip(" .")
    return name[:100] or "video"


def download_name(name: str) -> str:
    """holiday.mov -> holiday.deblur.mp4."""
    return f"{Path(name).stem or 'video'}.deblur.mp4"


def _too_large(limit: int) -> str:
    return f"the file is larger than the {limit >> 20} MiB that this server takes"
