"""The HTTP interface of the queue: uploads, settings, order, single frames, and downloads."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import quote

from aiohttp import web

from ..errors import VdeblurError
from .archive import unique_names, zipped
from .choices import Choices, Settings, check_names, checked_seconds
from .job import JOB_ID, ServedJob, display_name, download_name, new_id
from .queue import Queue
from .restoring import FULL, Which, error_text, explanation_page, frame_jpeg, is_full_disk

if TYPE_CHECKING:
    from .options import ServeOptions

CHUNK_BYTES = 1 << 20
EXPLANATION_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
)
FORM = "the body must be the file itself, not a form; with curl: --data-binary @FILE in place of -F"
STALLED_SECONDS = 60.0
"""An upload that sends nothing for this long is cancelled."""


class Routes:
    """Request handlers for the queue."""

    def __init__(self, options: ServeOptions, queue: Queue, choices: asyncio.Future[Choices]) -> None:
        self._options, self._queue, self._choices = options, queue, choices
        self._frames = {"before": asyncio.Lock(), "after": asyncio.Lock()}
        """One frame of each kind is made at a time, so that scrubbing does not slow down the queue."""

    def add_to(self, app: web.Application) -> None:
        """Add the routes /api/jobs, /api/queue and /api/outputs.zip."""
        job = f"/api/jobs/{{id:{JOB_ID}}}"
        app.router.add_post("/api/jobs", self.upload)
        app.router.add_get("/api/jobs", self.list_all)
        app.router.add_put("/api/queue", self.arrange)
        app.router.add_get("/api/outputs.zip", self.send_all)
        app.router.add_get(job, self.show)
        app.router.add_patch(job, self.change)
        app.router.add_delete(job, self.remove)
        app.router.add_get(job + "/{which:input|output}", self.send)
        app.router.add_get(job + "/frame/{which:before|after}", self.frame)
        app.router.add_get(job + "/explain", self.explain)

    async def upload(self, request: web.Request) -> web.Response:
        """Receive a file (in the body; its name in X-Name) of limited size, and append it to the queue."""
        queue, options = self._queue, self._options
        if request.content_type.startswith("multipart/"):
            raise web.HTTPUnsupportedMediaType(text=FORM)
        if len(queue.jobs) >= options.max_jobs:
            raise web.HTTPTooManyRequests(text=f"the queue is full ({options.max_jobs} videos); remove some first")
        size = request.content_length or 0
        if size > options.max_upload_bytes:
            raise _too_large(options.max_upload_bytes, size)
        if size > shutil.disk_usage(queue.folder).free:
            raise web.HTTPInsufficientStorage(text=FULL)
        choices = await asyncio.shield(self._choices)
        settings = choices.settings(_query(request))
        job_id = new_id()
        job = ServedJob(job_id, queue.folder / job_id, display_name(request.headers.get("X-Name", "")), settings)
        queue.add(job)
        try:
            job.make_folder()
            await self._receive(request, job)
        except BaseException as error:  # of any kind: remove the incomplete upload
            await queue.remove(job)
            if is_full_disk(error):
                raise web.HTTPInsufficientStorage(text=FULL) from error
            raise
        queue.received(job)
        return web.json_response(job.to_json(), status=201)

    async def list_all(self, _: web.Request) -> web.Response:
        """List all jobs in order."""
        jobs = [job.to_json() for job in self._queue.jobs]
        return web.json_response({"is_paused": self._queue.is_paused, "jobs": jobs})

    async def arrange(self, request: web.Request) -> web.Response:
        """Reorder or pause the queue: {"order": [id, ...]} and/or {"is_paused": true}."""
        wanted = await _json_object(request)
        check_names(wanted, ("order", "is_paused"))
        order, is_paused = wanted.get("order", []), wanted.get("is_paused", self._queue.is_paused)
        if not isinstance(order, list) or not isinstance(is_paused, bool):
            raise web.HTTPBadRequest(text="order must be a list of ids, is_paused true or false")
        self._queue.reorder([str(one) for one in order])
        self._queue.pause(is_paused)
        return await self.list_all(request)

    async def show(self, request: web.Request) -> web.Response:
        """The state of one job."""
        return web.json_response(self._find(request).to_json())

    async def change(self, request: web.Request) -> web.Response:
        """Restore a job with other settings; those that are not named stay as they are."""
        job = self._find(request)
        if job.status == "uploading":
            raise web.HTTPConflict(text="the video is still being uploaded")
        settings = (await asyncio.shield(self._choices)).settings(await _json_object(request), job.settings)
        await self._queue.change(job, settings)
        return web.json_response(job.to_json())

    async def remove(self, request: web.Request) -> web.Response:
        """Stop a job if it runs, and remove its files."""
        await self._queue.remove(self._find(request))
        return web.json_response({})

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send the input or the output, also as byte ranges."""
        job = self._find(request)
        path = job.output if request.match_info["which"] == "output" else job.input
        if job.status == "uploading" or (path == job.output and job.status != "done") or not path.is_file():
            raise web.HTTPNotFound(text="not ready yet")
        headers = {"Content-Type": "video/mp4" if path == job.output else "application/octet-stream"}
        if "download" in request.query:
            headers["Content-Disposition"] = _attachment(download_name(job.name))
        return web.FileResponse(path, headers=headers)

    async def frame(self, request: web.Request) -> web.Response:
        """Send one frame, before or after, as JPEG: at=SECONDS or the poster, with the job's settings or others."""
        job, which = self._find(request), cast(Which, request.match_info["which"])
        seconds, settings = await self._wanted_frame(request, job)
        async with self._turn(which, request):
            try:
                data = await self._queue.threads.run(frame_jpeg, job, which, seconds, settings, self._options)
            except VdeblurError as error:
                raise web.HTTPUnprocessableEntity(text=error_text(error, job)) from error
        return web.Response(body=data, content_type="image/jpeg")

    async def explain(self, request: web.Request) -> web.StreamResponse:
        """Send the explanation of one frame; with `prepare`, only make it and answer when it is ready."""
        job = self._find(request)
        seconds, settings = await self._wanted_frame(request, job, "prepare")
        async with self._turn("after", request):
            try:
                path = await self._queue.threads.run(explanation_page, job, seconds, settings, self._options)
            except VdeblurError as error:
                raise web.HTTPUnprocessableEntity(text=error_text(error, job)) from error
        if "prepare" in request.query:
            return web.json_response({})
        # The page contains text from the file: it runs in a sandbox, separate from our page and without network access.
        headers = {"Content-Security-Policy": EXPLANATION_POLICY, "Content-Type": "text/html; charset=utf-8"}
        return web.FileResponse(path, headers=headers)

    async def send_all(self, request: web.Request) -> web.StreamResponse:
        """Send all restored videos in one archive, made while it is sent."""
        done = [job for job in self._queue.jobs if job.status == "done"]
        if not done:
            raise web.HTTPNotFound(text="nothing is restored yet")
        response = web.StreamResponse(headers={"Content-Disposition": _attachment("vdeblur.zip")})
        response.content_type = "application/zip"
        await response.prepare(request)
        names = unique_names([download_name(job.name) for job in done])
        async for chunk in zipped({name: job.output for name, job in zip(names, done, strict=True)}):
            await response.write(chunk)
        await response.write_eof()
        return response

    @contextlib.asynccontextmanager
    async def _turn(self, which: Which, request: web.Request) -> AsyncIterator[None]:
        """Within the block no other frame of this kind is made.

        Raises HTTPGone if the client has left while it waited: scrubbing abandons most of what it asks for, and all of
        it would be made before the frame that is wanted now.
        """
        async with self._frames[which]:
            if request.transport is None or request.transport.is_closing():
                raise web.HTTPGone(text="the client has left")
            yield

    async def _wanted_frame(self, request: web.Request, job: ServedJob, *more: str) -> tuple[float, Settings]:
        """Time in seconds and settings of the requested frame; `more` is what else may be asked for."""
        check_names(_query(request), ("at", "model", "strength", *more))
        seconds = checked_seconds(request.query.get("at"))
        seconds = job.poster if seconds is None else round(seconds, 3)
        if job.status == "uploading" or seconds is None:
            raise web.HTTPNotFound(text=job.poster_error or "not ready yet")
        wanted = {key: request.query[key] for key in ("model", "strength") if key in request.query}
        return seconds, (await asyncio.shield(self._choices)).settings(wanted, job.settings)

    def _find(self, request: web.Request) -> ServedJob:
        job = self._queue.find(request.match_info["id"])
        if job is None:
            raise web.HTTPNotFound(text="no such video; it may have been removed")
        return job

    async def _receive(self, request: web.Request, job: ServedJob) -> None:
        received, limit = 0, self._options.max_upload_bytes
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
                    raise _too_large(limit, received)
                if job.cancelled.is_set():
                    raise web.HTTPGone(text="the video was removed during the upload")
                await asyncio.to_thread(_write_chunk, file, chunk)
        if not received:
            raise web.HTTPBadRequest(text="the file is empty")


def _query(request: web.Request) -> dict[str, str]:
    """What an address asks for, without the token of the server."""
    return {name: value for name, value in request.query.items() if name != "token"}


async def _json_object(request: web.Request) -> dict[str, object]:
    try:
        given = await request.json()
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise web.HTTPBadRequest(text="the body must be a JSON object")
    return given


def _write_chunk(file: BinaryIO, chunk: bytes) -> None:
    file.write(chunk)
    file.flush()  # so that a full disk is reported here and not on closing


def _too_large(limit: int, size: int) -> web.HTTPRequestEntityTooLarge:
    return web.HTTPRequestEntityTooLarge(
        limit, size, text=f"the file is larger than the {limit >> 20} MiB that this server takes"
    )


def _attachment(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
