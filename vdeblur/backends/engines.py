"""Engines: what can run a network. torch runs checkpoints; the others run exported graphs, and need no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from ..errors import ModelError, UsageError
from ..recurrence import Encoded, Motion
from .flow import FlowPlanes
from .folding import Samples
from .graphs import Graph, graph_file
from .tiles import Array


class Engine(Protocol):
    """A network where it is computed, with arrays of its own kind; `encode` and `compute` may be given tiles."""

    name: str
    """As `--engine` calls it."""
    device: str
    precision: str
    past: int
    future: int
    uses_motion: bool
    """Whether `align` wants optical flow."""
    reach: tuple[int, int]
    """How many cells beyond a sample's own `encode` and `compute` look."""
    features: float
    """Values that the network holds per pixel, by which memory is reckoned."""
    bytes_per_value: int

    def load(self, folded: Samples) -> Array:
        """A folded frame where it is computed."""
        ...

    def encode(self, frames: Sequence[Array]) -> Sequence[Array]:
        """One frame (1, 6, h, w) -> its features."""
        ...

    def align(
        self, centre: Encoded[Array], future: Encoded[Array] | None, motion: Motion[FlowPlanes | None], state: Any
    ) -> Sequence[Array]:
        """The centre and the frame after it, flow and state -> what `compute` takes; see `aligning.Aligner`."""
        ...

    def compute(self, aligned: Sequence[Array]) -> Sequence[Array]:
        """The residual first, then what `remember` makes the next state of."""
        ...

    def remember(self, centre: Encoded[Array], computed: Sequence[Array]) -> Any:
        """The state for the next frame."""
        ...

    def fetch(self, x: Array) -> Samples:
        """An array where frames are unfolded."""
        ...

    def release(self) -> None:
        """Give back memory that is held for later."""
        ...

    def move_to_cpu(self) -> None:
        """Compute on the processor from now on, with states and frames that were fetched."""
        ...


class Session(Protocol):
    """A loaded graph."""

    @property
    def precision(self) -> str:
        """In which it computes: fp32, bf16 or int8."""
        ...

    def __call__(self, inputs: Sequence[Samples]) -> list[Samples]:
        """The graph's outputs, in its order, for inputs in its order."""
        ...


ENGINES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}
"""Engine -> the package that it needs. Each but torch's is the extra of the engine's name."""

GRAPH_ENGINES = {"fp32": ("openvino", "onnx"), "int8": ("openvino",)}
"""Precision -> engines that run models exported in it, the one that is faster on most processors first."""


def is_installed(engine: str) -> bool:
    """Whether the engine's package is there; it is not loaded."""
    return find_spec(ENGINES[engine]) is not None


def installed_engines() -> list[str]:
    """The engines that could be used here."""
    return [engine for engine in ENGINES if is_installed(engine)]


def remedy(engine: str) -> str:
    """How an engine is installed."""
    return "pip install torch" if engine == "torch" else f"pip install 'vdeblur[{engine}]'"


def require(engine: str) -> None:
    """Raise UsageError for an engine that is unknown or not installed."""
    if engine not in ENGINES:
        raise UsageError(f"unknown engine {engine!r}; choose auto, {', '.join(ENGINES)}")
    if not is_installed(engine):
        instead = ", or use int8 or a model that `vdeblur export` wrote" if engine == "torch" else ""
        raise UsageError(f"the {engine} engine is not installed: {remedy(engine)}{instead}")


def open_session(engine: str, folder: Path, graph: Graph, part: str, precision: str = "auto") -> Session:
    """Load a part of a model; raises UsageError for a precision it cannot do, ModelError for an unfit graph."""
    require(engine)
    if precision == "int8" and graph.precision != "int8":
        raise UsageError(f"{folder}: is in {graph.precision}; `vdeblur compress` makes a model in int8 of it")
    opener: Callable[[Path, Graph, str], Session]
    if engine == "onnx":
        from . import onnx

        opener = onnx.OnnxSession
    else:
        from . import openvino

        opener = openvino.OpenVinoSession
    path = graph_file(folder, part, graph.precision)
    try:
        return opener(path, graph, precision)
    except RuntimeError as error:  # both engines' own errors are RuntimeErrors
        raise ModelError(f"{path}: {engine} cannot load it ({' '.join(str(error).split())})") from error
