"""How a server is set up."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from ..loading import ModelOptions


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where to serve, what with, and how much of it."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes a free one."""
    token: str | None = None
    """What a browser must show; None makes one where the host is not loopback."""
    model: ModelOptions = field(default_factory=ModelOptions)
    """Chosen at first, and how every model runs."""
    folder: Path | None = None
    """Where videos and the queue lie, and are found again after a restart; None: a temporary one."""
    max_upload_bytes: int = 2 << 30
    max_jobs: int = 100
    """Videos kept at a time, done ones included."""
    max_peers: int = 2
    job_seconds: float = 86400.0
    """A finished job and its files are removed after this long."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
