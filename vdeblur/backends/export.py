"""Export of a network to ONNX graphs for frames of any size, with operators that engines fuse well."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..files import new_folder
from ..models import StreamNetwork
from ..recurrence import CELL
from ..version import __version__
from .aligning import ALIGNERS
from .checkpoints import Checkpoint
from .graphs import COMPUTE, ENCODE, Graph, graph_file, hashes_of, save_manifest

OPSET = 18
EXAMPLE_CELLS = (3, 5)
"""Rows and columns of the traced example; the graphs take any number of cells."""


class _Part(nn.Module):
    """A module whose forward is a method of a network."""

    def __init__(self, network: StreamNetwork, method: Callable[..., tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.network, self.method = network, method

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.method(*inputs))


def export(checkpoint: Checkpoint, folder: str | Path, *, name: str, weights_sha256: str) -> Graph:
    """Write the graphs and manifest of a checkpoint to a new folder, atomically.

    `name` is the name of the model, `weights_sha256` the hash of the checkpoint's file.

    Raises OutputError if the folder exists, and UsageError if the exporter is not installed or if this kind of network
    has no aligner.
    """
    if checkpoint.kind not in ALIGNERS:
        raise UsageError(f"{name}: a model of kind {checkpoint.kind} runs on torch only; choose the engine torch")
    folder, network = Path(folder), checkpoint.network()
    for package in ("onnx", "onnxscript"):
        if find_spec(package) is None:
            raise UsageError(f"exporting needs {package}: pip install 'vdeblur[onnx]'")
    with new_folder(folder) as part:
        _write_graphs(network, part)
        graph = Graph(
            name=name,
            kind=checkpoint.kind,
            config=asdict(network.config),
            precision="fp32",
            past=network.past,
            future=network.future,
            uses_motion=network.uses_motion,
            reach=network.reach,
            weights_sha256=weights_sha256,
            graphs_sha256=hashes_of(part),
            made_by={"vdeblur": __version__, "torch": torch.__version__, "onnx": metadata.version("onnx")},
            provenance=checkpoint.provenance,
        )
        save_manifest(part, graph)
    return graph


def _write_graphs(network: StreamNetwork, folder: Path) -> None:
    network = network.eval().float()
    rows, columns = (CELL // 2 * cells for cells in EXAMPLE_CELLS)
    with torch.no_grad():
        encoded = network.encoded(torch.zeros(1, 6, rows, columns))
        aligned = network.align(encoded, None, None, None)
        computed = network.compute(*aligned)
    shown = [f"feature_{place}" for place in range(len(encoded.features))]
    names = list(getattr(aligned, "_fields", shown))
    results = ["residual", *(f"next_{name}" for name in names[len(names) - len(computed) + 1 :])]
    _write(_Part(network, network.encode), [encoded.frame], graph_file(folder, ENCODE), ["frame"], shown)
    _write(_Part(network, network.compute), aligned, graph_file(folder, COMPUTE), names, results)


def _write(part: nn.Module, inputs: Sequence[Tensor], path: Path, names: list[str], results: list[str]) -> None:
    example = tuple(x.clone() for x in inputs)  # a tensor passed as two inputs would be exported as one
    cells = [torch.export.Dim(axis, min=1) for axis in ("rows", "columns")]
    shapes = tuple(
        {2 + axis: x.shape[2 + axis] // EXAMPLE_CELLS[axis] * cells[axis] for axis in (0, 1)} for x in example
    )
    with _quiet():
        torch.onnx.export(
            part,
            example,
            str(path),
            input_names=names,
            output_names=results,
            opset_version=OPSET,
            dynamic_shapes=(shapes,),
            external_data=False,
            dynamo=True,
            verbose=False,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's notes on optional packages and its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
