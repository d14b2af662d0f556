"""What the loss asks for beside the truth: frames that stay when they are repeated, and weights that bear rounding."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from support.networks import tiny
from support.train_runs import TINY
from vdeblur.models.ladder import ResidualBlock
from vdeblur.recurrence import Motion
from vdeblur.training.learner import FLOOR, Example, Learner, LearnerConfig, error_of, unsteadiness
from vdeblur.training.rounding import LEVELS, rounded, rounded_weights
from vdeblur.training.supply import Batch, motion_of, to_network

CPU = torch.device("cpu")


def clips(count: int, frames: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (count, frames, 6, 16, 16), dtype=torch.uint8, generator=random(seed))


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_only_repeated_frames_are_held_to_be_the_same() -> None:
    blurred = to_network(clips(2, 4))
    blurred[1, 2] = blurred[1, 1]
    restored = blurred + 0.1 * torch.randn(blurred.shape, generator=random(1))
    seen = unsteadiness(restored, blurred)
    change = error_of(restored[1:, 2:3], restored[1:, 1:2]).sum()
    assert float(seen) == pytest.approx(float(4.3429 / FLOOR * change / 8), rel=1e-4)
    restored[1, 2] = restored[1, 1]
    assert float(unsteadiness(restored, blurred)) == 0


def test_a_network_learns_to_hold_still() -> None:
    """The recurrent one, of a clip that stands still: the change from frame to frame, beside that of one that was not
    asked to."""
    blurred, sharp = (clips(2, 1, seed).expand(-1, 4, -1, -1, -1).contiguous() for seed in (0, 1))
    batch = Batch(blurred, sharp, motion_of(to_network(blurred)).half())
    change = {}
    for steady in (0.0, 20.0):
        settings = LearnerConfig(learning_rate=3e-3, warm_up=2, steady=steady)
        learner = Learner(TINY.kind, TINY.model, settings, CPU, seed=0)
        for _ in range(60):
            learner.step(batch, torch.ones(2, dtype=torch.bool))
        with torch.no_grad():
            restored = learner.forward(learner.network, batch, None, rehearse=False)
        change[steady] = float(error_of(restored[:, 1:], restored[:, :-1]).mean())
    assert 0 < change[20.0] < 0.5 * change[0.0]


def moving(frames: int) -> tuple[Learner, Batch]:
    """A learner of random weights, in float32, and two clips with motion that is not theirs."""
    learner = Learner(TINY.kind, TINY.model, TINY.learner, CPU, seed=0)
    learner._autocast = False
    with torch.no_grad():
        learner.network.decoder.head.weight.normal_(std=0.1, generator=random(2))
    learner.average = {name: value.clone() for name, value in learner.network.state_dict().items()}
    motion = 3 * torch.randn(2, frames, 4, 16, 16, generator=random(3))
    motion[:, 0, :2], motion[:, -1, 2:] = 0, 0
    return learner, Batch(clips(2, frames), clips(2, frames, seed=1), motion.half())


def test_a_frame_restored_without_a_state_has_no_past() -> None:
    """Nor motion to it, as where a stream is reset; what carrying the state gains would look like more than it is."""
    learner, batch = moving(3)
    scores = learner.validate([batch])
    still = batch.motion.clone()
    still[:, :, :2] = 0
    without = learner.validate([batch._replace(motion=still)])
    assert without["gain_no_state"] == scores["gain_no_state"]
    assert without["gain"] != scores["gain"]


def test_a_rehearsal_is_a_stream_that_runs_backwards() -> None:
    """Step by step, as the engines restore it: neither its first frame has a past nor its last one a future."""
    learner, batch = moving(4)
    network, clip, motion = learner.network, to_network(batch.blurred), batch.motion.float()
    with torch.no_grad():
        encoded = [network.encoded(frame) for frame in clip.unbind(1)]
        none = torch.zeros(2, 2, 16, 16)
        state = network.begin(encoded[:0:-1], [motion[:, k, :2] for k in (3, 2)])
        for k in (3, 2, 1):
            to_past, to_future = motion[:, k, 2:] if k < 3 else motion[:, 3, :2], motion[:, k, :2]
            ahead, to_future = (encoded[k - 1], to_future) if k > 1 else (None, none)
            state = network.restore(encoded[k], ahead, Motion(to_past, to_future), state)[1]
        motion[:, 0, :2] = motion[:, 0, 2:]
        expected = clip + network(clip, motion, state)[0]
        torch.testing.assert_close(learner.forward(network, batch, None, rehearse=True), expected)


def test_steps_that_set_up_a_captured_one_leave_no_trace() -> None:
    """As a CUDA graph is captured, which itself needs a GPU: at a run's first step, and again where it is resumed."""
    plain, captured = (Learner(TINY.kind, TINY.model, TINY.learner, CPU, seed=0) for _ in range(2))
    batch = Batch(clips(2, 3), clips(2, 3, seed=1), torch.zeros(2, 3, 4, 16, 16, dtype=torch.half))
    sees, tensors = torch.ones(2, dtype=torch.bool), set()
    example = Example(batch, sees, to_network(batch.sharp))
    for _ in range(3):
        with captured.moments_kept():
            captured._set_rate(0.0)
            for _ in range(2):
                captured._update(example, rehearse=True)
            tensors.add(tuple(value.data_ptr() for value in moments_of(captured)))
        for learner in (plain, captured):
            learner.step(batch, sees)
    one, other = ([*x.network.parameters(), *moments_of(x)] for x in (plain, captured))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert len(tensors) == 1


