"""The weights that come with vdeblur: what the manifest says of them. Needs no tensor library."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError

UNMEASURED_WARM_UP = 48
"""Frames, for models whose memory no one has measured: files, and entries of the manifest that say nothing."""


@dataclass(frozen=True)
class PublishedModel:
    """One entry of `weights/manifest.json`."""

    name: str
    """What `-m` takes."""
    kind: str
    """"convlstm" or "cnn"."""
    file: str
    sha256: str
    params: int
    gmac_720p: float
    """Multiply-accumulates per 1280x720 frame of 4:2:0, in units of 1e9."""
    default_on: str
    """Where it is the model that is used when none is named: "cpu", "gpu", or "" for nowhere."""
    config: dict[str, Any]
    training: dict[str, Any]
    """Data, steps, seed."""
    scores: dict[str, Any]
    """Measured with `vdeblur eval`."""
    warm_up: int = UNMEASURED_WARM_UP
    """Frames after which a state that starts from nothing gives pictures within 1/255 of what it would have given,
    as benchmarks/warm_up.py measures them; 0 for a network without memory."""

    views: int = 1
    """Symmetric views that it averages unless told otherwise; `gmac_720p` counts them."""

    @property
    def path(self) -> Path:
        """Where its safetensors file lies."""
        return weights_folder() / self.file


def weights_folder() -> Path:
    """`vdeblur/weights` in an installed package, `weights` beside the package in a checkout."""
    inside = Path(__file__).parent.parent / "weights"
    return inside if inside.is_dir() else Path(__file__).parent.parent.parent / "weights"


def published() -> list[PublishedModel]:
    """All published models; ModelError where the manifest is missing or damaged."""
    manifest = weights_folder() / "manifest.json"
    try:
        return [PublishedModel(**entry) for entry in json.loads(manifest.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{manifest}: the list of models cannot be read ({error}); install vdeblur again") from error
