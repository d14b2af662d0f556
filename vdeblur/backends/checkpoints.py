"""Checkpoints: weights with the configuration of their network, as safetensors. Pickle is never read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import ModelError, OutputError, reason_of
from ..files import file_sha256
from ..models import MODELS, StreamNetwork, build

FORMAT = "vdeblur/1"


@dataclass(frozen=True)
class Checkpoint:
    """Weights of a network and their provenance."""

    kind: str
    """A key of `vdeblur.models.MODELS`."""
    config: dict[str, Any]
    """Fields of the configuration of that kind."""
    tensors: dict[str, Tensor]
    provenance: dict[str, Any] = field(default_factory=dict)
    """For people: data, steps, seed; any keys."""

    def network(self) -> StreamNetwork:
        """The network with these weights, in evaluation mode. Raises ModelError if they do not fit its kind."""
        if self.kind not in MODELS:
            raise ModelError(f"unknown kind of model {self.kind!r}; this version supports {', '.join(MODELS)}")
        try:
            network = build(self.kind, self.config)
            network.load_state_dict(self.tensors)
        except (TypeError, RuntimeError) as error:
            raise ModelError(f"the weights do not match their configuration ({self.kind}): {error}") from error
        return network.eval()


def save(
    path: str | Path, network: StreamNetwork, kind: str, tensors: dict[str, Tensor], provenance: dict[str, Any]
) -> None:
    """Write weights as safetensors with their kind and configuration in the header. Raises OutputError."""
    config = asdict(network.config)
    header = {"format": FORMAT, "kind": kind, "config": json.dumps(config), "provenance": json.dumps(provenance)}
    write({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}, path, header)


def write(tensors: dict[str, Tensor], path: str | Path, header: dict[str, str]) -> None:
    """Write tensors as safetensors. Raises OutputError if the file cannot be written."""
    try:
        save_file(tensors, str(path), header)
    except (SafetensorError, OSError) as error:
        raise OutputError(f"{path}: cannot be written: {reason_of(error)}") from error


def load(path: str | Path, sha256: str | None = None) -> Checkpoint:
    """Read a checkpoint. Raises ModelError if it is missing, altered (with another `sha256`) or not one of vdeblur."""
    path = Path(path)
    if path.is_dir():
        raise ModelError(f"{path}: a folder; this needs the .safetensors file that it was exported from")
    if not path.is_file():
        raise ModelError(f"{path}: no such model file; `vdeblur models` lists those that come with vdeblur")
    if sha256 is not None and file_sha256(path) != sha256:
        raise ModelError(
            f"{path}: the file has been altered (its SHA-256 differs from the published one); reinstall vdeblur"
        )
    try:
        with safe_open(str(path), "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: not a readable safetensors file ({error})") from error
    if header.get("format") != FORMAT:
        raise ModelError(f"{path}: not a vdeblur model (format {header.get('format')!r}, expected {FORMAT!r})")
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise ModelError(f"{path}: contains weights that are not finite; use another copy")
    try:
        config, provenance = json.loads(header["config"]), json.loads(header["provenance"])
        if not (isinstance(config, dict) and isinstance(provenance, dict)):
            raise ValueError("config and provenance must be objects")
        return Checkpoint(header["kind"], config, tensors, provenance)
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: its header is damaged ({error}); use another copy") from error
