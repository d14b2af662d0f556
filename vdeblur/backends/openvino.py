"""Graphs in OpenVINO, on the CPU.

A graph is compiled for each frame size by itself, which takes a tenth of a second: OpenVINO joins more layers where
sizes are known. And features that pass from graph to graph stay as it has them, channels last and in the precision of
its floats: as planes of float32 they would take a third of the time of a model in int8.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

from ..cores import threads
from ..errors import UsageError
from .graphs import Graph
from .phases import Samples

PRECISIONS = {"fp32": "f32", "bf16": "bf16"}
"""Our name -> that of OpenVINO."""
SIZES = 4
"""Frame sizes for which a graph is kept compiled: the last ones."""


@cache
def _core() -> Any:
    return openvino.Core()


def computes_bf16() -> bool:
    """Whether the CPU has bf16 instructions, and oneDNN, with which OpenVINO computes, may use them.

    OpenVINO reports what the processor can do; where ONEDNN_MAX_CPU_ISA allows less, a model in bf16 would not run.
    """
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    is_allowed = allowed in ("ALL", "DEFAULT") or any(name in allowed for name in ("BF16", "FP16", "AMX"))
    return is_allowed and "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _of_floats(precision: str) -> str:
    """The precision of the layers that are not quantised."""
    return ("bf16" if computes_bf16() else "fp32") if precision == "int8" else precision


class _Compiled(NamedTuple):
    """A graph for inputs of certain shapes."""

    request: Any
    outputs: list[tuple[str, tuple[int, ...]]]
    """Name and shape of each."""


class OpenVinoSession:
    """A graph in OpenVINO."""

    def __init__(self, path: Path, graph: Graph, precision: str) -> None:
        """`precision` "auto" is that of the graph, but bf16 for fp32 graphs on CPUs with bf16 instructions.

        Raises UsageError for any other.
        """
        known = [graph.precision]
        if graph.precision == "fp32" and computes_bf16():
            known.append("bf16")
        self.precision = known[-1] if precision == "auto" else precision
        if self.precision not in known:
            raise UsageError(f"the openvino engine runs this model here in {' or '.join(known)}, not {precision}")
        self._floats = PRECISIONS[_of_floats(self.precision)]
        self._passed_on = graph.passed_on
        self._model = _core().read_model(str(path))
        self._inputs = _names(self._model.inputs)
        self._compiled = lru_cache(SIZES)(self._compile)

    def __call__(self, inputs: Sequence[Samples]) -> list[Samples]:
        """See `Session`."""
        request, outputs = self._compiled(tuple(x.shape for x in inputs))
        results = [self._empty(*output) for output in outputs]
        for place, result in enumerate(results):
            request.set_output_tensor(place, _tensor(result))
        named = zip(self._inputs, inputs, strict=True)
        request.infer([_tensor(self._given(name, x)) for name, x in named], share_inputs=True)
        return [self._taken(name, result) for (name, _), result in zip(outputs, results, strict=True)]

    def _empty(self, name: str, shape: tuple[int, ...]) -> Samples:
        is_bf16 = name in self._passed_on and self._floats == "bf16"
        return np.empty(shape, np.uint16 if is_bf16 else np.float32)  # NumPy has no bf16

    def _given(self, name: str, x: Samples) -> Samples:
        """An input as OpenVINO takes it; copied only in tiles."""
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1) if name in self._passed_on else x)

    def _taken(self, name: str, x: Samples) -> Samples:
        """An output as (n, c, h, w)."""
        return x.transpose(0, 3, 1, 2) if name in self._passed_on else x

    def _compile(self, shapes: tuple[tuple[int, ...], ...]) -> _Compiled:
        model = self._model.clone()
        model.reshape({name: openvino.PartialShape(shape) for name, shape in zip(self._inputs, shapes, strict=True)})
        tensors = PrePostProcessor(model)
        for ports, of in ((model.inputs, tensors.input), (model.outputs, tensors.output)):
            for place, name in enumerate(_names(ports)):
                if name in self._passed_on:
                    of(place).tensor().set_layout(openvino.Layout("NHWC")).set_element_type(
                        getattr(openvino.Type, self._floats)
                    )
                    of(place).model().set_layout(openvino.Layout("NCHW"))
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads(),
            "INFERENCE_PRECISION_HINT": self._floats,
        }
        compiled = _core().compile_model(tensors.build(), "CPU", settings)
        made = [tuple(port.shape) for port in compiled.outputs]
        return _Compiled(compiled.create_infer_request(), list(zip(_names(model.outputs), made, strict=True)))


def _names(ports: Any) -> list[str]:
    return [port.get_any_name() for port in ports]


def _tensor(x: Samples) -> Any:
    """A contiguous array as a tensor of OpenVINO, without a copy."""
    if x.dtype == np.uint16:
        return openvino.Tensor(x, x.shape, openvino.Type.bf16)
    return openvino.Tensor(x, shared_memory=True)
