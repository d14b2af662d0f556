"""Models in other forms: exported as graphs for engines that need no torch, and in int8."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .backends.graphs import Graph, is_graph
from .errors import UsageError
from .files import file_sha256
from .frames import Frame
from .loading import weights_of


def export_model(name: str, output: str | Path) -> Graph:
    """Export a published model or a .safetensors file; see `backends.export`. Raises what that raises."""
    from .backends.checkpoints import load
    from .backends.export import export

    path, sha256 = weights_of(name)
    if is_graph(path):
        raise UsageError(f"{name}: already exported")
    checkpoint = load(path, sha256)
    return export(checkpoint, output, name=Path(name).stem, weights_sha256=sha256 or file_sha256(path))


def quantise_model(name: str, clips: Iterable[tuple[str, Iterable[Frame]]], output: str | Path) -> Graph:
    """Quantise a model, exported or not, to int8; see `backends.quantising`. Raises what that raises."""
    from .backends.cache import exported
    from .backends.quantising import quantise

    path, sha256 = weights_of(name)
    folder = path if is_graph(path) else exported(name, path, sha256 or file_sha256(path))
    return quantise(folder, clips, output)
