"""What NumPy aligns is what the networks' own `align` and `remember` give, all along a stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from support.networks import tiny
from vdeblur.backends.aligning import ALIGNERS, Recurrent
from vdeblur.backends.flow import FlowPlanes
from vdeblur.recurrence import Encoded, Motion

pytestmark = pytest.mark.arithmetic

SIZES = [(32, 48), (16, 16), (48, 8)]
"""Of folded frames."""


def smooth_flow(rng: np.random.Generator, height: int, width: int) -> FlowPlanes:
    """Some samples far, past the edges too."""
    coarse = torch.from_numpy(rng.normal(0, 4, (1, 2, 3, 3)).astype(np.float32))
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return fine[0].numpy()


def of_network(flow: FlowPlanes | None, size: tuple[int, int]) -> torch.Tensor:
    return torch.zeros(1, 2, *size) if flow is None else torch.from_numpy(flow[None])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ALIGNERS)
def test_it_is_what_the_network_does(kind: str, size: tuple[int, int]) -> None:
    network = tiny(kind)
    aligner = ALIGNERS[kind](vars(network.config))
    rng = np.random.default_rng(0)
    clip = rng.random((5, 1, 6, *size), np.float32)
    theirs: Any = None
    ours: Any = None
    with torch.inference_mode():
        encoded = [network.encoded(torch.from_numpy(frame)) for frame in clip]
    in_numpy = [Encoded(frame.frame.numpy(), tuple(x.numpy() for x in frame.features)) for frame in encoded]
    for moment, centre in enumerate(encoded):
        motion = Motion(
            smooth_flow(rng, *size) if moment else None, smooth_flow(rng, *size) if moment + 1 < len(clip) else None
        )
        is_last = moment + 1 == len(clip)
        with torch.inference_mode():
            expected = network.align(
                centre,
                None if is_last else encoded[moment + 1],
                Motion(*(of_network(flow, size) for flow in motion)),
                theirs,
            )
            computed = network.compute(*expected)
            theirs = network.remember(centre, computed)
        here = in_numpy[moment]
        aligned = aligner.align(here, None if is_last else in_numpy[moment + 1], motion, ours)
        ours = aligner.remember(here, [x.numpy() for x in computed])
        for one, other in zip(aligned, expected, strict=True):
            np.testing.assert_allclose(one, other.numpy(), atol=2e-4)
        assert (ours is None) == (theirs is None)
        for one, other in zip(ours or (), theirs or (), strict=True):
            np.testing.assert_allclose(one, other.numpy(), atol=1e-6)


def test_without_motion_nothing_moves() -> None:
    """At the end of a scene, in a live stream, and where frames are too small for optical flow."""
    aligner = Recurrent(hidden=4, carry=1.0)
    rng = np.random.default_rng(1)
    centre, before = (
        Encoded(frame, (*rng.random((3, 1, 4, 4, 6), np.float32),))
        for frame in rng.random((2, 1, 6, 16, 24), np.float32)
    )
    computed = [np.zeros_like(before.frame), *rng.random((2, 1, 4, 4, 6), np.float32)]
    state = aligner.remember(before, computed)
    beside, motion, _, _, past, future, h, c = aligned = aligner.align(centre, None, Motion(None, None), state)
    assert not motion.any()
    np.testing.assert_array_equal(h, state.h)
    np.testing.assert_array_equal(c, state.c)
    np.testing.assert_array_equal(past, before.features[-1])
    np.testing.assert_array_equal(future, centre.features[-1])  # the centre stands for the future
    assert not beside[:, 16:].any()
    still = np.zeros((2, 16, 24), np.float32)
    for one, other in zip(aligner.align(centre, None, Motion(still, None), state), aligned, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
