"""A network as an ONNX graph that engines fuse well: frames of any size, folding by two as ONNX's own operator."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..files import file_sha256, new_folder
from ..models import CELL, StreamNetwork
from ..version import __version__
from .checkpoints import Checkpoint
from .graphs import MODEL, Graph, save_manifest

OPSET = 18
EXAMPLE_CELLS = (3, 5)
"""Rows and columns that the graph is traced with; any other number of cells does as well."""


class _Compute(nn.Module):
    """`compute` as a module's forward."""

    def __init__(self, network: StreamNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, *aligned: Tensor) -> tuple[Tensor, ...]:
        return self.network.compute(*aligned)


def export(checkpoint: Checkpoint, folder: str | Path, *, name: str, weights_sha256: str) -> Graph:
    """Write a checkpoint's graph and manifest as a new folder, which is there whole or not at all.

    `name` is the model's; `weights_sha256` the hash of the checkpoint's file.

    Raises OutputError where the folder exists, UsageError where the exporter is not installed.
    """
    folder, network = Path(folder), checkpoint.network()
    for package in ("onnx", "onnxscript"):
        if find_spec(package) is None:
            raise UsageError(f"exporting needs {package}: pip install 'vdeblur[onnx]'")
    with new_folder(folder) as part:
        _write_graph(network, part / MODEL)
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
            model_sha256=file_sha256(part / MODEL),
            made_by={"vdeblur": __version__, "torch": torch.__version__, "onnx": metadata.version("onnx")},
            provenance=checkpoint.provenance,
        )
        save_manifest(part, graph)
    return graph


def _write_graph(network: StreamNetwork, path: Path) -> None:
    network = network.eval().float()
    rows, columns = (CELL // 2 * cells for cells in EXAMPLE_CELLS)
    with torch.no_grad():
        aligned = network.align(torch.zeros(1, 6, rows, columns), None, None, None)
    names = getattr(aligned, "_fields", ("frames",))
    example = tuple(x.clone() for x in aligned)  # h and c begin as one tensor, which would become one input
    cells = [torch.export.Dim(axis, min=1) for axis in ("rows", "columns")]
    shapes = tuple(
        {2 + axis: x.shape[2 + axis] // EXAMPLE_CELLS[axis] * cells[axis] for axis in (0, 1)} for x in aligned
    )
    outputs = ["residual", *(f"next_{name}" for name in names[2:])]
    with _quiet():
        torch.onnx.export(
            _Compute(network),
            example,
            str(path),
            input_names=list(names),
            output_names=outputs,
            opset_version=OPSET,
            dynamic_shapes=(shapes,),
            external_data=False,
            dynamo=True,
            verbose=False,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of packages it does without, and of deprecations within itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
