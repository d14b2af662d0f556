"""`vdeblur serve`: a page for the browser's webcam and for dropped videos, on aiohttp and aiortc (the extra `serve`).

What comes from the network is bounded and never trusted: loopback unless told otherwise, a token for any other host,
requests only from our own page, sizes and numbers limited, files in a private folder under names of our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import OutputError, UsageError, VdeblurError
from ..loading import ModelOptions
from ..signals import Stopped

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler

log = logging.getLogger(__name__)

WEB = Path(__file__).parent / "web"
PAGE_FILES = (
    "app.js",
    "api.js",
    "compare.js",
    "divider.js",
    "icon.svg",
    "jobs.js",
    "plots.js",
    "style.css",
    "webcam.js",
)
"""What is served beside index.html; nothing else in that folder is."""
COOKIE = "vdeblur_token"
MAX_JSON_BYTES = 256 * 1024
"""Of a request that is no upload; an offer of WebRTC has some kilobytes."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "media-src 'self' blob: mediastream:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where to serve, what with, and how much of it."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes a free one."""
    token: str | None = None
    """What a browser must show; None makes one where the host is not loopback."""
    model: ModelOptions = field(default_factory=ModelOptions)
    """Chosen at first."""
    max_upload_bytes: int = 2 << 30
    max_jobs: int = 8
    """Videos kept at a time, done ones included."""
    max_peers: int = 2
    job_seconds: float = 3600.0
    """A finished job and its files are removed after this long."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def serve_forever(options: ServeOptions, tell: Callable[[str], None]) -> int:
    """Serve until a signal comes, and return it; `tell` is given the address to open.

    Raises UsageError without the extra, OutputError where the address cannot be had.
    """
    try:
        import aiohttp  # noqa: F401
        import aiortc  # noqa: F401
    except ImportError as error:
        raise UsageError("`vdeblur serve` needs the extra: pip install 'vdeblur[serve]'") from error
    try:
        return asyncio.run(_serve(options, tell))
    except Stopped as stop:
        return stop.signum


async def _serve(options: ServeOptions, tell: Callable[[str], None]) -> int:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def end(signum: int) -> None:
        if not stopped.done():
            stopped.set_result(signum)

    for signum in (signal.SIGINT, signal.SIGTERM):
        # An exception raised by a handler would end in whichever task runs just then. Windows has no other way, and
        # threads have none at all.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(signum, end, signum)
    async with running(options) as url:
        tell(url)
        return await stopped


@contextlib.asynccontextmanager
async def running(options: ServeOptions) -> AsyncIterator[str]:
    """A server within the block; gives its address, with the token where one is needed."""
    from aiohttp import web

    token = options.token or (None if is_loopback(options.host) else secrets.token_urlsafe(18))
    folder = Path(tempfile.mkdtemp(prefix="vdeblur-"))  # only its owner may enter it
    try:
        runner = web.AppRunner(make_app(options, token, folder), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            try:
                site = web.TCPSite(runner, options.host, options.port)
                await site.start()
            except OSError as error:
                where = f"{options.host}:{options.port}"
                message = f"{where}: cannot be served: {error.strerror}; choose another port"
                raise OutputError(message, settings=("port",)) from error
            port = runner.addresses[0][1]
            host = f"[{options.host}]" if ":" in options.host else options.host
            yield f"http://{host}:{port}/" + (f"?token={token}" if token else "")
        finally:
            await runner.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_app(options: ServeOptions, token: str | None, folder: Path) -> web.Application:
    """The application: page, facts, jobs and peers; `folder` is private and holds what is uploaded."""
    from aiohttp import web

    from .jobs import Jobs
    from .peers import Peers

    app = web.Application(middlewares=[_guard(options, token)], client_max_size=MAX_JSON_BYTES)
    jobs, peers = Jobs(options, folder), Peers(options)

    async def facts(_: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(_facts, options))

    app.router.add_get("/", _page)
    app.router.add_get(r"/web/{name:[a-z]+\.(?:js|css|svg)}", _page_file)
    app.router.add_get("/api/facts", facts)
    jobs.add_routes(app)
    peers.add_routes(app)
    app.on_shutdown.append(peers.close)
    app.on_shutdown.append(jobs.close)
    return app


async def _page(_: web.Request) -> web.StreamResponse:
    from aiohttp import web

    return web.FileResponse(WEB / "index.html")


async def _page_file(request: web.Request) -> web.StreamResponse:
    from aiohttp import web

    name = request.match_info["name"]
    if name not in PAGE_FILES:
        raise web.HTTPNotFound
    return web.FileResponse(WEB / name)


def _facts(options: ServeOptions) -> dict[str, Any]:
    """What the page offers: models, the first one, and the limits."""
    from ..backends.published import published
    from ..restorers.classical import CLASSICAL

    names = [model.name for model in published()]
    first = options.model.named().name
    models = list(dict.fromkeys([first, *names, *CLASSICAL]))
    return {"models": models, "model": first, "max_upload_bytes": options.max_upload_bytes}


def checked_model(name: object, options: ServeOptions) -> str:
    """A model that the page offers; the first one where none is named. A path from outside is never opened."""
    facts = _facts(options)
    if name is None or name == "":
        return str(facts["model"])
    if name not in facts["models"]:
        raise UsageError("unknown model")
    return str(name)


def checked_strength(value: object) -> float:
    """A strength 0..1; 1 where none is given."""
    if value is None or value == "":
        return 1.0
    try:
        strength = float(str(value))
    except ValueError:
        raise UsageError("strength: not a number") from None
    if not 0 <= strength <= 1:
        raise UsageError("strength: must lie between 0 and 1")
    return strength


def _guard(options: ServeOptions, token: str | None) -> Any:
    """Middleware: our own host names, our own page, the token; and errors as JSON without inner details."""
    from aiohttp import web

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _check_origin(request, options)
            if token is not None and not _has_token(request, token):
                raise web.HTTPForbidden(text="this server needs its token: open the address that it printed")
            response = await handler(request)
        except web.HTTPException as error:
            response = web.json_response({"error": error.text or error.reason}, status=error.status)
        except VdeblurError as error:
            response = web.json_response({"error": str(error)}, status=400)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            response = web.json_response({"error": "internal error"}, status=500)
        if not response.prepared:
            response.headers.update(HEADERS)
            if token is not None and hmac.compare_digest(request.query.get("token", "").encode(), token.encode()):
                # The page goes on with a cookie, so the token need not stand in every address.
                response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", path="/")
        return response

    return guard


def _check_origin(request: web.Request, options: ServeOptions) -> None:
    """Turn away names that are not ours (DNS rebinding) and requests that another site's page makes."""
    from aiohttp import web

    host = urlsplit(f"//{request.host}").hostname or ""
    if is_loopback(options.host) and not is_loopback(host):
        raise web.HTTPForbidden(text="unknown host name")
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden(text="request from another site")


def _has_token(request: web.Request, token: str) -> bool:
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    shown = (request.query.get("token", ""), request.cookies.get(COOKIE, ""), bearer)
    return any(hmac.compare_digest(one.encode(), token.encode()) for one in shown)
