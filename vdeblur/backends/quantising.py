"""Post-training quantisation: exported models with their convolutions in int8, by NNCF (Kozlov et al. 2020).

Ranges are taken from what the model is really shown: the caller's clips run through the model itself, so that h, c and
the restored frames that come back as inputs are among what is measured. The result is in OpenVINO's own form, which it
computes fast and near fp32; of the same model as ONNX with QuantizeLinear it lost most of what a network adds, and ONNX
Runtime was no faster with that than in fp32.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, ModelError, OutputError, UsageError
from ..files import new_folder
from ..frames import Frame
from ..restorer import State
from ..version import __version__
from ..windows import windows
from .engines import Session, require
from .folding import MULTIPLE, Samples
from .graph_engine import GraphEngine
from .graphs import COMPUTE, ENCODE, Graph, graph_file, hashes_of, load_graph, save_manifest
from .network_restorer import NetworkRestorer

MAKERS = ("nncf", "openvino")
"""Packages that write it."""
PATCH_CELLS = 16
"""Side of the patches that are measured, in cells: full frames would not fit in memory by the dozen."""
SCALES = {ENCODE: 2, COMPUTE: 4}
"""Pixels per sample of the first input of each graph."""
FLOAT_PART = "stem"
"""The part of a network whose convolution stays in floating point. It is shown the frame itself, whose every level
counts: in int8 it costs the most quality of all, and no time is won by it."""
FLOAT_TYPES = ("Add", "Multiply")
"""Sums and products of features stay so too, for the same reasons; those with a constant go with their convolution."""


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

    Raises UsageError where NNCF or OpenVINO is not installed, InputError where there are no frames, ModelError for a
    model that is quantised already, OutputError where the output exists.
    """
    folder, output = Path(folder), Path(output)
    graph = load_graph(folder)
    if graph.precision != "fp32":
        raise ModelError(f"{folder}: is {graph.precision} already")
    if output.exists():
        raise OutputError(f"{output}: already exists; choose another folder")
    require("openvino")
    if find_spec("nncf") is None:
        raise UsageError("compressing to int8 needs NNCF: pip install 'vdeblur[compress]'")
    engine = GraphEngine(folder, "openvino", "fp32")
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
            _quantise(graph_file(folder, part), recorder.shown, graph_file(written, part, "int8"))
        made = replace(
            graph,
            precision="int8",
            graphs_sha256=hashes_of(written, "int8"),
            made_by=graph.made_by | {"vdeblur": __version__} | {name: metadata.version(name) for name in MAKERS},
            provenance=graph.provenance | {"calibration": names, "calibration_frames": count},
        )
        save_manifest(written, made)
    return made


def _quantise(path: Path, shown: list[list[Samples]], output: Path) -> None:
    """Write a graph in int8, its ranges taken from what it was shown."""
    import nncf
    import openvino
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    model = openvino.convert_model(str(path))  # which folds constants: NNCF corrects only biases that it can see
    inputs = [entry.any_name for entry in model.inputs]
    nncf.set_log_level(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it draws bars of its own there
        warnings.simplefilter("ignore")
        quantised = nncf.quantize(
            model,
            nncf.Dataset([dict(zip(inputs, sample, strict=True)) for sample in shown]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(shown),
            fast_bias_correction=False,
            ignored_scope=nncf.IgnoredScope(
                names=[node.get_friendly_name() for node in model.get_ops() if _stays_float(node)]
            ),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                # Processors without VNNI add pairs of products in 16 bits, which weights of all eight bits overflow.
                overflow_fix=nncf.OverflowFix.ENABLE,
                # The means of the frames' own ranges: the widest of them leaves too few steps for what is usual.
                activations_range_estimator_params=RangeEstimatorParametersSet.MEAN_MINMAX,
            ),
        )
    openvino.save_model(quantised, str(output), compress_to_fp16=False)


def _stays_float(node: Any) -> bool:
    """Whether an operator is of FLOAT_PART, by the weights it takes, or a sum or product of features."""
    takes = [value.get_node() for value in node.input_values()]
    if node.get_type_name() == "Convolution":
        return FLOAT_PART in takes[1].get_friendly_name().split(".")
    return node.get_type_name() in FLOAT_TYPES and all(other.get_type_name() != "Constant" for other in takes)
