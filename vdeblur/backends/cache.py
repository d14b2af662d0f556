"""The cache folder, which keeps checkpoints exported for engines that run graphs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..errors import ModelError
from ..version import __version__
from .graphs import is_graph, load_graph


def cache_folder() -> Path:
    """`vdeblur` in the user's cache folder (XDG_CACHE_HOME, ~/.cache)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vdeblur"


def exported(name: str, path: Path, sha256: str) -> Path:
    """The folder with a model's graphs, exported now if missing or damaged.

    `path` and `sha256` are those of the checkpoint. Raises the errors of `export`.
    """
    folder = cache_folder() / "graphs" / f"{Path(name).stem}-{sha256[:16]}-{__version__}"
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
