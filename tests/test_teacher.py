"""Teachers: their mean does not depend on how a clip lies, and students follow them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from support.commands import run
from support.networks import CONFIGS, tiny
from support.train_runs import TINY, same, write_pictures
from vdeblur.backends import checkpoints
from vdeblur.backends.published import weights_folder
from vdeblur.backends.symmetries import SYMMETRIES, turn, turn_flow, undo
from vdeblur.errors import ModelError, UsageError
from vdeblur.training.batches import held_out_batches
from vdeblur.training.config import TrainConfig
from vdeblur.training.learner import Learner, LearnerConfig, loss_of, taught_loss
from vdeblur.training.supply import Batch, motion_of, to_network
from vdeblur.training.teacher import Teacher
from vdeblur.training.train import take_step, train

CPU = torch.device("cpu")


def batch_of(seed: int, frames: int = 3, size: int = 16) -> Batch:
    blurred, sharp = torch.randint(
        0, 256, (2, 1, frames, 6, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )
    return Batch(blurred, sharp, motion_of(to_network(blurred)).half())


def turned(batch: Batch, symmetry: int) -> Batch:
    flow = turn_flow(batch.motion.unflatten(2, (2, 2)), symmetry).flatten(2, 3)
    return Batch(turn(batch.blurred, symmetry), turn(batch.sharp, symmetry), flow)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    folder = tmp_path_factory.mktemp("models")
    for kind in CONFIGS:
        network = tiny(kind)
        checkpoints.save(folder / f"{kind}.safetensors", network, kind, network.state_dict(), {})
    return tuple(str(folder / f"{kind}.safetensors") for kind in CONFIGS)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_rotating_a_clip_equals_rotating_its_frames(symmetry: int) -> None:
    """Against the planes themselves, and back."""
    clip = batch_of(0).blurred
    luma = torch.nn.functional.pixel_shuffle(clip[0, :, :4].float(), 2)
    expected = luma.mT if symmetry & 4 else luma
    expected = expected.flip(-2) if symmetry & 2 else expected
    expected = expected.flip(-1) if symmetry & 1 else expected
    seen = torch.nn.functional.pixel_shuffle(turn(clip, symmetry)[0, :, :4].float(), 2)
    assert torch.equal(seen, expected)
    assert torch.equal(undo(turn(clip, symmetry), symmetry), clip)


def test_all_eight_symmetries_are_there() -> None:
    clip = batch_of(0).blurred
    assert len({turn(clip, symmetry).contiguous().numpy().tobytes() for symmetry in SYMMETRIES}) == 8


@pytest.mark.parametrize("symmetry", SYMMETRIES[1:])
def test_the_mean_over_all_symmetries_is_equivariant(models: tuple[str, ...], symmetry: int) -> None:
    """One network alone does not."""
    for views, alike in ((8, True), (1, False)):
        teacher = Teacher(models[:1], views, CPU)
        one, other = turn(teacher(batch_of(1)), symmetry), teacher(turned(batch_of(1), symmetry))
        assert torch.allclose(one, other, atol=2e-3) == alike


def test_teachers_take_turns(models: tuple[str, ...]) -> None:
    first, second, both = (
        Teacher(names, views, CPU)(batch_of(2))
        for names, views in ((models[:1], 1), (models[1:2], 1), ((models[0], models[0]), 2))
    )
    assert (first - second).abs().max() > 1 / 255
    assert (first - both).abs().max() > 1 / 255  # the second view is another, whoever looks


def test_the_truth_as_its_own_teacher_changes_no_gradient() -> None:
    sharp = torch.rand(2, 3, 6, 8, 8)
    restored = torch.rand(2, 3, 6, 8, 8, requires_grad=True)
    (one,) = torch.autograd.grad(loss_of(restored, sharp), restored)
    (other,) = torch.autograd.grad(taught_loss(restored, sharp, sharp), restored)
    torch.testing.assert_close(one, other)


@pytest.fixture(scope="module")
def taught(models: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    photographs = write_pictures(tmp_path_factory.mktemp("data") / "photographs", 2, (120, 90))
    return replace(TINY, data=(str(photographs),), teacher=models, teacher_views=3)


def test_a_taught_run_goes_on_to_the_bit_where_it_was(taught: TrainConfig, tmp_path: Path) -> None:
    short = replace(taught, steps=4)
    train(short, tmp_path / "whole")
    train(short, tmp_path / "parts", max_minutes=0)
    train(short, tmp_path / "parts")
    assert same(tmp_path / "whole", tmp_path / "parts")


def test_a_student_approaches_its_teacher(taught: TrainConfig, tmp_path: Path) -> None:
    """The teacher adds a tenth everywhere: nothing in the clips themselves would teach that."""
    teacher = tiny("cnn", residual=0)
    with torch.no_grad():
        assert teacher.decoder.head.bias is not None
        teacher.decoder.head.bias.fill_(0.1)
    file = str(tmp_path / "teacher.safetensors")
    checkpoints.save(file, teacher, "cnn", teacher.state_dict(), {})
    learner = LearnerConfig(learning_rate=3e-3, warm_up=2)
    lesson = replace(taught, teacher=(file,), teacher_views=1, teacher_share=1.0, steps=80, reuse=20, learner=learner)
    student = train(lesson, tmp_path / "run").network.eval()
    (batch,) = held_out_batches(lesson, torch.device("cpu"), 4)
    with torch.no_grad():
        learnt = student(to_network(batch.blurred), batch.motion.float())[0]
    assert float((learnt - 0.1).square().mean()) < 0.3 * 0.1**2


def test_a_lesson_is_turned_reversed_and_cut_up_with_its_batch(taught: TrainConfig) -> None:
    """A network that changes nothing has nothing to learn from a teacher that changes nothing, however a clip lies."""
    settings = replace(taught, teacher_share=1.0, short=0.5)
    learner = Learner(settings.kind, settings.model, LearnerConfig(learning_rate=1e-2, weight_decay=0), CPU, 0)
    batch = batch_of(2, frames=5)
    before = {name: value.clone() for name, value in learner.network.state_dict().items()}
    for _ in range(30):
        take_step(learner, settings, batch, 0.0, to_network(batch.blurred))
    assert all(torch.equal(value, before[name]) for name, value in learner.network.state_dict().items())
    take_step(learner, settings, batch, 0.0, to_network(batch.blurred.flip(1)))
    assert not all(torch.equal(value, before[name]) for name, value in learner.network.state_dict().items())


def test_invalid_teachers_are_reported_at_once(taught: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='"teacher_views" must be 1 to 8; it is 9'):
        replace(taught, teacher_views=9)
    with pytest.raises(UsageError, match='"teacher_share" must be 0 to 1'):
        replace(taught, teacher_share=1.5)
    with pytest.raises(ModelError, match="no such model file"):
        train(replace(taught, teacher=("missing.safetensors",)), tmp_path, max_minutes=0)


def test_a_recipe_may_call_published_models_by_their_names(taught: TrainConfig, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'kind = "cnn"\ninit = "cnn"\nteacher = ["fast", "cnn"]\nteacher_views = 2\nsteps = 1\nbatch = 1\n'
        "model = {eighth = 80}\nmix = {footage = 0, scene = {size = 32, frames = 2}}\n"
    )
    words = ["train", "--config", str(recipe), "--data", taught.data[0], "--run", str(tmp_path / "run"), "-d", "cpu"]
    done = run(*words)
    assert done.exit_code == 0, done.output
    student = checkpoints.load(tmp_path / "run" / "model.safetensors")
    assert student.provenance["teacher"] == ["fast.safetensors", "cnn.safetensors"]
    published_weights = checkpoints.load(weights_folder() / "cnn.safetensors").tensors
    for name, value in student.tensors.items():
        torch.testing.assert_close(value, published_weights[name], atol=0.05, rtol=0.0)
