"""Checkpoints of a run: resume.safetensors with its full state, and model.safetensors, ready for `-m`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..backends import checkpoints
from ..errors import InputError
from ..files import replacing
from .learner import Learner


def save(learner: Learner, folder: Path, provenance: dict[str, Any], settings: dict[str, Any]) -> None:
    """Write both files, each whole or as it was before."""
    state = {f"weights.{name}": value for name, value in learner.network.state_dict().items()}
    state |= {f"average.{name}": value for name, value in learner.average.items()}
    for place, optimiser in enumerate(learner.optimisers):
        for index, moments in optimiser.state_dict()["state"].items():
            state |= {f"moments.{place}.{index}.{name}": value for name, value in moments.items()}
    plain = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    header = {"step": str(learner.step_count), "settings": json.dumps(settings)}
    with replacing(folder / "resume.safetensors") as path:
        save_file(plain, str(path), header)
    model = {name: value.half() for name, value in learner.average.items()}
    with replacing(folder / "model.safetensors") as path:
        checkpoints.save(path, learner.network, learner.kind, model, provenance)


def resume(learner: Learner, file: Path) -> None:
    """Go on from resume.safetensors, on whatever device; InputError where it is damaged or of another model."""
    try:
        with safe_open(str(file), "pt") as stored:
            header = stored.metadata()
            state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        step = int(header["step"])
    except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
        raise InputError(f"{file}: not a readable checkpoint ({error}); give the run another folder") from error
    own = {name: value.shape for name, value in learner.network.state_dict().items()}
    if {name: value.shape for name, value in _under("weights.", state).items()} != own:
        raise InputError(
            f"{file}: is of another model than a {learner.kind} of these settings; give the run another folder"
        )
    learner.step_count = step
    learner.network.load_state_dict(_under("weights.", state))
    for name, value in _under("average.", state).items():
        learner.average[name].copy_(value)
    for place, optimiser in enumerate(learner.optimisers):
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _under(f"moments.{place}.", state).items():
            index, _, key = name.partition(".")
            if value.dim():  # the fused optimiser walks memory, so moments must lie as their weights do
                value = torch.empty_like(weights[int(index)]).copy_(value)
            moments.setdefault(int(index), {})[key] = value
        optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})


def begin_with(learner: Learner, model: str) -> None:
    """Take over the weights of a model that fit; residual blocks that are not among them begin as the identity."""
    own = learner.network.state_dict()
    given = checkpoints.load(model).tensors
    fitting = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
    own |= {name: torch.zeros_like(value) for name, value in own.items() if ".second." in name}
    learner.network.load_state_dict(own | fitting)
    for name, value in learner.network.state_dict().items():
        learner.average[name].copy_(value)


def _under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
