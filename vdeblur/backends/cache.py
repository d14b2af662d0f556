"""The cache folder: checkpoints exported once, for engines that run graphs."""

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
    """The folder of a model's graph, which is exported now where it is not there yet, or not whole.

    `path` and `sha256` are the checkpoint's. Raises what `export` raises.
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
