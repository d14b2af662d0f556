"""Tiny networks of every kind, with weights in all places where training starts from zero."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from support.in_memory import distance
from vdeblur.backends import published
from vdeblur.frames import Frame
from vdeblur.models import StreamNetwork, build

TINY = {"quarter": 8, "eighth": 8, "sixteenth": 8}
CONFIGS = {"convlstm": TINY | {"hidden": 8}, "cnn": TINY}
"""By kind; a kind that is missing here is built with TINY."""


def tiny(kind: str, seed: int = 0, residual: float = 1.0) -> StreamNetwork:
    """A network whose residual is about 0.1 times `residual`; 0 leaves the head at zero, as training finds it."""
    torch.manual_seed(seed)
    return awakened(build(kind, CONFIGS.get(kind, TINY)), residual)


def awakened(network: StreamNetwork, residual: float = 1.0) -> StreamNetwork:
    """The network with weights in all places where training starts from zero; see `tiny`."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("decoder.head"):
                parameter.normal_(std=0.02 * residual)
            elif "peephole" in name:
                parameter.normal_(std=0.5)
            elif name.endswith("weight") and not parameter.any():
                parameter.normal_(std=0.2)
    return network.eval()


def publish_heavier(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Publish `heavy`, whose work is said to be three times that of `fast`; its name."""
    weights = published.weights_folder()
    entries = json.loads((weights / "manifest.json").read_text())
    fast = next(entry for entry in entries if entry["name"] == "fast")
    heavy = {**fast, "name": "heavy", "default_on": "", "gmac_720p": 3 * fast["gmac_720p"]}
    for entry in entries:
        (folder / entry["file"]).write_bytes((weights / entry["file"]).read_bytes())
    (folder / "manifest.json").write_text(json.dumps([*entries, heavy]))
    monkeypatch.setattr(published, "weights_folder", lambda: folder)
    return "heavy"


def difference(one: list[Frame], other: list[Frame]) -> float:
    """The largest, in units of 1/255."""
    return max(map(distance, one, other)) / (1 << (one[0].layout.bits - 8))
