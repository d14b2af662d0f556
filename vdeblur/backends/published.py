"""Published models: the weights that come with vdeblur, and their manifest. Needs no tensor library."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError

UNMEASURED_WARM_UP = 48
"""Frames, for models without a measured warm-up: files, and entries of the manifest without one."""


@dataclass(frozen=True)
class Quantised:
    """The int8 version of a published model: its origin and its loss of quality. See `benchmarks/publish_int8.py`."""

    folder: str
    """Folder of its graphs, next to the checkpoint."""
    sha256: str
    """Hash of all its graphs."""
    weights_sha256: str
    """Of the quantised checkpoint."""
    calibration: list[str]
    """Names of the calibration clips."""
    calibration_frames: int
    made_by: dict[str, str]
    """Versions of the packages that made it."""
    lost_db: dict[str, float]
    """Set of clips -> loss of PSNR against fp32; negative for a gain."""

    @property
    def path(self) -> Path:
        """Path of its folder."""
        return weights_folder() / self.folder


@dataclass(frozen=True)
class PublishedModel:
    """One entry of `weights/manifest.json`."""

    name: str
    """The value of `-m`."""
    kind: str
    """"convlstm" or "cnn"."""
    file: str
    sha256: str
    params: int
    gmac_720p: float
    """Multiply-accumulates per 1280x720 frame of 4:2:0, in units of 1e9."""
    default_on: str
    """Device on which it is the default model: "cpu", "gpu", or "" for neither."""
    config: dict[str, Any]
    training: dict[str, Any]
    """Data, steps, seed."""
    scores: dict[str, Any]
    """Measured with `vdeblur eval`."""
    warm_up: int = UNMEASURED_WARM_UP
    """Frames after which a fresh state gives results within 1/255 of an older one, as measured by
    benchmarks/warm_up.py; 0 for a network without a state."""

    int8: Quantised | None = None
    """The same weights in int8, if published."""

    @property
    def path(self) -> Path:
        """Path of its safetensors file."""
        return weights_folder() / self.file

    def comes_in(self, precision: str) -> bool:
        """Whether it is available in this precision; in floating point every model is."""
        return precision != "int8" or self.int8 is not None


def weights_folder() -> Path:
    """`vdeblur/weights` in an installed package, `weights` beside the package in a checkout."""
    inside = Path(__file__).parent.parent / "weights"
    return inside if inside.is_dir() else Path(__file__).parent.parent.parent / "weights"


def published() -> list[PublishedModel]:
    """All published models. Raises ModelError if the manifest is missing or damaged."""
    manifest = weights_folder() / "manifest.json"
    try:
        return [_model(entry) for entry in json.loads(manifest.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{manifest}: the list of models cannot be read ({error}); reinstall vdeblur") from error


def _model(entry: dict[str, Any]) -> PublishedModel:
    int8 = entry.get("int8")
    return PublishedModel(**entry | {"int8": Quantised(**int8) if int8 else None})
