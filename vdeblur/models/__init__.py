"""Networks on tensors; they know nothing about files, time stamps or colour tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .cnn import CNN
from .convlstm import ConvLSTM, ConvLSTMConfig
from .ladder import LadderConfig
from .network import StreamNetwork

__all__ = ["MODELS", "StreamNetwork", "build", "kind_of"]

MODELS: dict[str, tuple[Callable[[Any], StreamNetwork], Callable[..., LadderConfig]]] = {
    "convlstm": (ConvLSTM, ConvLSTMConfig),
    "cnn": (CNN, LadderConfig),
}
"""Kind -> network and configuration. A new kind is one module and one line here."""


def build(kind: str, config: dict[str, Any]) -> StreamNetwork:
    """An untrained network. Raises KeyError for an unknown kind and TypeError for an unknown setting."""
    network, config_type = MODELS[kind]
    return network(config_type(**config))


def kind_of(network: StreamNetwork) -> str | None:
    """The key of MODELS for a network; None for one that is not among them."""
    return next((kind for kind, (made, _) in MODELS.items() if made is type(network)), None)
