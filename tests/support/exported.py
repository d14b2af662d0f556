"""Tiny networks of every kind as exported models, made once in a run of the tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from support.networks import tiny
from vdeblur.backends import checkpoints
from vdeblur.backends.export import export
from vdeblur.files import file_sha256


def saved(kind: str, folder: Path, residual: float = 1.0) -> Path:
    """`tiny(kind)` as a checkpoint."""
    network = tiny(kind, residual=residual)
    path = folder / f"{kind}.safetensors"
    checkpoints.save(path, network, kind, network.state_dict(), {"data": ["nothing"]})
    return path


@cache
def exported(kind: str, residual: float = 1.0) -> Path:
    """The folder of `tiny(kind)`, exported."""
    folder = Path(mkdtemp(prefix="vdeblur-exported-"))
    path = saved(kind, folder, residual)
    export(checkpoints.load(path), folder / kind, name=kind, weights_sha256=file_sha256(path))
    return folder / kind
