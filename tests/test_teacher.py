"""Teachers: their mean does not depend on how a clip lies, sharp clips are left to the truth, students follow them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from support.commands import run
from support.networks import CONFIGS, tiny
from support.train_runs import TINY, same, write_pictures
from vdeblur.backends import checkpoints
from vdeblur.backends.published import weights_folder
from vdeblur.backends.symmetries import SYMMETRIES, turn, undo
from vdeblur.errors import InputError, ModelError, UsageError
from vdeblur.training.packed import Bytes, fold, from_network, planes_of, psnr_of, to_network, unfold
from vdeblur.training.teacher import Teacher, Teaching
from vdeblur.training.train import TrainConfig, held_out_clips, loss_of, taught_loss, train


def clip(seed: int, frames: int = 3, size: int = 16) -> Bytes:
    """(2, frames, 3/2 size, size) of noise: as blurred as can be."""
    return np.random.default_rng(seed).integers(0, 256, (2, frames, size * 3 // 2, size), dtype=np.uint8)


def turned(packed: Bytes, symmetry: int) -> Bytes:
    return unfold(turn(torch.from_numpy(fold(planes_of(packed))), symmetry).numpy())


@pytest.fixture(scope="module")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    folder = tmp_path_factory.mktemp("models")
    for kind in CONFIGS:
        network = tiny(kind)
        checkpoints.save(folder / f"{kind}.safetensors", network, kind, network.state_dict(), {})
    return tuple(str(folder / f"{kind}.safetensors") for kind in CONFIGS)


@given(seed=st.integers(0, 1000), size=st.sampled_from([8, 16, 24]))
def test_folding_and_numbers_come_back_as_they_were(seed: int, size: int) -> None:
    packed = clip(seed, 2, size)
    folded = fold(planes_of(packed))
    np.testing.assert_array_equal(unfold(folded), packed)
    assert torch.equal(from_network(to_network(torch.from_numpy(folded))), torch.from_numpy(folded))


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_a_turned_clip_is_the_turned_picture(symmetry: int) -> None:
    """Against numpy on the planes themselves, and back."""
    packed = clip(0)
    expected = planes_of(packed)
    if symmetry & 4:
        expected = [plane.swapaxes(-1, -2) for plane in expected]
    if symmetry & 2:
        expected = [plane[..., ::-1, :] for plane in expected]
    if symmetry & 1:
        expected = [plane[..., ::-1] for plane in expected]
    for plane, other in zip(planes_of(turned(packed, symmetry)), expected, strict=True):
        np.testing.assert_array_equal(plane, other)
    folded = torch.from_numpy(fold(planes_of(packed)))
    assert torch.equal(undo(turn(folded, symmetry), symmetry), folded)


def test_all_eight_symmetries_are_there() -> None:
    assert len({turned(clip(0), symmetry).tobytes() for symmetry in SYMMETRIES}) == 8


@pytest.mark.parametrize("symmetry", SYMMETRIES[1:])
def test_the_mean_over_all_symmetries_turns_with_the_clip(model_files: tuple[str, ...], symmetry: int) -> None:
    """One network alone does not."""
    for views, alike in ((8, True), (1, False)):
        teacher = Teacher(Teaching(model_files[:1], views, worse_than=100.0))
        one, other = turned(teacher(clip(1)), symmetry), teacher(turned(clip(1), symmetry))
        difference = np.abs(one.astype(int) - other).max()
        assert difference <= 1 if alike else difference > 1


def test_teachers_take_turns(model_files: tuple[str, ...]) -> None:
    first, second, both = (
        Teacher(Teaching(names, views, worse_than=100.0))(clip(2)).astype(float)
        for names, views in (
            (model_files[:1], 1),
            ((model_files[0], model_files[1]), 2),
            ((model_files[0], model_files[0]), 2),
        )
    )
    assert np.abs(first - second).max() > 1
    assert np.abs(first - both).max() > 1  # the second view is another, whoever looks


def test_what_is_hardly_blurred_is_left_to_the_truth(model_files: tuple[str, ...]) -> None:
    pair = clip(3)
    limit = psnr_of(pair)
    np.testing.assert_array_equal(Teacher(Teaching(model_files, 2, worse_than=limit - 0.1))(pair), pair[1])
    assert np.any(Teacher(Teaching(model_files, 2, worse_than=limit + 0.1))(pair) != pair[1])


def test_the_truth_as_its_own_teacher_changes_no_gradient() -> None:
    sharp = torch.rand(2, 3, 6, 8, 8)
    restored = torch.rand(2, 3, 6, 8, 8, requires_grad=True)
    (one,) = torch.autograd.grad(loss_of(restored, sharp), restored)
    (other,) = torch.autograd.grad(taught_loss(restored, sharp, sharp), restored)
    torch.testing.assert_close(one, other)


@pytest.fixture(scope="module")
def taught(model_files: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    photographs = write_pictures(tmp_path_factory.mktemp("data") / "photographs", 2, (120, 90))
    return replace(TINY, data=(str(photographs),), teacher=model_files, teacher_views=3)


def test_a_taught_run_goes_on_to_the_bit_where_it_was(taught: TrainConfig, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(taught, whole)
    train(taught, parts, pool_folder=whole / "pool", max_minutes=0)
    train(taught, parts, pool_folder=whole / "pool")
    assert same(whole, parts)
    with pytest.raises(InputError, match="other settings"):
        train(replace(taught, teacher=()), tmp_path / "other", pool_folder=whole / "pool", max_minutes=0)


@pytest.mark.parametrize("render", ["pool", "device"])
def test_a_student_comes_to_do_as_its_teacher(taught: TrainConfig, tmp_path: Path, render: str) -> None:
    """The teacher adds a tenth everywhere: nothing in the clips themselves would teach that."""
    teacher = tiny("cnn", residual=0)
    with torch.no_grad():
        teacher.decoder.head.bias.fill_(0.1)  # type: ignore[union-attr]
    file = str(tmp_path / "teacher.safetensors")
    checkpoints.save(file, teacher, "cnn", teacher.state_dict(), {})
    lesson = {"teacher": (file,), "teacher_views": 1, "teacher_share": 1.0, "plain": 0.0}
    pupil = replace(taught, render=render, steps=80, learning_rate=3e-3, **lesson)  # type: ignore[arg-type]
    student = train(pupil, tmp_path / "run").network.eval()
    clip = to_network(held_out_clips(pupil, 4))[:, 0]
    with torch.no_grad():
        learnt = student.forward(clip)[0]
    assert float((learnt - 0.1).square().mean()) < 0.3 * 0.1**2


def test_teachers_that_cannot_be_are_told_at_once(taught: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='"teacher_views" must be 1 to 8; it is 9'):
        replace(taught, teacher_views=9)
    with pytest.raises(UsageError, match='"teacher_share" must be 0 to 1'):
        replace(taught, teacher_share=1.5)
    with pytest.raises(ModelError, match="no such model file"):
        train(replace(taught, teacher=("missing.safetensors",), render="device"), tmp_path, max_minutes=0)


def test_a_recipe_may_call_published_models_by_their_names(taught: TrainConfig, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'kind = "cnn"\ninit = "cnn"\nteacher = ["fast", "cnn"]\nteacher_views = 2\nsteps = 1\nbatch = 1\nframes = 2\n'
        "burn_in = 0\npatch = 24\npool = 1\npool_start = 1\nmodel = {eighth = 80}\nblur = {size = 32, frames = 4}\n"
    )
    words = ["train", "--config", str(recipe), "--data", taught.data[0], "--run", str(tmp_path / "run"), "-d", "cpu"]
    done = run(*words)
    assert done.exit_code == 0, done.output
    student = checkpoints.load(tmp_path / "run" / "model.safetensors")
    assert student.provenance["teacher"] == ["fast.safetensors", "cnn.safetensors"]
    published_weights = checkpoints.load(weights_folder() / "cnn.safetensors").tensors
    for name, value in student.tensors.items():
        torch.testing.assert_close(value, published_weights[name], atol=0.05, rtol=0.0)
