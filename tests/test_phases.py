"""Phases of luma, against their definition by slices."""

from __future__ import annotations

import numpy as np
import pytest

from vdeblur.backends.phases import merge_phases, split_phases, split_twice

PHASES = [(0, 0), (0, 1), (1, 0), (1, 1)]
SIZES = [(4, 4), (4, 20), (24, 4), (16, 32)]


@pytest.mark.parametrize("size", SIZES)
def test_phases_are_every_second_sample_and_merge_back(size: tuple[int, int]) -> None:
    luma = np.random.default_rng(0).random(size, np.float32)
    phases = np.empty((4, size[0] // 2, size[1] // 2), np.float32)
    split_phases(luma, phases)
    for phase, (y, x) in zip(phases, PHASES, strict=True):
        assert np.array_equal(phase, luma[y::2, x::2])
    assert np.array_equal(merge_phases(phases), luma)


@pytest.mark.parametrize("size", SIZES)
def test_phases_of_phases(size: tuple[int, int]) -> None:
    luma = np.random.default_rng(1).random(size, np.float32)
    twice = np.empty((16, size[0] // 4, size[1] // 4), np.float32)
    split_twice(luma, twice)
    for p, (y, x) in enumerate(PHASES):
        for q, (dy, dx) in enumerate(PHASES):
            assert np.array_equal(twice[4 * p + q], luma[2 * y + dy :: 4, 2 * x + dx :: 4])
