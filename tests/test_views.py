"""Views: the mean over symmetries turns with the picture, is the mean by hand along a stream, and works in tiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from support.commands import run
from support.in_memory import picture, restored_by
from support.networks import CONFIGS, difference, tiny
from support.videos import footage, packets
from vdeblur.backends.aligning import Recurrent
from vdeblur.backends.flow import FlowPlanes, flow_back, flow_between, half_luma
from vdeblur.backends.folding import fold, unfold
from vdeblur.backends.memory import bytes_needed
from vdeblur.backends.phases import Samples
from vdeblur.backends.pytorch import TorchRestorer
from vdeblur.backends.symmetries import SYMMETRIES, turn, turn_flow, undo
from vdeblur.frames import Frame
from vdeblur.models.ladder import depth_to_space
from vdeblur.recurrence import Encoded, Motion

pytestmark = pytest.mark.arithmetic

KINDS = pytest.mark.parametrize("kind", CONFIGS)


def turned(frame: Frame, symmetry: int) -> Frame:
    """A 4:2:0 frame as `turn` turns what is folded of it."""

    def plane(samples: Any) -> Any:
        samples = samples.T if symmetry & 0b100 else samples
        samples = samples[::-1] if symmetry & 0b010 else samples
        return np.ascontiguousarray(samples[:, ::-1] if symmetry & 0b001 else samples)

    return replace(frame, planes=tuple(map(plane, frame.planes)))


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_folding_commutes_with_symmetries(symmetry: int) -> None:
    frame = picture(0, (48, 32))
    folded = turn(fold(frame), symmetry)
    np.testing.assert_array_equal(fold(turned(frame, symmetry)), folded)
    np.testing.assert_array_equal(undo(folded, symmetry), fold(frame))
    np.testing.assert_array_equal(turn(torch.from_numpy(fold(frame)), symmetry).numpy(), folded)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_transformed_flow_warps_transformed_frames_alike(symmetry: int) -> None:
    rng = np.random.default_rng(symmetry)
    flow = rng.uniform(-3, 3, (2, 12, 20)).astype(np.float32)
    folded = rng.random((1, 6, 12, 20), np.float32)
    moved = warped(turn(folded, symmetry), turn_flow(flow, symmetry))
    np.testing.assert_allclose(moved, turn(warped(folded, flow), symmetry), atol=1e-4)


def warped(folded: Samples, flow: FlowPlanes) -> Samples:
    """Luma of a folded frame, sampled along flow."""
    features = np.zeros((1, 4, 3, 5), np.float32)
    frame = Encoded(folded, (features,) * 3)
    beside = Recurrent(8, 1.0).align(frame, frame, Motion(None, flow), None)[0]
    moved = np.zeros_like(folded)
    moved[:, :4] = folded[:, :4] + depth_to_space(torch.from_numpy(beside[:, 16:])).numpy()
    return moved


@KINDS
def test_the_mean_over_eight_views_is_equivariant_to_symmetries(kind: str) -> None:
    """Without motion: optical flow itself depends on it a little."""
    restorer = TorchRestorer("views", tiny(kind), "cpu", "fp32", tile=0, views=8, look_ahead=False)
    frame = picture(0, (48, 48))
    (lying,) = restored_by(restorer, [frame])
    for symmetry in SYMMETRIES:
        (result,) = restored_by(restorer, [turned(frame, symmetry)])
        assert difference([result], [turned(lying, symmetry)]) <= 1


@KINDS
def test_views_are_the_mean_by_hand_along_a_stream(kind: str) -> None:
    frames = [picture(i, (48, 32)) for i in range(4)]
    engine = TorchRestorer("one", tiny(kind), "cpu", "fp32").engine
    views = SYMMETRIES[:3]
    states: list[Any] = [None] * len(views)
    together = restored_by(TorchRestorer("three", tiny(kind), "cpu", "fp32", views=3), frames)
    seen = [fold(frame) for frame in frames]
    lumas = [half_luma(folded) for folded in seen]
    for i, frame in enumerate(frames):
        there = [flow_between(lumas[k], lumas[k + 1]) if k in range(3) else None for k in (i - 1, i)]
        flows = [None if there[0] is None else flow_back(there[0]), there[1]]
        if i == 0 and engine.settles:
            flows[0] = flows[1]  # to the frame after it, of which the state is
        residuals = []
        for place, view in enumerate(views):
            here, *after = [Encoded(x, tuple(engine.encode([x]))) for x in (turn(y, view) for y in seen[i : i + 2])]
            ahead = after[0] if after else None
            for k in (2, 1) if i == 0 and engine.settles else ():
                flow = turn_flow(flow_between(lumas[k], lumas[k + 1]), view) if k < 2 else None
                one = Encoded(x := turn(seen[k], view), tuple(engine.encode([x])))
                computed = engine.compute(engine.align(one, None, Motion(flow, None), states[place]))
                states[place] = engine.remember(one, computed)
            motion = Motion(*(None if flow is None else turn_flow(flow, view) for flow in flows))
            computed = engine.compute(engine.align(here, ahead, motion, states[place]))
            states[place] = engine.remember(here, computed)
            residuals.append(undo(computed[0], view))
        assert difference([together[i]], [unfold(frame, np.mean(residuals, axis=0))]) <= 1


@KINDS
def test_views_in_tiles_equal_views_of_the_whole(kind: str) -> None:
    frames = [picture(i, (203, 138)) for i in range(4)]
    one, three, tiled = (
        restored_by(TorchRestorer("views", tiny(kind), "cpu", "fp32", tile=tile, views=views), frames)
        for tile, views in ((0, 1), (0, 3), (64, 3))
    )
    assert difference(one, three) > 5
    assert difference(three, tiled) <= 1


def test_the_memory_of_views_counts_when_the_tile_size_is_chosen() -> None:
    alone, eight = (bytes_needed(5.0, 8, (1280, 720), 64, 4, views) for views in (1, 8))
    assert alone < eight < 8 * alone


def test_the_command_line_averages_the_requested_number_of_views(tmp_path: Path) -> None:
    clip = footage(tmp_path / "in.mkv")
    words = (str(clip), "-m", "fast", "-d", "cpu", "--codec", "ffv1")
    outputs = []
    for name, given_views in (("own", ()), ("one", ("--views", "1")), ("two", ("--views", "2"))):
        output = tmp_path / f"{name}.mkv"
        done = run(*words, "-o", str(output), *given_views)
        assert done.exit_code == 0, done.output
        outputs.append([packet for _, packet in packets(str(output), "video")])
    assert outputs[0] == outputs[1] != outputs[2]
    assert run(*words, "-o", str(tmp_path / "nine.mkv"), "--views", "9").exit_code == 2
