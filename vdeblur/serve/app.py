"""The web application: the page and its files, the settings on offer, the queue and the webcams."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from ..loading import load_restorer
from .choices import CODECS, QUALITIES, Choices
from .guard import guard
from .options import ServeOptions
from .peers import Peers
from .queue import Queue
from .routes import Routes

WEB = Path(__file__).parent / "web"
PAGE_FILES = (
    "api.js",
    "app.js",
    "compare.js",
    "divider.js",
    "dom.js",
    "early.js",
    "explain.js",
    "frames.js",
    "icon.svg",
    "keys.js",
    "plots.js",
    "queue.js",
    "row.js",
    "settings.js",
    "style.css",
    "take.js",
    "trim.js",
    "viewer.js",
    "webcam.js",
    "zoom.js",
)
"""Files served next to index.html; nothing else in that folder is."""
MAX_JSON_BYTES = 256 * 1024
"""Limit on requests other than uploads; a WebRTC offer has a few kilobytes."""


def make_app(options: ServeOptions, token: str | None, folder: Path) -> web.Application:
    """Make the application; `folder` is private and holds the uploads."""
    app = web.Application(middlewares=[guard(options.host, token)], client_max_size=MAX_JSON_BYTES)
    queue = Queue(options, folder)
    # Finding the device and loading the first model takes seconds, so it is done while the page loads.
    choices = asyncio.ensure_future(queue.threads.run(_load_choices, options))
    choices.add_done_callback(lambda done: done.cancelled() or done.exception())  # raised where it is awaited
    peers = Peers(options, choices)

    async def facts(_: web.Request) -> web.Response:
        return web.json_response(_facts(await asyncio.shield(choices), options))

    app.router.add_get("/", _page)
    app.router.add_get(r"/web/{name:[a-z]+\.(?:js|css|svg)}", _page_file)
    app.router.add_get("/api/facts", facts)
    Routes(options, queue, choices).add_to(app)
    peers.add_routes(app)

    async def start(_: web.Application) -> None:
        queue.start()

    async def stop(_: web.Application) -> None:
        await peers.close()
        await queue.close()

    app.on_startup.append(start)
    app.on_shutdown.append(stop)
    return app


async def _page(_: web.Request) -> web.StreamResponse:
    return web.FileResponse(WEB / "index.html")


async def _page_file(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if name not in PAGE_FILES:
        raise web.HTTPNotFound
    return web.FileResponse(WEB / name)


def _load_choices(options: ServeOptions) -> Choices:
    choices = Choices.of(options.model)
    load_restorer(replace(options.model, name=choices.model))
    return choices


def _facts(choices: Choices, options: ServeOptions) -> dict[str, object]:
    """The settings that the page offers, and the limits."""
    return {
        "models": dict(choices.models),
        "model": choices.model,
        "codecs": CODECS,
        "qualities": QUALITIES,
        "max_upload_bytes": options.max_upload_bytes,
        "max_jobs": options.max_jobs,
    }
