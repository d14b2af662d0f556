"""Views: the mean over symmetries turns with the picture, is the mean by hand along a stream, and works in tiles."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from support.commands import run
from support.in_memory import picture, restored_by
from support.networks import CONFIGS, difference, tiny
from support.videos import footage, packets
from vdeblur.backends.pytorch import TorchRestorer
from vdeblur.backends.symmetries import SYMMETRIES, turn, turn_flow, undo
from vdeblur.backends.tiles import bytes_needed
from vdeblur.backends.views import Views
from vdeblur.models import Motion, StreamNetwork
from vdeblur.models.convlstm import warp_frame

pytestmark = pytest.mark.arithmetic

KINDS = pytest.mark.parametrize("kind", CONFIGS)


def stream(network: StreamNetwork | Views, clip: Tensor, motion: Tensor) -> list[Tensor]:
    """Residuals of a clip (t, 6, h, w) with flow (t, 2, 2, h, w) to past and future, frame by frame."""
    state, residuals = None, []
    for i in range(len(clip)):
        future = clip[i + 1][None] if i + 1 < len(clip) else None
        residual, state = network.restore(clip[i][None], future, Motion(motion[i, :1], motion[i, 1:]), state)
        residuals.append(residual)
    return residuals


@KINDS
@settings(max_examples=10)
@given(views=st.integers(1, 8), symmetry=st.sampled_from(SYMMETRIES), size=st.sampled_from([(8, 8), (16, 8), (8, 24)]))
@torch.no_grad()
def test_views_are_the_mean_by_hand_along_a_stream(kind: str, views: int, symmetry: int, size: tuple[int, int]) -> None:
    """And with all eight it does not matter how the picture lies."""
    network = tiny(kind)
    clip = torch.rand(3, 6, *size, generator=torch.Generator().manual_seed(views))
    motion = 2 * torch.randn(3, 2, 2, *size, generator=torch.Generator().manual_seed(views + 9))
    by_hand = []
    for view in SYMMETRIES[:views]:
        residuals = stream(network, turn(clip, view), turn_flow(motion, view))
        by_hand.append([undo(residual, view) for residual in residuals])
    expected = [torch.stack(same_frame).mean(0) for same_frame in zip(*by_hand, strict=True)]
    together = stream(Views(network, views), clip, motion)
    torch.testing.assert_close(torch.cat(together), torch.cat(expected), atol=1e-4, rtol=1e-3)

    all_round = Views(network, 8)
    turned = torch.cat(stream(all_round, turn(clip, symmetry), turn_flow(motion, symmetry)))
    lying = turn(torch.cat(stream(all_round, clip, motion)), symmetry)
    torch.testing.assert_close(turned, lying, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_flow_turns_with_the_frames_that_it_is_between(symmetry: int) -> None:
    frame, flow = torch.rand(1, 6, 16, 24), 3 * torch.randn(1, 2, 16, 24)
    expected = turn(warp_frame(frame, flow), symmetry)
    torch.testing.assert_close(
        warp_frame(turn(frame, symmetry), turn_flow(flow, symmetry)), expected, atol=1e-4, rtol=0
    )


@KINDS
def test_views_in_tiles_equal_views_of_the_whole(kind: str) -> None:
    frames = [picture(i, (203, 138)) for i in range(4)]
    one, three, tiled = (
        restored_by(TorchRestorer("views", tiny(kind), "cpu", "fp32", tile=tile, views=views), frames)
        for tile, views in ((0, 1), (0, 3), (64, 3))
    )
    assert difference(one, three) > 5
    assert difference(three, tiled) <= 1


def test_what_views_hold_of_the_whole_picture_counts_when_tiles_are_chosen() -> None:
    network = tiny("convlstm")
    alone, eight = (bytes_needed(network, (1280, 720), 64, 4, views) for views in (1, 8))
    assert alone < eight < 8 * alone


def test_the_command_line_averages_as_many_views_as_it_is_told(tmp_path: Path) -> None:
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
