"""`vdeblur serve`: a web server for videos and the browser's webcam, on aiohttp and aiortc (the extra `serve`).

Input from the network is limited and never trusted: the server listens on loopback by default, other hosts need a
token, requests must come from its own page, sizes and counts are bounded, files have fixed names in a private folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections.abc import AsyncIterator, Callable

from ..errors import OutputError, UsageError
from ..signals import Stopped
from .folder import private_folder
from .options import ServeOptions, is_loopback


def serve_forever(options: ServeOptions, tell: Callable[[str], None]) -> int:
    """Serve until a signal arrives, and return its number; `tell` is called with the address to open.

    What runs then is given `queue.STOP_SECONDS`, or until the next signal, to end; threads named `threads.THREAD` that
    have not ended by then are left running.

    Raises UsageError without the extra or for a model that does not come in int8, OutputError if the address or the
    folder cannot be used, ModelError for an unknown model.
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

    serving = asyncio.current_task()
    assert serving is not None

    def end(signum: int) -> None:
        if not stopped.done():
            stopped.set_result(signum)
        else:
            serving.cancel()  # the user waits no longer for what still runs

    for signum in (signal.SIGINT, signal.SIGTERM):
        # An exception raised by a signal handler would end up in a random task. Windows has no other way, and threads
        # other than the main one have none at all.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(signum, end, signum)
    try:
        async with running(options) as url:
            tell(url)
            return await stopped
    except asyncio.CancelledError:
        if not stopped.done():
            raise
        return stopped.result()


@contextlib.asynccontextmanager
async def running(options: ServeOptions) -> AsyncIterator[str]:
    """Run a server within the block; yields its address, with the token if one is needed. Raises as `serve_forever`."""
    from aiohttp import web

    from ..loading import weights_of
    from ..restorers.made import MADE
    from .app import make_app

    if options.model.name is not None and options.model.name not in MADE:
        weights_of(options.model.name, options.model.precision)
    token = options.token or (None if is_loopback(options.host) else secrets.token_urlsafe(18))
    with private_folder(options.folder) as folder:
        runner = web.AppRunner(make_app(options, token, folder), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            try:
                site = web.TCPSite(runner, options.host, options.port)
                await site.start()
            except OSError as error:
                where = f"{options.host}:{options.port}"
                raise OutputError(f"{where}: cannot listen: {error.strerror}; choose another port") from error
            port = runner.addresses[0][1]
            host = f"[{options.host}]" if ":" in options.host else options.host
            yield f"http://{host}:{port}/" + (f"?token={token}" if token else "")
        finally:
            await runner.cleanup()
