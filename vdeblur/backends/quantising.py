"""Post-training quantisation of the convolutions of exported models to int8, by NNCF (Kozlov et al. 2020).

Ranges are calibrated on clips run through the model itself, so that they include h, c and the restored frames that are
fed back. The result is in OpenVINO's format, which runs fast and close to fp32. Exported as ONNX with QuantizeLinear,
the model lost most of its gain in OpenVINO, and in ONNX Runtime it was no faster than fp32.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
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
from ..recurrence import CELL
from ..restorer import State
from ..version import __version__
from ..windows import windows
from .engines import Session, require
from .graph_engine import GraphEngine
from .graphs import COMPUTE, ENCODE, Graph, graph_file, hashes_of, load_graph, save_manifest
from .network_restorer import NetworkRestorer
from .phases import Samples

MAKERS = ("nncf", "openvino")
"""Packages that quantise."""
PATCH_CELLS = 16
"""Side of calibration patches in cells: dozens of full frames would not fit into memory."""
SCALES = {ENCODE: 2, COMPUTE: 4}
"""Pixels per sample of the first input of each graph."""
FLOAT_PARTS = ("stem", "head", "scale", "shift")
"""Layers that stay in floating point: the first and the last, which read and write the frame itself, and those of the
decoder whose results multiply and add to what the last one reads. They cost little time and most of the quality."""
FLOAT_TYPES = ("Add", "Multiply")
"""Sums and products of features stay in floating point too; those with a constant belong to their convolution."""


class _Recorder:
    """A session that records a patch of its inputs."""

    def __init__(self, session: Session, scale: int) -> None:
        """`scale` is the number of pixels of the frame per sample of the first input, along each axis."""
        self.session, self.precision, self._scale = session, session.precision, scale
        self.recorded: list[list[Samples]] = []

    def __call__(self, inputs: Sequence[Samples]) -> list[Samples]:
        cells = [side * self._scale // CELL for side in inputs[0].shape[2:]]
        first = [max((side - PATCH_CELLS) // 2, 0) for side in cells]
        self.recorded.append([_patch(x, cells, first) for x in inputs])
        return self.session(inputs)


def _patch(x: Samples, cells: list[int], first: list[int]) -> Samples:
    samples = [side // count for side, count in zip(x.shape[2:], cells, strict=True)]
    rows, columns = (slice(f * s, (f + PATCH_CELLS) * s) for f, s in zip(first, samples, strict=True))
    return np.ascontiguousarray(x[:, :, rows, columns])


def quantise(folder: str | Path, clips: Iterable[tuple[str, Iterable[Frame]]], output: str | Path) -> Graph:
    """Quantise an exported fp32 model to int8, into a new folder; `clips` are names and frames for calibration.

    Raises UsageError if NNCF or OpenVINO is not installed, InputError if the clips have no frames, ModelError for a
    model that is already quantised, and OutputError if the output exists.
    """
    folder, output = Path(folder), Path(output)
    graph = load_graph(folder)
    if graph.precision != "fp32":
        raise ModelError(f"{folder}: is already in {graph.precision}")
    if output.exists():
        raise OutputError(f"{output}: already exists; choose another folder")
    require("openvino")
    if find_spec("nncf") is None:
        raise UsageError("compressing to int8 needs NNCF: pip install 'vdeblur[compress]'")
    engine = GraphEngine(folder, "openvino", "fp32")
    recorders = {part: _Recorder(session, SCALES[part]) for part, session in engine.sessions.items()}
    engine.sessions.update(recorders)
    restorer = NetworkRestorer(graph.name, engine, tile=0)
    names, count = [], 0
    for name, frames in clips:
        names.append(name)
        state: State = None
        for window in windows(frames, restorer.past, restorer.future):
            _, state = restorer.restore(window, None if window.is_scene_start else state)
            count += 1
    if not count:
        raise InputError("no frames to calibrate on; give clips with frames")
    with new_folder(output) as written:
        for part, recorder in recorders.items():
            _quantise(graph_file(folder, part), recorder.recorded, graph_file(written, part, "int8"))
        made = replace(
            graph,
            precision="int8",
            graphs_sha256=hashes_of(written, "int8"),
            made_by=graph.made_by | {"vdeblur": __version__} | {name: metadata.version(name) for name in MAKERS},
            provenance=graph.provenance | {"calibration": names, "calibration_frames": count},
        )
        save_manifest(written, made)
    return made


def _quantise(path: Path, samples: list[list[Samples]], output: Path) -> None:
    """Write a graph in int8, calibrated on samples of its inputs.

    The residual blocks of the decoder come first, with ranges that are means over all frames: with the widest range,
    too few levels would be left for ordinary values. Elsewhere a value that is cut off does more harm than coarse
    levels, and ranges are the widest of all frames.
    """
    import openvino
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    model = openvino.convert_model(str(path))  # folds constants: otherwise NNCF would not find all biases to correct
    model = _with_quantised(model, samples, _is_in_decoder_block, RangeEstimatorParametersSet.MEAN_MINMAX, exactly=True)
    # NNCF can correct biases exactly only in a model of which nothing is quantised yet.
    model = _with_quantised(
        model, samples, lambda name: not _is_in_decoder_block(name), RangeEstimatorParametersSet.MINMAX, exactly=False
    )
    openvino.save_model(model, str(output), compress_to_fp16=False)


def _with_quantised(
    model: Any, samples: list[list[Samples]], chosen: Callable[[str], bool], ranges: Any, *, exactly: bool
) -> Any:
    """A model of which the convolutions with a `chosen` weight are quantised, but for FLOAT_PARTS.

    `ranges` says how those of activations are estimated, `exactly` how biases are corrected.
    """
    import nncf

    weights = {node.get_friendly_name(): _weight_of(node) for node in model.get_ops() if _is_convolution(node)}
    kept = [name for name, weight in weights.items() if stays_float(weight) or not chosen(weight)]
    if len(kept) == len(weights):
        return model
    inputs = [entry.any_name for entry in model.inputs]
    sums = [node.get_friendly_name() for node in model.get_ops() if _combines_features(node)]
    nncf.set_log_level(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it prints progress bars
        warnings.simplefilter("ignore")
        return nncf.quantize(
            model,
            nncf.Dataset([dict(zip(inputs, sample, strict=True)) for sample in samples]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(samples),
            fast_bias_correction=not exactly,
            ignored_scope=nncf.IgnoredScope(names=kept + sums),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                # CPUs without VNNI add pairs of products in 16 bits, which large ones may overflow. Weights of 7 bits
                # would rule it out, and lost 0.04 dB; those of 8 lose 0.01 there too, see `tests/test_int8.py`.
                overflow_fix=nncf.OverflowFix.DISABLE,
                activations_range_estimator_params=ranges,
            ),
        )


def _is_in_decoder_block(weight: str) -> bool:
    return "decoder.blocks." in weight


def stays_float(weight: str) -> bool:
    """Whether the convolution with a weight of this name, in dots, is among FLOAT_PARTS."""
    return not set(FLOAT_PARTS).isdisjoint(weight.split("."))


def _is_convolution(node: Any) -> bool:
    return bool(node.get_type_name() == "Convolution")


def _weight_of(convolution: Any) -> str:
    return str(convolution.input_values()[1].get_node().get_friendly_name())


def _combines_features(node: Any) -> bool:
    """Whether an operator is a sum or product of features."""
    takes = [value.get_node() for value in node.input_values()]
    return node.get_type_name() in FLOAT_TYPES and all(other.get_type_name() != "Constant" for other in takes)
