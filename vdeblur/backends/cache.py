"""Checkpoints exported for engines that run graphs, kept in the cache folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..errors import ModelError
from ..files import user_cache
from ..version import __version__
from .graphs import is_graph, load_graph


def exported(name: str, path: Path, sha256: str) -> Path:
    """The folder with a model's graphs, exported now if missing or damaged.

    `path` and `sha256` are those of the checkpoint. Raises the errors of `export`.
    """
    folder = user_cache() / "graphs" / f"{Path(name).stem}-{sha256[:16]}-{__version__}"
    if is_graph(folder):
        try:
            load_graph(folder)
            return folder
        except ModelError:
            shutil.rmtree(folder)
    from .checkpoints import load
    from .export import export

    export(load(path, sha256), folder, name=name, weights_sha256=sha256)
    return folder
