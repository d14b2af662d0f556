"""Checkpoints exported for engines that run graphs, kept in the cache folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..errors import ModelError, OutputError
from ..files import user_cache
from ..version import __version__
from .graphs import load_graph


def exported(name: str, path: Path, sha256: str) -> Path:
    """The folder with a model's graphs, exported now if missing or damaged.

    `path` and `sha256` are those of the checkpoint. Several processes may need the folder at once: each that finds none
    exports, the first to finish names its folder so, and all use that one. Raises the errors of `export`.
    """
    folder = user_cache() / "graphs" / f"{Path(name).stem}-{sha256[:16]}-{__version__}"
    if _is_whole(folder):
        return folder
    shutil.rmtree(folder, ignore_errors=True)  # damaged; another process may be removing it too
    from .checkpoints import load
    from .export import export

    try:
        export(load(path, sha256), folder, name=name, weights_sha256=sha256)
    except OutputError:
        if not _is_whole(folder):  # nor has another process made it meanwhile
            raise
    return folder


def _is_whole(folder: Path) -> bool:
    try:
        load_graph(folder)
    except ModelError:
        return False
    return True
