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
class Quantised:
    """A published model in int8 as well: what it was made from, and what that costs. `benchmarks/publish_int8.py`."""

    folder: str
    """Of its graphs, beside the checkpoint."""
    sha256: str
    """Of its graphs together."""
    weights_sha256: str
    """Of the checkpoint it was made from."""
    calibration: list[str]
    """Clips that its ranges were taken from."""
    calibration_frames: int
    made_by: dict[str, str]
    """Versions of what made it."""
    lost_db: dict[str, float]
    """Set of clips -> PSNR lost against fp32; negative where it won."""

    @property
    def path(self) -> Path:
        """Where its folder lies."""
        return weights_folder() / self.folder


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

    int8: Quantised | None = None
    """The same weights in int8, where they come in it."""

    @property
    def path(self) -> Path:
        """Where its safetensors file lies."""
        return weights_folder() / self.file

    def comes_in(self, precision: str) -> bool:
        """Whether it can be had in this precision; in floating point every model can."""
        return precision != "int8" or self.int8 is not None


def weights_folder() -> Path:
    """`vdeblur/weights` in an installed package, `weights` beside the package in a checkout."""
    inside = Path(__file__).parent.parent / "weights"
    return inside if inside.is_dir() else Path(__file__).parent.parent.parent / "weights"


def published() -> list[PublishedModel]:
    """All published models; ModelError where the manifest is missing or damaged."""
    manifest = weights_folder() / "manifest.json"
    try:
        return [_model(entry) for entry in json.loads(manifest.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{manifest}: the list of models cannot be read ({error}); install vdeblur again") from error


def _model(entry: dict[str, Any]) -> PublishedModel:
    int8 = entry.get("int8")
    return PublishedModel(**entry | {"int8": Quantised(**int8) if int8 else None})
