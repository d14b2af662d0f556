"""Exported models: a folder with a network's graphs and a manifest that says what it is. Needs no torch.

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
from .aligning import Aligner, aligner_of
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
    """What the manifest of an exported model says."""

    name: str
    """Of the model it was made from."""
    kind: str
    """A key of `vdeblur.models.MODELS`."""
    config: dict[str, Any]
    """Keyword arguments of the kind's configuration."""
    precision: str
    """A key of SUFFIXES: "fp32", which engines may compute in less, or "int8", quantised."""
    past: int
    future: int
    uses_motion: bool
    """Whether the network wants optical flow."""
    reach: tuple[int, int]
    """How many cells beyond a sample's own the graphs look."""
    weights_sha256: str
    """Of the checkpoint it was made from."""
    graphs_sha256: dict[str, str]
    """Of each of the graphs' files, by its name."""
    made_by: dict[str, str]
    """Versions of vdeblur and of what exported it."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Free facts for people: data, steps, calibration."""
    format: str = FORMAT

    def aligner(self) -> Aligner:
        """What brings frames to the graph's inputs."""
        return aligner_of(self.uses_motion, self.config)

    @property
    def sha256(self) -> str:
        """Of all its graphs together."""
        hashes = [self.graphs_sha256[name] for name in file_names(self.precision)]
        return hashlib.sha256("".join(hashes).encode()).hexdigest()

    @property
    def features(self) -> float:
        """Values that the network holds per pixel, of all its scales together."""
        return features_of(self.config)


def graph_file(folder: Path, part: str, precision: str = "fp32") -> Path:
    """What an engine opens for this part of a model."""
    return folder / f"{part}{SUFFIXES[precision][0]}"


def file_names(precision: str) -> list[str]:
    """Names of all the files that hold the graphs of a model in this precision."""
    return [f"{part}{suffix}" for part in PARTS for suffix in SUFFIXES[precision]]


def hashes_of(folder: Path, precision: str = "fp32") -> dict[str, str]:
    """SHA-256 of every file of the graphs in a folder, by its name."""
    return {name: file_sha256(folder / name) for name in file_names(precision)}


def is_graph(path: str | Path) -> bool:
    """Whether a path is the folder of an exported model."""
    return (Path(path) / MANIFEST).is_file()


def save_manifest(folder: Path, graph: Graph) -> None:
    """Write the manifest beside its graphs."""
    write_json(folder / MANIFEST, asdict(graph))


def load_graph(folder: str | Path, sha256: str | None = None) -> Graph:
    """The manifest of an exported model, once its graphs have been found to be what was exported.

    `sha256` is the hash of a published model's graphs. Raises ModelError for a folder that is damaged, altered, or of a
    version that this one does not read.
    """
    folder = Path(folder)
    again = "install vdeblur again" if sha256 else "export it again with `vdeblur export`"
    try:
        entries = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        found = entries["format"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{folder}: its {MANIFEST} cannot be read ({error}); {again}") from error
    if found != FORMAT:
        raise ModelError(f"{folder}: is of another version ({found!r}; this one reads {FORMAT!r}); {again}")
    try:
        graph = Graph(**{entry.name: entries[entry.name] for entry in fields(Graph)})
        actual = hashes_of(folder, graph.precision)
    except (KeyError, InputError) as error:
        raise ModelError(f"{folder}: is not whole ({error}); {again}") from error
    for name, found in actual.items():
        if found != graph.graphs_sha256.get(name):
            raise ModelError(f"{folder / name}: is not what was exported (its SHA-256 differs); {again}")
    if sha256 not in (None, graph.sha256):
        raise ModelError(f"{folder}: is not what was published (its SHA-256 differs); {again}")
    encode, compute = graph.reach
    return replace(graph, reach=(encode, compute))
