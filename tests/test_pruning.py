"""Pruning takes out the channels that do least, everywhere they are held, and leaves a network that works."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from support.commands import run
from support.networks import CONFIGS, TINY, tiny
from support.train_runs import write_pictures
from vdeblur.backends.checkpoints import Checkpoint, load, save
from vdeblur.errors import UsageError
from vdeblur.models import MODELS, build
from vdeblur.training.pruning import groups, prune

KINDS = pytest.mark.parametrize("kind", MODELS)


def wide(kind: str) -> Checkpoint:
    """A network with 16 channels everywhere, random in all places."""
    config = dict.fromkeys(CONFIGS.get(kind, TINY), 16)
    torch.manual_seed(1)
    network = build(kind, config)
    tensors = {name: torch.randn_like(value) * 0.2 for name, value in network.state_dict().items()}
    return Checkpoint(kind, config, tensors, {"steps": 3})


@KINDS
def test_channels_without_effect_are_pruned_first_and_without_a_change(kind: str) -> None:
    """Every second channel of every group is made zero wherever it is held, and half of them pruned."""
    whole = wide(kind)
    for places in groups(kind, whole.config).values():
        for place in places:
            idle = [place.first + i + 16 * repeat for repeat in range(place.repeats) for i in range(0, 16, 2)]
            whole.tensors[place.weight].index_fill_(place.dimension, torch.tensor(idle), 0.0)
    pruned = prune(whole, 0.5)
    assert pruned.config == dict.fromkeys(whole.config, 8)
    assert pruned.provenance == {"steps": 3, "pruned": 0.5}
    one, other = whole.network(), pruned.network()
    clip = torch.rand(1, 3, 6, 16, 24)
    with torch.inference_mode():
        expected, result = one(clip)[0], other(clip)[0]
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(result, expected, atol=1e-3 * float(expected.abs().max()), rtol=0)


@KINDS
def test_every_dimension_that_a_width_sets_is_found(kind: str) -> None:
    network = tiny(kind)
    pruned = prune(wide(kind), 0.5).network()
    assert {name: value.shape for name, value in pruned.state_dict().items()} == {
        name: value.shape for name, value in network.state_dict().items()
    }


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_share_is_between_none_and_all(share: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        prune(wide("cnn"), share)


@KINDS
def test_a_pruned_model_is_trained_on_from_what_was_left(tmp_path: Path, kind: str) -> None:
    """By the command that `compress` names: with settings of its own, and weights that one small step hardly moves."""
    whole = wide(kind)
    model, pruned = tmp_path / "whole.safetensors", tmp_path / "pruned.safetensors"
    save(model, whole.network(), kind, whole.tensors, whole.provenance)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'kind = "{kind}"\nsteps = 1\nbatch = 1\nteacher = ["{model.as_posix()}"]\nteacher_views = 1\n'
        "[learner]\nlearning_rate = 1e-9\nweight_decay = 0.0\n"
        "[mix]\nfootage = 0\n[mix.scene]\nsize = 32\nframes = 2\nthings = 1\nplanes = 0\n"
    )
    assert run("compress", model, "--prune", "0.5", "-o", pruned).exit_code == 0
    data = write_pictures(tmp_path / "pictures", 3, (80, 64))
    words = ("--config", recipe, "--init", pruned, "--data", data, "--run", tmp_path / "run", "--renderers", "0")
    done = run("train", *words, "--progress", "none")
    assert done.exit_code == 0, done.output
    before, after = load(pruned), load(tmp_path / "run" / "model.safetensors")
    assert after.config == before.config
    assert {width: after.config[width] for width in whole.config} == dict.fromkeys(whole.config, 8)
    for name, weight in before.tensors.items():
        torch.testing.assert_close(after.tensors[name].float(), weight.float(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("fast", "--prune", "0.5", "-o", "pruned"), 2, "a pruned model is a .safetensors file (-o/--output)"),
        (("fast", "--prune", "0.5", "-o", "a.safetensors", "--clip", "a.mp4"), 2, "use one of them"),
        (("unsharp", "--prune", "0.5", "-o", "a.safetensors"), 3, "unsharp is not a network"),
        (("fast", "--prune", "0.5", "-o", "file/a.safetensors"), 5, "file/a.safetensors: cannot be written"),
    ],
)
def test_what_cannot_be_pruned_or_loaded_again_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    result = run("compress", *words)
    assert (result.exit_code, said in result.stderr) == (code, True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
