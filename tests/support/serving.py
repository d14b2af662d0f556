"""A server for tests, and what programs say to it."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp

from vdeblur.loading import ModelOptions
from vdeblur.serve.options import ServeOptions
from vdeblur.serve.server import running

Work = Callable[[Any, str], Awaitable[None]]


def served(work: Work, **settings: Any) -> None:
    """Run `work(session, address)` against a fresh server; nothing of it may be left in the temporary folder."""

    async def main() -> None:
        options = ServeOptions(**{"port": 0, "model": ModelOptions("unsharp"), **settings})
        async with running(options) as url, aiohttp.ClientSession() as session:
            await work(session, url.partition("?")[0].rstrip("/"))

    with private_temporaries() as folder:
        asyncio.run(main())
        assert list(folder.glob("vdeblur-*")) == []


@contextlib.contextmanager
def private_temporaries() -> Iterator[Path]:
    """A folder that temporary ones of this process lie in, and nobody else's."""
    with tempfile.TemporaryDirectory() as folder:
        before, tempfile.tempdir = tempfile.tempdir, folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before


async def upload(session: Any, url: str, data: Any, name: str = "clip.mp4", **query: str) -> tuple[int, Any]:
    async with session.post(f"{url}/api/jobs", data=data, params=query, headers={"X-Name": name}) as response:
        return response.status, await response.json()


async def ask(session: Any, method: str, url: str, **more: Any) -> tuple[int, Any]:
    """(status, what is said in JSON)."""
    async with session.request(method, url, **more) as response:
        return int(response.status), await response.json()


async def status(session: Any, method: str, url: str, **more: Any) -> int:
    async with session.request(method, url, **more) as response:
        return int(response.status)


async def jobs_of(session: Any, url: str) -> list[Any]:
    return (await ask(session, "GET", f"{url}/api/jobs"))[1]["jobs"]  # type: ignore[no-any-return]


async def job_when(session: Any, url: str, job_id: str, is_so: Callable[[Any], Any], seconds: float = 60) -> Any:
    """The job, as soon as it is as wanted."""
    async with asyncio.timeout(seconds):
        while True:
            job = (await ask(session, "GET", f"{url}/api/jobs/{job_id}"))[1]
            if is_so(job):
                return job
            await asyncio.sleep(0.03)


async def finished(session: Any, url: str, job_id: str) -> Any:
    return await job_when(session, url, job_id, lambda job: job["status"] in ("done", "failed"))
