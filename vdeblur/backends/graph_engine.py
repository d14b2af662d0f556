"""The engine for exported models: alignment in NumPy, graphs in ONNX Runtime or OpenVINO, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .engines import open_session
from .graphs import COMPUTE, ENCODE, PARTS, load_graph
from .phases import Samples


class GraphEngine:
    """The graphs of a model, one session each."""

    device = "cpu"
    bytes_per_value = 4

    def __init__(self, folder: str | Path, engine: str, precision: str = "auto", sha256: str | None = None) -> None:
        """`folder` is an exported or compressed model, `sha256` the hash of its graphs, if known.

        Raises ModelError for a damaged or altered folder, UsageError for an unavailable engine or precision.
        """
        self.graph = load_graph(folder, sha256)
        self.name = engine
        self.past, self.future = self.graph.past, self.graph.future
        self.uses_motion, self.reach = self.graph.uses_motion, self.graph.reach
        self.features = self.graph.features
        self.sessions = {part: open_session(engine, Path(folder), self.graph, part, precision) for part in PARTS}
        self.precision = self.sessions[COMPUTE].precision
        aligner = self.graph.aligner()
        self.align, self.remember, self.settles = aligner.align, aligner.remember, aligner.settles

    def load(self, folded: Samples) -> Samples:
        """Unchanged."""
        return folded

    def encode(self, frames: Sequence[Samples]) -> Sequence[Samples]:
        """See `Engine`."""
        return self._run(ENCODE, frames)

    def compute(self, aligned: Sequence[Samples]) -> Sequence[Samples]:
        """See `Engine`."""
        return self._run(COMPUTE, aligned)

    def _run(self, part: str, inputs: Sequence[Samples]) -> Sequence[Samples]:
        return self.sessions[part](inputs)

    def fetch(self, x: Samples) -> Samples:
        """Unchanged."""
        return x

    def release(self) -> None:
        """Nothing to free."""

    def move_to_cpu(self) -> None:
        """Nothing to do."""
