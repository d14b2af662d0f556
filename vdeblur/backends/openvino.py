"""Graphs in OpenVINO, on the CPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import openvino

from ..cores import threads
from ..errors import UsageError
from .graphs import Graph
from .phases import Samples

PRECISIONS = {"fp32": "f32", "bf16": "bf16"}
"""Our name -> that of OpenVINO."""


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


class OpenVinoSession:
    """A graph compiled by OpenVINO."""

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
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads(),
            "INFERENCE_PRECISION_HINT": PRECISIONS[_of_floats(self.precision)],
        }
        compiled = _core().compile_model(str(path), "CPU", settings)
        self._outputs = len(compiled.outputs)
        self._request = compiled.create_infer_request()

    def __call__(self, inputs: Sequence[Samples]) -> list[Samples]:
        """See `Session`."""
        self._request.infer(list(inputs), share_inputs=True)
        # The next request overwrites these tensors.
        return [self._request.get_output_tensor(i).data.copy() for i in range(self._outputs)]
