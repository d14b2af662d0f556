"""Exported models: a folder with the graphs of a network and a manifest. Does not need torch.

encode.onnx       `encode` of the network, for frames of any size
compute.onnx      `compute` of the network
manifest.json     the fields of `Graph`

A model in int8 has its graphs in OpenVINO's own form, each as an .xml file beside a .bin file with its weights.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, ModelError
from ..files import file_sha256, write_json
from .aligning import ALIGNERS, Aligner
from .memory import features_of

FORMAT = "vdeblur-graph/2"
"""Of manifest and graphs together; it changes whenever a network's inputs or outputs do."""

MANIFEST = "manifest.json"
PARTS = ENCODE, COMPUTE = "encode", "compute"
"""Graphs of a model."""
SUFFIXES = {"fp32": (".onnx",), "int8": (".xml", ".bin")}
"""Precision -> suffixes of the files of each graph; an engine opens the first and finds the others beside it."""


@dataclass(frozen=True)
class Graph:
    """The manifest of an exported model."""

    name: str
    """Of the exported model."""
    kind: str
    """A key of `aligning.ALIGNERS`."""
    config: dict[str, Any]
    """Fields of the configuration of that kind."""
    precision: str
    """A key of SUFFIXES: "fp32", which engines may run at lower precision, or "int8"."""
    past: int
    future: int
    uses_motion: bool
    """Whether the network needs optical flow."""
    reach: tuple[int, int]
    """Radius, in cells, of the receptive field of each graph."""
    weights_sha256: str
    """Of the exported checkpoint."""
    graphs_sha256: dict[str, str]
    """By file name, for each file of the graphs."""
    made_by: dict[str, str]
    """Versions of vdeblur and of the exporting packages."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """For people: data, steps, calibration; any keys."""
    format: str = FORMAT

    def aligner(self) -> Aligner:
        """The aligner for the inputs of the graphs."""
        return ALIGNERS[self.kind](self.config)

    @property
    def passed_on(self) -> frozenset[str]:
        """Inputs and outputs of the graphs, by name, that only pass from one to the other."""
        inputs = self.aligner().passed_on
        return frozenset(inputs) | {f"feature_{place}" for place in range(len(inputs))}

    @property
    def sha256(self) -> str:
        """Hash of all graphs."""
        hashes = [self.graphs_sha256[name] for name in file_names(self.precision)]
        return hashlib.sha256("".join(hashes).encode()).hexdigest()

    @property
    def features(self) -> float:
        """Feature values per pixel, over all scales."""
        return features_of(self.config)


def graph_file(folder: Path, part: str, precision: str = "fp32") -> Path:
    """The file that an engine opens for this part of a model."""
    return folder / f"{part}{SUFFIXES[precision][0]}"


def file_names(precision: str) -> list[str]:
    """Names of all files of the graphs in this precision."""
    return [f"{part}{suffix}" for part in PARTS for suffix in SUFFIXES[precision]]


def hashes_of(folder: Path, precision: str = "fp32") -> dict[str, str]:
    """SHA-256 of each file of the graphs in a folder, by name."""
    return {name: file_sha256(folder / name) for name in file_names(precision)}


def is_graph(path: str | Path) -> bool:
    """Whether a path is an exported model."""
    return (Path(path) / MANIFEST).is_file()


def save_manifest(folder: Path, graph: Graph) -> None:
    """Write the manifest."""
    write_json(folder / MANIFEST, asdict(graph))


def load_graph(folder: str | Path, sha256: str | None = None) -> Graph:
    """The manifest of an exported model, after checking the hashes of its graphs.

    `sha256` is that of the graphs of a published model. Raises ModelError for a folder that is damaged, altered, or of
    an unsupported version.
    """
    folder = Path(folder)
    again = "reinstall vdeblur" if sha256 else "export it again with `vdeblur export`"
    try:
        entries = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        found = entries["format"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{folder}: its {MANIFEST} cannot be read ({error}); {again}") from error
    if found != FORMAT:
        raise ModelError(f"{folder}: has the unsupported format {found!r} (expected {FORMAT!r}); {again}")
    try:
        graph = Graph(**{entry.name: entries[entry.name] for entry in fields(Graph)})
        actual = hashes_of(folder, graph.precision)
    except (KeyError, InputError) as error:
        raise ModelError(f"{folder}: is incomplete ({error}); {again}") from error
    if graph.kind not in ALIGNERS:
        raise ModelError(f"{folder}: is of the unknown kind {graph.kind!r} (known: {', '.join(ALIGNERS)}); {again}")
    for name, found in actual.items():
        if found != graph.graphs_sha256.get(name):
            raise ModelError(f"{folder / name}: has been altered (its SHA-256 differs); {again}")
    if sha256 not in (None, graph.sha256):
        raise ModelError(f"{folder}: has been altered (its SHA-256 differs from the published one); {again}")
    encode, compute = graph.reach
    return replace(graph, reach=(encode, compute))
