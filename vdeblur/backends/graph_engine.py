"""An exported model as an engine: aligned in NumPy, computed by ONNX Runtime or OpenVINO on the processor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .engines import open_session
from .folding import Samples
from .graphs import COMPUTE, ENCODE, PARTS, load_graph


class GraphEngine:
    """A model's graphs, each in a session of an engine."""

    device = "cpu"
    bytes_per_value = 4

    def __init__(self, folder: str | Path, engine: str, precision: str = "auto", sha256: str | None = None) -> None:
        """`folder` holds what `vdeblur export` or `compress` wrote; `sha256` is its graphs' hash, if known.

        Raises ModelError for a folder that cannot be trusted, UsageError for an engine or precision not to be had.
        """
        self.graph = load_graph(folder, sha256)
        self.name = engine
        self.past, self.future = self.graph.past, self.graph.future
        self.uses_motion, self.reach = self.graph.uses_motion, self.graph.reach
        self.features = self.graph.features
        self.sessions = {part: open_session(engine, Path(folder), self.graph, part, precision) for part in PARTS}
        self.precision = self.sessions[COMPUTE].precision
        aligner = self.graph.aligner()
        self.align, self.remember = aligner.align, aligner.remember

    def load(self, folded: Samples) -> Samples:
        """It computes where frames are folded."""
        return folded

    def encode(self, frames: Sequence[Samples]) -> Sequence[Samples]:
        """A frame's features."""
        return self._run(ENCODE, frames)

    def compute(self, aligned: Sequence[Samples]) -> Sequence[Samples]:
        """The residual, and what the next state is made of."""
        return self._run(COMPUTE, aligned)

    def _run(self, part: str, inputs: Sequence[Samples]) -> Sequence[Samples]:
        return self.sessions[part]([np.ascontiguousarray(x) for x in inputs])

    def fetch(self, x: Samples) -> Samples:
        """As it is."""
        return x

    def release(self) -> None:
        """Nothing is held between frames."""

    def move_to_cpu(self) -> None:
        """It is there."""
