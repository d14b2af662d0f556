"""Checkpoints of a run: resume.safetensors with its full state, and model.safetensors, ready for `-m`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..backends import checkpoints
from ..errors import InputError
from ..files import replacing
from .config import TrainConfig
from .learner import Learner


def save(learner: Learner, folder: Path, config: TrainConfig) -> None:
    """Write both files, each whole or as it was before. Raises OutputError."""
    state = {f"weights.{name}": value for name, value in learner.network.state_dict().items()}
    state |= {f"average.{name}": value for name, value in learner.average.items()}
    for place, optimiser in enumerate(learner.optimisers):
        for index, moments in optimiser.state_dict()["state"].items():
            state |= {f"moments.{place}.{index}.{name}": value for name, value in moments.items()}
    plain = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    settings = config.portable()
    header = {"step": learner.step_count, "seconds": learner.seconds, "settings": settings, "origin": learner.origin}
    with replacing(folder / "resume.safetensors") as path:
        checkpoints.write(plain, path, {name: json.dumps(value) for name, value in header.items()})
    provenance = {
        "steps": learner.step_count,
        "data": settings["pairs"] or settings["data"],
        "seed": config.seed,
        **({"teacher": settings["teacher"]} if config.teacher else {}),
        **({"init": learner.origin} if learner.origin else {}),
    }
    model = {name: value.half() for name, value in learner.average.items()}
    with replacing(folder / "model.safetensors") as path:
        checkpoints.save(path, learner.network, learner.kind, model, provenance)


def begin(learner: Learner, folder: Path, config: TrainConfig) -> list[str]:
    """Go on from the checkpoint in a run's folder, or begin with the weights that its settings name.

    Returns settings that differ from the checkpoint's: "name: old -> new".
    """
    if not (folder / "resume.safetensors").exists():
        if config.init:
            begin_with(learner, config.init)
        return []
    before = _flat(resume(learner, folder / "resume.safetensors"))
    now = _flat(json.loads(json.dumps(config.portable())))
    return [f"{name}: {before[name]} -> {value}" for name, value in now.items() if before.get(name, value) != value]


def resume(learner: Learner, file: Path) -> dict[str, Any]:
    """Go on from resume.safetensors, on whatever device; returns the settings that it was made with.

    Raises InputError where it is damaged or of another model.
    """
    try:
        with safe_open(str(file), "pt") as stored:
            header = {name: json.loads(value) for name, value in stored.metadata().items()}
            state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        step, seconds, origin = int(header["step"]), float(header["seconds"]), dict(header["origin"])
    except (SafetensorError, OSError, TypeError, AttributeError, KeyError, ValueError) as error:
        raise InputError(f"{file}: not a readable checkpoint ({error}); give the run another folder") from error
    own = {name: value.shape for name, value in learner.network.state_dict().items()}
    if {name: value.shape for name, value in _under("weights.", state).items()} != own:
        raise InputError(
            f"{file}: is of another model than a {learner.kind} of these settings; give the run another folder"
        )
    learner.step_count, learner.seconds, learner.origin = step, seconds, origin
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
    return dict(header["settings"])


def begin_with(learner: Learner, model: str) -> None:
    """Take over the weights of a model that fit; residual blocks that are not among them begin as the identity."""
    own = learner.network.state_dict()
    given = checkpoints.load(model)
    learner.origin = {"file": Path(model).name, **given.provenance}
    fitting = {name: value for name, value in given.tensors.items() if name in own and own[name].shape == value.shape}
    own |= {name: torch.zeros_like(value) for name, value in own.items() if ".second." in name}
    learner.network.load_state_dict(own | fitting)
    for name, value in learner.network.state_dict().items():
        learner.average[name].copy_(value)


def _under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Tables within tables as one, with dots in the names."""
    result: dict[str, Any] = {}
    for name, value in settings.items():
        result |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return result
