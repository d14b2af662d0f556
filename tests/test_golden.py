"""The weights that ship still do what they did when they were published: frame by frame, and decibel by decibel."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import pytest

from make_golden import FOLDER, GAINS, LEAST_GAIN_DB, gains, restored_clip, stacked
from vdeblur.backends.published import published

pytestmark = pytest.mark.arithmetic
MODELS = pytest.mark.parametrize("model", [model.name for model in published()])
GOLDEN: dict[str, Any] = json.loads(GAINS.read_text(encoding="utf-8"))


def test_the_golden_frames_are_of_the_weights_that_ship() -> None:
    """Otherwise: `python tests/make_golden.py`, and look at what has changed."""
    assert {name: entry["sha256"] for name, entry in GOLDEN.items()} == {m.name: m.sha256 for m in published()}


@pytest.mark.parametrize(("precision", "levels"), [("fp32", 1), ("bf16", 2)])
@MODELS
def test_the_golden_frame_comes_back(model: str, precision: str, levels: int) -> None:
    golden = cv2.imread(str(FOLDER / f"{model}.png"), cv2.IMREAD_GRAYSCALE)
    assert golden is not None
    frame = stacked(restored_clip(model, 0, precision)[-1])
    assert int(np.abs(frame.astype(int) - golden).max()) <= levels


@MODELS
def test_every_clip_gains_what_it_gained(model: str) -> None:
    found = gains(model)
    assert np.mean(found) >= LEAST_GAIN_DB
    assert found == pytest.approx(GOLDEN[model]["gains_db"], abs=0.03)
