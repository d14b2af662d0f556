"""Settings of a server."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from ..loading import ModelOptions


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Address, model and limits of a server."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 picks a free one."""
    token: str | None = None
    """Secret that the browser must send; None generates one if the host is not loopback."""
    model: ModelOptions = field(default_factory=ModelOptions)
    """The default model; device and so on apply to every model."""
    folder: Path | None = None
    """Folder for videos and the queue, kept over restarts; None: a temporary folder."""
    max_upload_bytes: int = 2 << 30
    max_jobs: int = 100
    """Maximum number of videos, finished ones included."""
    max_peers: int = 2
    """Maximum number of simultaneous webcams."""
    job_seconds: float = 86400.0
    """Time after which a finished job and its files are removed."""


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
