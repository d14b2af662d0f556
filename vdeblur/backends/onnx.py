"""Graphs in ONNX Runtime, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from ..cores import threads
from ..errors import UsageError
from .graphs import Graph
from .phases import Samples


class OnnxSession:
    """A graph in ONNX Runtime."""

    def __init__(self, path: Path, graph: Graph, precision: str) -> None:
        """`precision` is "auto" or that of the graph: ONNX Runtime has no other. Raises UsageError."""
        if precision not in ("auto", graph.precision):
            raise UsageError(f"the onnx engine runs this model in {graph.precision}, not in {precision}")
        self.precision = graph.precision
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # see `vdeblur.cores`
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._names = [entry.name for entry in self._session.get_inputs()]

    def __call__(self, inputs: Sequence[Samples]) -> list[Samples]:
        """See `Session`."""
        given = map(np.ascontiguousarray, inputs)
        return list(self._session.run(None, dict(zip(self._names, given, strict=True))))
