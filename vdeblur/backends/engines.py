"""Engines, which run networks: torch runs checkpoints; the others run exported graphs and do not need torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from ..errors import ModelError, UsageError
from ..recurrence import Encoded, Motion
from .flow import FlowPlanes
from .graphs import Graph, graph_file
from .phases import Samples
from .tiles import Array


class Engine(Protocol):
    """A network on a device, with arrays of its own type. `encode` and `compute` may be given tiles."""

    name: str
    """A key of ENGINES."""
    device: str
    precision: str
    past: int
    future: int
    uses_motion: bool
    """Whether `align` needs optical flow."""
    settles: bool
    """Whether a scene's first frame is restored once beforehand, for the state; see `StreamNetwork.begin`."""
    reach: tuple[int, int]
    """Radius, in cells, of the receptive fields of `encode` and of `compute`."""
    features: float
    """Feature values per pixel, for estimates of memory."""
    bytes_per_value: int

    def load(self, folded: Samples) -> Array:
        """A folded frame on the device."""
        ...

    def encode(self, frames: Sequence[Array]) -> Sequence[Array]:
        """One frame (1, 6, h, w) -> features."""
        ...

    def align(
        self, centre: Encoded[Array], future: Encoded[Array] | None, motion: Motion[FlowPlanes | None], state: Any
    ) -> Sequence[Array]:
        """The centre, the frame after it, flow and state -> the inputs of `compute`; see `aligning.Aligner`."""
        ...

    def compute(self, aligned: Sequence[Array]) -> Sequence[Array]:
        """The residual, followed by arrays for `remember`."""
        ...

    def remember(self, centre: Encoded[Array], computed: Sequence[Array]) -> Any:
        """The state for the next frame."""
        ...

    def fetch(self, x: Array) -> Samples:
        """An array in NumPy."""
        ...

    def release(self) -> None:
        """Free cached memory."""
        ...

    def move_to_cpu(self) -> None:
        """Compute on the CPU from now on; states and frames must be fetched first."""
        ...


class Session(Protocol):
    """A loaded graph."""

    @property
    def precision(self) -> str:
        """fp32, bf16 or int8."""
        ...

    def __call__(self, inputs: Sequence[Samples]) -> list[Samples]:
        """The outputs of the graph for its inputs, both in its order."""
        ...


ENGINES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}
"""Engine -> the package that it needs. Except for torch, the extra has the name of the engine."""

GRAPH_ENGINES = {"fp32": ("openvino", "onnx"), "int8": ("openvino",)}
"""Precision -> engines that run models exported in it; the first is the faster on most processors."""


def is_installed(engine: str) -> bool:
    """Whether the package of an engine is installed; does not load it."""
    return find_spec(ENGINES[engine]) is not None


def installed_engines() -> list[str]:
    """The engines installed here."""
    return [engine for engine in ENGINES if is_installed(engine)]


def remedy(engine: str) -> str:
    """The command that installs an engine."""
    return "pip install torch" if engine == "torch" else f"pip install 'vdeblur[{engine}]'"


def require(engine: str) -> None:
    """Raise UsageError for an engine that is unknown or not installed."""
    if engine not in ENGINES:
        raise UsageError(f"unknown engine {engine!r}; choose auto, {', '.join(ENGINES)}")
    if not is_installed(engine):
        instead = ", or use int8 or a model that `vdeblur export` wrote" if engine == "torch" else ""
        raise UsageError(f"the {engine} engine is not installed: {remedy(engine)}{instead}")


def open_session(engine: str, folder: Path, graph: Graph, part: str, precision: str = "auto") -> Session:
    """Load a part of a model. Raises UsageError for an unsupported precision, ModelError if the engine rejects it."""
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
    except RuntimeError as error:  # the base of both engines' errors
        raise ModelError(f"{path}: {engine} cannot load it ({' '.join(str(error).split())})") from error
