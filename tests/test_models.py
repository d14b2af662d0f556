"""What every network promises, over all kinds: streaming equals offline, size is free, the state is the only memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from support.in_memory import picture, pictures, restored_by
from support.networks import difference, tiny
from vdeblur.backends.flow import FlowPlanes, flow_back, flow_between, half_luma
from vdeblur.backends.folding import fold, unfold
from vdeblur.backends.pytorch import TorchRestorer
from vdeblur.frames import Color, Frame, Layout
from vdeblur.models import MODELS, StreamNetwork
from vdeblur.models.convlstm import ConvLSTM, PeepholeCell
from vdeblur.models.ladder import depth_to_space, space_to_depth
from vdeblur.recurrence import CELL, Encoded, Motion
from vdeblur.windows import Window, windows

pytestmark = pytest.mark.arithmetic

KINDS = pytest.mark.parametrize("kind", MODELS)
LAYOUTS = [
    *(Layout("yuv", bits, shift) for bits in (8, 10, 12) for shift in ((1, 1), (1, 0), (0, 0))),
    *(Layout(model, bits) for bits in (8, 10, 12) for model in ("rgb", "gray")),
    Layout("yuv", 8, (0, 1)),
    Layout("yuv", 8, (2, 0)),
    Layout("rgb", 16, alpha=True),
    Layout("yuv", 8, (1, 1), alpha=True),
]


def clip_of(length: int, seed: int = 1, h: int = 8, w: int = 16) -> Tensor:
    return torch.rand(2, length, 6, h, w, generator=torch.Generator().manual_seed(seed))


def motion_of(length: int, seed: int = 5, h: int = 8, w: int = 16) -> Tensor:
    """Flow of a clip, (2, length, 4, h, w); none before its first frame and after its last."""
    motion = 3 * torch.randn(2, length, 4, h, w, generator=torch.Generator().manual_seed(seed))
    motion[:, 0, :2], motion[:, -1, 2:] = 0, 0
    return motion


@torch.inference_mode()
def stream(network: StreamNetwork, clip: Tensor, motion: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """One frame at a time; the last has no future. Without a state, a scene begins."""
    residuals = []
    frames, flows = [network.encoded(frame) for frame in clip.unbind(1)], [*motion.unbind(1)]
    if state is None and network.settles:
        state = network.begin(frames[:3], [flow[:, 2:] for flow in flows])
        if len(frames) > 1:  # it is of the second frame
            flows[0] = torch.cat([flows[0][:, 2:]] * 2, dim=1)
    for i, frame in enumerate(frames):
        future = frames[i + 1] if i + 1 < len(frames) else None
        residual, state = network.restore(frame, future, Motion(flows[i][:, :2], flows[i][:, 2:]), state)
        residuals.append(residual)
    return torch.stack(residuals, 1), state


def close(a: Any, b: Any) -> bool:
    """Tensors, or equal structures of them, up to the order of additions in float32."""
    if isinstance(a, Tensor):
        return torch.allclose(a, b, atol=1e-5, rtol=1e-5)
    return a is b is None or all(close(x, y) for x, y in zip(a, b, strict=True))


@KINDS
@settings(max_examples=15)
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_streaming_equals_offline(kind: str, lengths: list[int]) -> None:
    network, state, streamed_state = tiny(kind), None, None
    clip = clip_of(sum(lengths))
    for chunk in clip.split(lengths, dim=1):
        motion = motion_of(chunk.shape[1])
        with torch.inference_mode():
            offline, state = network(chunk, motion, state)
        streamed, streamed_state = stream(network, chunk, motion, streamed_state)
        assert offline.abs().max() > 0.01
        assert close(streamed, offline)
        assert close(streamed_state, state)


@KINDS
def test_the_restorer_over_a_stream_equals_the_network_over_the_clip(kind: str) -> None:
    network, frames = tiny(kind), pictures(7)
    with torch.inference_mode():
        residuals, _ = network(folded(frames), flow_of(frames))
    expected = [unfold(frame, residual.numpy()) for frame, residual in zip(frames, residuals.unbind(1), strict=True)]
    restored = restored_by(TorchRestorer("tiny", network, "cpu", "fp32"), frames)
    assert [frame.pts for frame in restored] == [frame.pts for frame in frames]
    for got, wanted, given_frame in zip(restored, expected, frames, strict=True):
        for a, b, c in zip(got.planes, wanted.planes, given_frame.planes, strict=True):
            assert np.abs(a.astype(int) - b).max() <= 1
            assert (a != c).any()


def folded(frames: Sequence[Frame]) -> Tensor:
    """(1, t, 6, h, w)."""
    return torch.stack([torch.from_numpy(fold(frame)) for frame in frames], dim=1)


def flow_of(frames: Sequence[Frame], look_ahead: bool = True) -> Tensor:
    """(1, t, 4, h, w), as optical flow finds it between neighbours."""
    lumas = [half_luma(fold(frame)) for frame in frames]
    motion = np.zeros((1, len(lumas), 4, *lumas[0].shape), np.float32)
    for i, (one, two) in enumerate(pairwise(lumas)):
        there = flow_between(one, two)
        motion[0, i, 2:] = there * look_ahead
        motion[0, i + 1, :2] = flow_back(there) if look_ahead else flow_between(two, one)
    return torch.from_numpy(motion)


def raw_planes(frames: Sequence[Frame]) -> list[bytes]:
    return [plane.tobytes() for frame in frames for plane in frame.planes]


@KINDS
def test_without_look_ahead_the_centre_replaces_the_future_frame(kind: str) -> None:
    network, clip, motion = tiny(kind), clip_of(4), motion_of(4)
    with torch.inference_mode():
        blind, _ = network(clip, motion, None, torch.tensor([False, False]))
        state, expected = None, []
        for centre, flow in zip(clip.unbind(1), motion.unbind(1), strict=True):
            still = torch.zeros_like(flow[:, 2:])
            residual, state = network.restore(network.encoded(centre), None, Motion(flow[:, :2], still), state)
            expected.append(residual)
        mixed, _ = network(clip, motion, None, torch.tensor([True, False]))
        sighted, _ = network(clip, motion, None, torch.tensor([True, True]))
        assert close(sighted, network(clip, motion)[0])
    assert close(blind, torch.stack(expected, 1))
    assert close(mixed, torch.stack([sighted[0], blind[1]]))
    assert network.future == 0 or not close(blind, sighted)

    restorer = TorchRestorer("tiny", network, "cpu", "fp32", look_ahead=False)
    assert restorer.future == 0
    frames = pictures(4)
    with torch.inference_mode():
        residuals, _ = network(folded(frames), flow_of(frames, look_ahead=False), None, torch.tensor([False]))
    for got, frame, residual in zip(restored_by(restorer, frames), frames, residuals.unbind(1), strict=True):
        for a, b in zip(got.planes, unfold(frame, residual.numpy()).planes, strict=True):
            assert np.abs(a.astype(int) - b).max() <= 1


@KINDS
def test_the_state_arrives_where_the_scene_has_moved_to(kind: str) -> None:
    """A scene that moves by whole cells, with flow that says so, is restored as one that stands still."""
    network = tiny(kind)
    if isinstance(network, ConvLSTM):  # that it may also look at how fast the scene moves is not the point here
        network.motion.weight.data.zero_()
    step = CELL // 2
    # So wide that the frame's sides, which differ, are not seen in its middle.
    width = step * (6 * sum(network.reach) + 8)
    scene = torch.rand(1, 6, 8, width + 6 * step, generator=torch.Generator().manual_seed(2))
    still, moving = ([scene[..., step * i : step * i + width] for i in places] for places in ((3, 3, 3), (5, 4, 3)))
    results = []
    for seen, shift in ((still, 0), (moving, step)):
        frames, state = [network.encoded(frame) for frame in seen], None
        for i, frame in enumerate(frames):
            to_past = torch.zeros(1, 2, 8, width)
            to_past[:, 0] = -shift if i else 0  # what is seen here was further to the left
            future = frames[i + 1] if i < 2 else None
            to_future = -to_past if i else torch.zeros_like(to_past)
            to_future[:, 0] = shift if future is not None else 0
            with torch.inference_mode():
                residual, state = network.restore(frame, future, Motion(to_past, to_future), state)
        results.append(residual)
    middle = slice(width // 2 - step, width // 2 + step)
    assert (results[0] - results[1])[..., middle].abs().max() < 1e-4


@KINDS
def test_interleaved_streams_are_independent_and_reproducible(kind: str) -> None:
    restorer = TorchRestorer("tiny", tiny(kind), "cpu", "fp32")
    one, two = pictures(5), [picture(100 + i) for i in range(5)]
    alone = raw_planes(restored_by(restorer, one)), raw_planes(restored_by(restorer, two))
    pairs = [windows(frames, restorer.past, restorer.future) for frames in (one, two)]
    states: list[Any] = [None, None]
    restored: list[list[Frame]] = [[], []]
    for both in zip(*pairs, strict=True):
        for i, window in enumerate(both):
            frame, states[i] = restorer.restore(window, states[i])
            restored[i].append(frame)
    assert (raw_planes(restored[0]), raw_planes(restored[1])) == alone


@KINDS
@settings(max_examples=25)
@given(width=st.integers(1, 40), height=st.integers(1, 40), layout=st.sampled_from(LAYOUTS), full=st.booleans())
def test_any_size_and_layout_comes_back_the_same_size(
    kind: str, width: int, height: int, layout: Layout, full: bool
) -> None:
    restorer = TorchRestorer("tiny", tiny(kind, residual=3), "cpu", "fp32")
    frames = [replace(picture(i, (width, height), layout), color=Color(full_range=full)) for i in range(2)]
    for before, after in zip(frames, restored_by(restorer, frames), strict=True):
        assert (after.layout, after.pts, after.color) == (before.layout, before.pts, before.color)
        for a, b in zip(after.planes, before.planes, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            assert a.max() < 1 << layout.bits


@KINDS
@pytest.mark.parametrize("full_range", [True, False, None])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_a_zero_residual_is_bit_exact(kind: str, layout: Layout, full_range: bool | None) -> None:
    restorer = TorchRestorer("tiny", tiny(kind, residual=0), "cpu", "fp32")
    frames = [replace(picture(i, (18, 13), layout), color=Color(full_range=full_range)) for i in range(2)]
    assert raw_planes(restored_by(restorer, frames)) == raw_planes(frames)


@KINDS
def test_training_starts_from_the_identity(kind: str) -> None:
    network, config = MODELS[kind]
    residual, _ = network(config(quarter=8, eighth=8, sixteenth=8))(clip_of(3))
    assert not residual.any()


@KINDS
def test_bf16_stays_near_fp32(kind: str) -> None:
    frames = pictures(3, (32, 24))
    exact = restored_by(TorchRestorer("tiny", tiny(kind), "cpu", "fp32"), frames)
    rounded = restored_by(TorchRestorer("tiny", tiny(kind), "cpu", "bf16"), frames)
    for a, b in zip(exact, rounded, strict=True):
        assert np.abs(a.planes[0].astype(int) - b.planes[0]).mean() < 1


@KINDS
def test_distant_pixels_do_not_touch(kind: str) -> None:
    """What makes tiles exact: there is a reach beyond which a change is not seen; recurrence adds to it per frame."""
    network = tiny(kind)
    width = CELL // 2 * (sum(network.reach) + 2)
    one = torch.zeros(1, 1, 6, 16, width + 64)
    other = one.clone()
    other[..., :8] = 1
    with torch.inference_mode():
        difference = (network(one)[0] - network(other)[0]).abs().amax(dim=(0, 1, 2, 3))
    assert difference[:8].max() > 0
    assert difference[width:].max() == 0


@pytest.mark.parametrize("retention", [1.0, 0.8])
def test_the_cell_against_its_equations_in_float64(retention: float) -> None:
    torch.manual_seed(3)
    cell = PeepholeCell(5, 4, retention).double()
    with torch.no_grad():
        cell.peephole.normal_()
    w = cell.from_input.weight.detach().numpy()[:, :, 0, 0]
    bias = cell.from_input.bias.detach().numpy()  # type: ignore[union-attr]
    u = cell.from_hidden.weight.detach().numpy()
    peep = cell.peephole.detach().numpy()[..., 0, 0]
    rng = np.random.default_rng(0)
    h, c = np.zeros((4, 6, 7)), np.zeros((4, 6, 7))
    state = torch.zeros(1, 4, 6, 7, dtype=torch.float64), torch.zeros(1, 4, 6, 7, dtype=torch.float64)
    for _ in range(4):
        x = rng.normal(size=(5, 6, 7))
        around = np.pad(h, ((0, 0), (1, 1), (1, 1)))
        gates = np.einsum("gi,iyx->gyx", w, x) + bias[:, None, None]
        for dy in range(3):
            for dx in range(3):
                gates += np.einsum("gi,iyx->gyx", u[:, :, dy, dx], around[:, dy : dy + 6, dx : dx + 7])
        zi, zf, zo, zg = gates.reshape(4, 4, 6, 7)
        i, f, o = (1 / (1 + np.exp(-(z + p[:, None, None] * c))) for z, p in zip((zi, zf, zo), peep, strict=True))
        c = retention * f * c + i * np.tanh(zg)
        h = o * np.tanh(c)
        given_x = torch.from_numpy(x)[None]
        with torch.no_grad():
            state = cell.step(given_x, *state)
        # step() takes the gates through float32: what is compared is the equations, to float32's precision.
        np.testing.assert_allclose(state[0][0].numpy(), h, atol=2e-6)
        np.testing.assert_allclose(state[1][0].numpy(), c, atol=2e-6)


def test_retention_bounds_what_the_cell_holds_and_for_how_long() -> None:
    """However the gates stand: |c| stays under 1 / (1 - retention), and after t frames without input r^t is left."""
    cell = PeepholeCell(5, 4, 0.8)
    with torch.no_grad():
        bias = cell.from_input.bias
        assert bias is not None
        bias.fill_(50.0)  # every gate wide open, and g at one
        nothing = torch.zeros(1, 5, 3, 3)
        h = c = torch.zeros(1, 4, 3, 3)
        for _ in range(60):
            h, c = cell.step(nothing, h, c)
        assert 4.9 < float(c.max()) <= 5.0
        bias[-4:] = 0.0
        cell.from_hidden.weight.zero_()
        for _ in range(24):
            h, c = cell.step(nothing, h, c)
    assert float(c.max()) == pytest.approx(5 * 0.8**24, rel=1e-3)


def test_the_forget_gate_starts_open() -> None:
    network, config = MODELS["convlstm"]
    cell: Any = network(config(hidden=4, quarter=8, eighth=8, sixteenth=8)).cell
    bias = cell.from_input.bias.detach().reshape(4, 4)
    assert [bool((gate == expected).all()) for gate, expected in zip(bias, (0, 1, 0, 0), strict=True)] == [True] * 4
    assert not cell.peephole.any()


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_folding_by_two_keeps_every_sample_and_its_place(memory: torch.memory_format) -> None:
    x = torch.arange(2 * 3 * 4 * 6, dtype=torch.float32).reshape(2, 3, 4, 6).contiguous(memory_format=memory)
    folded = space_to_depth(x)
    assert torch.equal(depth_to_space(folded), x)
    for phase, (dy, dx) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        assert torch.equal(folded[:, 3 * phase : 3 * phase + 3], x[:, :, dy::2, dx::2])


@KINDS
def test_the_state_is_carried(kind: str) -> None:
    """A network with a state answers differently to a frame after another past; one without does not."""
    network, clip = tiny(kind), clip_of(2)
    with torch.inference_mode():
        state = network(clip_of(4, seed=9))[1]
        assert close(network(clip, None, state)[0], network(clip)[0]) == (state is None)


def test_gradients_reach_every_weight() -> None:
    for kind in MODELS:
        network = tiny(kind)
        loss = network(clip_of(3), motion_of(3))[0].square().mean()
        loss.backward()
        missing = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        assert missing == []


def test_past_and_future_both_count() -> None:
    """The recurrent kind looks at its neighbours: another past, future or motion changes the centre."""
    network = tiny("convlstm")
    one, two, three = map(network.encoded, clip_of(3).unbind(1))
    flow = motion_of(3)[:, 1, :2]
    none, some = Motion(0 * flow, 0 * flow), Motion(flow, flow)
    with torch.inference_mode():
        pasts = [network.restore(frame)[1] for frame in (one, three)]
        results = [
            network.restore(two, future, motion, state)[0]
            for future, motion, state in (
                (three, none, pasts[0]),
                (three, none, pasts[1]),
                (one, none, pasts[1]),
                (None, none, pasts[1]),
                (None, some, pasts[1]),
                (None, some, None),
            )
        ]
    assert all(not close(a, b) for a, b in pairwise(results))


@KINDS
def test_a_lone_frame_begins_as_if_it_had_been_held(kind: str) -> None:
    """The state that it finds is the one that it leaves, which goes for streams and clips alike."""
    network, clip = tiny(kind), clip_of(1)
    held = clip.expand(-1, 2, -1, -1, -1)
    with torch.inference_mode():
        bare = network.encoded(clip[:, 0])
        computed = network.compute(*network.align(bare, None, None, None))
        second, _ = network.restore(bare, None, None, network.remember(bare, computed))
        assert close(network(clip)[0][:, 0], second)
        assert network.settles == (kind == "convlstm") == (not close(second, computed[0]))
        first, again = network(held)[0].unbind(1)
    assert float((again - first).abs().mean()) <= float((second - computed[0]).abs().mean())


@pytest.mark.parametrize("held", [1, 2, 3, 5])
def test_a_scene_begins_with_what_the_frames_after_its_first_one_leave_backwards(held: int) -> None:
    """At most two, with the flow back to each from the one before it; they are asked for by streams and clips alike."""
    network, frames = tiny("convlstm"), pictures(held)
    restorer = TorchRestorer("tiny", network, "cpu", "fp32")
    engine = restorer.engine
    seen = [engine.load(fold(frame)) for frame in frames]
    lumas = [half_luma(fold(frame)) for frame in frames]
    encoded = [Encoded(x, tuple(engine.encode([x]))) for x in seen]
    state: Any = None
    for k in range(min(held, 3) - 1, 0, -1) if held > 1 else [0]:
        flow = None if state is None else flow_between(lumas[k], lumas[k + 1])
        state = engine.remember(encoded[k], engine.compute(engine.align(encoded[k], None, Motion(flow, None), state)))
    back = flow_between(lumas[0], lumas[1]) if held > 1 else None
    ahead = encoded[1] if held > 1 else None
    residual = engine.compute(engine.align(encoded[0], ahead, Motion(back, back), state))[0]
    first = restored_by(restorer, frames)[0]
    assert difference([first], [unfold(frames[0], engine.fetch(residual))]) <= 1
    assert restorer.future == 2


@pytest.mark.parametrize("skipped", [0, 1])
def test_flow_goes_to_the_frame_of_the_state(skipped: int) -> None:
    """The one before, found from there and turned round; or, where frames were skipped, an earlier one, found anew."""
    frames = [picture(i, (96, 64)) for i in range(5)]
    restorer = TorchRestorer("tiny", tiny("convlstm"), "cpu", "fp32")
    engine = restorer.engine
    _, state = restorer.restore(Window((*frames[:3],), 0, True), None)
    here = 1 + skipped
    shown, _ = restorer.restore(Window((*frames[here : here + 3],), 0, False), state)

    before, centre, after = (fold(frames[k]) for k in (0, here, here + 1))
    lumas = [half_luma(folded) for folded in (before, centre, after)]
    direct, derived = flow_between(lumas[1], lumas[0]), flow_back(flow_between(lumas[0], lumas[1]))
    assert np.abs(direct - derived).max() > 0.1
    motion: Motion[FlowPlanes | None] = Motion(direct if skipped else derived, flow_between(lumas[1], lumas[2]))
    now, ahead = (Encoded(x, tuple(engine.encode([x]))) for x in map(engine.load, (centre, after)))
    residual = engine.compute(engine.align(now, ahead, motion, state.views[0]))[0]
    assert difference([shown], [unfold(frames[here], engine.fetch(residual))]) <= 1
