"""The model to explain: a network with its weights, or any other restorer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...backends.checkpoints import load
from ...backends.pytorch import choose_device
from ...files import file_sha256
from ...loading import ModelOptions, default_model, warm_up_of, weights_of
from ...models import StreamNetwork
from ...models.anatomy import dissect
from ...restorer import Restorer
from ...restorers.made import MADE
from ..network_plot import network_svg
from .steps import FilterSteps, NetworkSteps


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model ready to be explained."""

    name: str
    sha256: str
    """Of its file; empty for other restorers."""
    device: str
    warm_up: int
    """Frames to restore before the first one explained."""
    what: StreamNetwork | Restorer
    facts: dict[str, Any] = field(default_factory=dict)
    """Kind, parameters, cost and receptive field of a network, for people."""
    drawing: str = ""
    """A diagram of the layers as SVG; empty for a filter."""

    @property
    def is_network(self) -> bool:
        """Whether it is a network, of which more is known than its changes."""
        return isinstance(self.what, StreamNetwork)

    def steps(self, views: int) -> NetworkSteps | FilterSteps:
        """A fresh run along a stream."""
        return FilterSteps(self.what) if not isinstance(self.what, StreamNetwork) else self.network_steps(views)

    def network_steps(self, views: int) -> NetworkSteps:
        """A fresh run of a network along a stream."""
        assert isinstance(self.what, StreamNetwork)
        return NetworkSteps(self.what, torch.device(self.device), views)


def load_model(name: str | None, device: str) -> LoadedModel:
    """The published model, .safetensors file or classical filter of this name; None: the device's default.

    Raises ModelError and DeviceError as `load_restorer` does.
    """
    name = name or default_model(device)
    warm_up = warm_up_of(ModelOptions(name))
    if name in MADE:
        return LoadedModel(name, "", "cpu", warm_up, MADE[name].make(), {"kind": "no network"})
    path, sha256 = weights_of(name)
    checkpoint = load(path, sha256)
    network = checkpoint.network()
    anatomy = dissect(network)
    facts: dict[str, Any] = {
        "kind": checkpoint.kind,
        "parameters": anatomy.parameters,
        "gmac_720p": round(anatomy.gmac, 2),
        "reach_px": anatomy.reach,
    }
    return LoadedModel(
        name=name,
        sha256=sha256 or file_sha256(path),
        device=choose_device(device),
        warm_up=warm_up,
        what=network,
        facts=facts,
        drawing=network_svg(anatomy, Path(name).name),
    )
