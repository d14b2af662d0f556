"""Post-training quantisation: exported graphs with their convolutions in int8, by NNCF (Kozlov et al. 2020).

Ranges are taken from what the graph is really shown: the caller's clips run through the model itself, so that h, c and
the restored frames that come back as inputs are among what is measured.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, ModelError, OutputError, UsageError
from ..files import new_folder
from ..frames import Frame
from ..restorer import State
from ..version import __version__
from ..windows import windows
from .choice import choose_graph_engine
from .engines import Session
from .folding import MULTIPLE, Samples
from .graph_engine import GraphEngine
from .graphs import COMPUTE, ENCODE, Graph, graph_file, hashes_of, load_graph, save_manifest
from .network_restorer import NetworkRestorer

PATCH_CELLS = 16
"""Side of the patches that are measured, in cells: full frames would not fit in memory by the dozen."""
SCALES = {ENCODE: 2, COMPUTE: 4}
"""Pixels per sample of the first input of each graph."""
FLOAT_NAMES = ("cell", "head")
"""Parts of a network's modules that stay in floating point: the state's gates, whose errors would come back with every
frame, and the last convolution, which alone has nothing after it that evens its error out."""


class _Recorder:
    """A session that keeps a patch of what it is shown."""

    def __init__(self, session: Session, scale: int) -> None:
        """`scale` is how many pixels of the frame a sample of the first input stands for, along each side."""
        self.session, self.precision, self._scale = session, session.precision, scale
        self.shown: list[list[Samples]] = []

    def __call__(self, inputs: Sequence[Samples]) -> list[Samples]:
        cells = [side * self._scale // MULTIPLE for side in inputs[0].shape[2:]]
        first = [max((side - PATCH_CELLS) // 2, 0) for side in cells]
        self.shown.append([_patch(x, cells, first) for x in inputs])
        return self.session(inputs)


def _patch(x: Samples, cells: list[int], first: list[int]) -> Samples:
    samples = [side // count for side, count in zip(x.shape[2:], cells, strict=True)]
    rows, columns = (slice(f * s, (f + PATCH_CELLS) * s) for f, s in zip(first, samples, strict=True))
    return np.ascontiguousarray(x[:, :, rows, columns])


def quantise(folder: str | Path, clips: Iterable[tuple[str, Iterable[Frame]]], output: str | Path) -> Graph:
    """Write an exported fp32 model again in int8, as a new folder; `clips` are names and frames to take ranges from.

    Raises UsageError where NNCF is not installed, InputError where there are no frames, ModelError for a model that is
    quantised already, OutputError where the output exists.
    """
    folder, output = Path(folder), Path(output)
    graph = load_graph(folder)
    if graph.precision != "fp32":
        raise ModelError(f"{folder}: is {graph.precision} already")
    if output.exists():
        raise OutputError(f"{output}: exists already; choose another folder")
    try:
        import nncf  # noqa: F401
        import onnx
    except ImportError as error:
        raise UsageError("compressing to int8 needs NNCF: pip install 'vdeblur[compress]'") from error
    engine = GraphEngine(folder, choose_graph_engine("auto"), "fp32")
    recorders = {part: _Recorder(session, SCALES[part]) for part, session in engine.sessions.items()}
    engine.sessions.update(recorders)
    restorer = NetworkRestorer(graph.name, engine, tile=0)
    names = []
    for name, frames in clips:
        names.append(name)
        state: State = None
        for window in windows(frames, restorer.past, restorer.future):
            _, state = restorer.restore(window, None if window.is_scene_start else state)
    count = len(recorders[ENCODE].shown)
    if not count:
        raise InputError("there are no frames to take ranges from; give clips that hold some")
    with new_folder(output) as written:
        for part, recorder in recorders.items():
            onnx.save(_quantised(onnx.load(graph_file(folder, part)), recorder.shown), graph_file(written, part))
        made = replace(
            graph,
            precision="int8",
            graphs_sha256=hashes_of(written),
            made_by=graph.made_by | {"vdeblur": __version__, "nncf": metadata.version("nncf")},
            provenance=graph.provenance | {"calibration": names, "calibration_frames": count},
        )
        save_manifest(written, made)
    return made


def _quantised(model: Any, shown: list[list[Samples]]) -> Any:
    """An ONNX model in int8, its ranges taken from what it was shown."""
    import nncf

    inputs = [entry.name for entry in model.graph.input]
    nncf.set_log_level(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it draws bars of its own there
        warnings.simplefilter("ignore")
        return nncf.quantize(
            model,
            nncf.Dataset([dict(zip(inputs, sample, strict=True)) for sample in shown]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(shown),
            ignored_scope=nncf.IgnoredScope(names=_float_nodes(model), validate=False),
        )


def _float_nodes(model: Any) -> list[str]:
    """Names of the convolutions that belong to FLOAT_NAMES, by the weights they take."""
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv" and any(part in node.input[1].split(".") for part in FLOAT_NAMES)
    ]
