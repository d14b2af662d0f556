"""What the published weights make of seeded clips: `python tests/make_golden.py`, after weights have been replaced.

Writes, for each published model, the last frame of a clip to tests/golden/NAME.png (Y, Cb and Cr one below the other)
and its gains to tests/golden/gains.json. `test_golden.py` compares with both.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from support.commands import ROOT
from support.in_memory import restored_by
from support.shaken import luma_psnr, shaken_clip
from vdeblur.backends.published import published
from vdeblur.frames import Frame
from vdeblur.loading import ModelOptions, load_restorer

FOLDER = ROOT / "tests" / "golden"
GAINS = FOLDER / "gains.json"
SEEDS = range(6)
LEAST_GAIN_DB = 0.5
"""A model that gains less on these clips is not worth publishing; weights without an effect gain nothing."""


def restored_clip(model: str, seed: int, precision: str = "fp32") -> list[Frame]:
    restorer = load_restorer(ModelOptions(model, "cpu", precision))
    return restored_by(restorer, shaken_clip(seed)[0])


def gains(model: str, precision: str = "fp32") -> list[float]:
    """Of each seed's clip over its blurred input, in dB."""
    clips = ((seed, *shaken_clip(seed)) for seed in SEEDS)
    return [
        luma_psnr(restored_clip(model, seed, precision), sharp) - luma_psnr(blurred, sharp)
        for seed, blurred, sharp in clips
    ]


def stacked(frame: Frame) -> NDArray[np.uint8]:
    """The planes one below the other, narrower ones with black beside them."""
    width = frame.size[0]
    return np.concatenate([np.pad(plane, ((0, 0), (0, width - plane.shape[1]))) for plane in frame.planes])


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    for model in published():
        found[model.name] = {"sha256": model.sha256, "gains_db": [round(gain, 3) for gain in gains(model.name)]}
        if (mean := float(np.mean(found[model.name]["gains_db"]))) < LEAST_GAIN_DB:
            sys.exit(f"{model.name} gains {mean:.2f} dB, less than the {LEAST_GAIN_DB} that are worth publishing")
        cv2.imwrite(str(FOLDER / f"{model.name}.png"), stacked(restored_clip(model.name, 0)[-1]))
        print(f"{model.name}: {mean:.2f} dB")
    for stale in FOLDER.glob("*.png"):
        if stale.stem not in found:
            stale.unlink()
    GAINS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