def moments_of(learner: Learner) -> list[torch.Tensor]:
    return [value for optimiser in learner.optimisers for own in optimiser.state.values() for value in own.values()]


def test_rounded_weights_are_of_eight_bits_and_pass_their_gradient() -> None:
    weight = torch.randn(5, 3, 3, 3, generator=random(0)).requires_grad_()
    result = rounded(weight)
    steps = (result / weight.abs().amax((1, 2, 3), keepdim=True) * LEVELS).detach()
    torch.testing.assert_close(steps, steps.round(), atol=1e-4, rtol=0)
    assert float(steps.abs().amax()) == pytest.approx(LEVELS)
    assert all(len(channel.round().unique()) > 10 for channel in steps)
    wanted = torch.randn(weight.shape, generator=random(1))
    (result * wanted).sum().backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, wanted)


def test_the_first_and_last_layers_are_not_rounded() -> None:
    names = rounded_weights(tiny("convlstm"))
    assert "fuse.weight" in names
    assert not [name for name in names if {"stem", "head", "scale", "shift"} & set(name.split("."))]


def test_training_for_int8_sees_rounded_weights_and_keeps_the_exact_ones() -> None:
    """A weight under half a step does not act, and still learns."""
    batch = Batch(clips(1, 2), clips(1, 2, seed=1), torch.zeros(1, 2, 4, 16, 16, dtype=torch.half))
    plain, int8 = (Learner(TINY.kind, TINY.model, replace(TINY.learner, int8=on), CPU, seed=0) for on in (False, True))
    block = int8.network.encoder.blocks[0]
    assert isinstance(block, ResidualBlock)
    with torch.no_grad():
        for learner in (plain, int8):
            learner.network.decoder.head.weight.normal_(std=0.1, generator=random(2))
        before = int8.forward(int8.network, batch, None, rehearse=False)
        assert not torch.equal(before, plain.forward(plain.network, batch, None, rehearse=False))
        small = block.first.weight.abs() < 0.4 * block.first.weight.abs().amax((1, 2, 3), keepdim=True) / LEVELS
        assert small.any()
        block.first.weight[small] = 0
        assert torch.equal(before, int8.forward(int8.network, batch, None, rehearse=False))
    int8.step(batch, torch.ones(1, dtype=torch.bool))
    assert (block.first.weight[small] != 0).all()
