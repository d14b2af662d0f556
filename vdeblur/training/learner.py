"""One network that learns: its weights, their average, the optimisers, and steps captured as CUDA graphs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..models import StreamNetwork, build
from .muon import Muon
from .supply import Batch, to_network

FLOOR = 1.5e-4
"""Added to the squared error before its logarithm (38 dB): an error's weight is 1 / (MSE + floor), so without it the
clips that are sharp already would rule the gradient, and the network would learn to leave everything alone."""
FIRST_FLOOR = 1e-3
"""The same (30 dB) at the beginning, when only blur that matters gets a network off a residual of zero."""


def error_of(restored: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of each frame, (n, t, 6, h, w) -> (n, t).

    Luma's four phases share a weight of one, Cb and Cr have one each: nearly the mean squared error of RGB.
    """
    squared = (restored - target).square().mean(dim=(3, 4))
    return squared[..., :4].mean(-1) + squared[..., 4] + squared[..., 5]


def loss_of(restored: Tensor, sharp: Tensor, floor: Tensor | float = FLOOR) -> Tensor:
    """Mean over clips and frames of log MSE in dB."""
    return (10 * torch.log10(error_of(restored, sharp) + floor)).mean()


@dataclass(frozen=True)
class LearnerConfig:
    """What learns, and how fast."""

    kind: str = "convlstm"
    model: dict[str, Any] = field(default_factory=dict)
    """Settings of the kind's configuration."""
    learning_rate: float = 1e-3
    muon_scale: float = 3.0
    """Learning rate of Muon over that of AdamW; see `make_optimisers`."""
    weight_decay: float = 1e-4
    ema: float = 0.999
    warm_up: int = 200
    """Steps until the full learning rate."""


class Captured(NamedTuple):
    """A step's gradients as a CUDA graph, with the tensors that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: Batch
    look_ahead: Tensor
    gain: Tensor


class Learner:
    """Steps of one network on batches of any supply."""

    def __init__(self, name: str, config: LearnerConfig, device: torch.device, seed: int = 0) -> None:
        self.name, self.config, self.device, self.steps = name, config, device, 0
        torch.manual_seed(seed)
        self.network = build(config.kind, config.model).to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = {key: value.detach().clone().float() for key, value in self.network.state_dict().items()}
        self.optimisers = make_optimisers(self.network, config)
        self._floor = torch.tensor(FLOOR, device=device)
        self._captured: dict[Any, Captured] = {}
        self._autocast = device.type == "cuda" or torch.backends.cpu.get_cpu_capability().startswith("AVX512")

    def forward(self, network: StreamNetwork, batch: Batch, look_ahead: Tensor | None, rehearse: bool) -> Tensor:
        """Restored frames (n, t, 6, h, w). To `rehearse` is to run through the clip backwards first, for the state."""
        clip, motion = to_network(batch.blurred), batch.motion.float()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast, cache_enabled=False):
            state = None
            if rehearse:
                backwards = torch.cat([motion[:, :, 2:], motion[:, :, :2]], dim=2).flip(1)
                with torch.no_grad():
                    state = network(clip.flip(1)[:, :-1], backwards[:, :-1], None, look_ahead)[1]
                motion = motion.clone()
                motion[:, 0, :2] = motion[:, 0, 2:]  # then the frame before the first is the second
            residual = network(clip, motion, state, look_ahead)[0]
        return clip + residual.float()

    def step(self, batch: Batch, look_ahead: Tensor, rehearse: bool, rate: float, floor: float = FLOOR) -> Tensor:
        """One step of the optimisers at `rate` (0..1) of the learning rate; the batch's mean gain in dB."""
        self._floor.fill_(floor)
        rise = min(1.0, (self.steps + 1) / self.config.warm_up)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["relative_lr"] * self.config.learning_rate * rate * rise
        gain = self._gradients(batch, look_ahead, rehearse)
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        for gradient in gradients:
            torch.nan_to_num_(gradient, 0.0, 0.0, 0.0)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0, foreach=True)
        for optimiser in self.optimisers:
            optimiser.step()
        self.steps += 1
        decay = min(self.config.ema, (1 + self.steps) / (10 + self.steps))
        current = self.network.state_dict()
        names = list(self.average)
        with torch.no_grad():
            torch._foreach_lerp_([self.average[n] for n in names], [current[n].float() for n in names], 1 - decay)
        return gain

    def _gradients(self, batch: Batch, look_ahead: Tensor, rehearse: bool) -> Tensor:
        if self.device.type != "cuda":
            self.network.zero_grad(set_to_none=True)
            return self._backward(batch, look_ahead, rehearse)
        key = (batch.blurred.shape, rehearse)
        if key not in self._captured:
            self._captured[key] = self._capture(batch, look_ahead, rehearse)
        graph, inputs, sees, gain = self._captured[key]
        for mine, given in zip(inputs, batch, strict=True):
            mine.copy_(given)
        sees.copy_(look_ahead)
        graph.replay()
        return gain.clone()

    def _capture(self, batch: Batch, look_ahead: Tensor, rehearse: bool) -> Captured:
        """Gradients of every graph lie in the same tensors, zeroed at the start of each."""
        inputs, sees = Batch(*(x.clone() for x in batch)), look_ahead.clone()
        for weight in self.network.parameters():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):
                self._backward(inputs, sees, rehearse)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            for weight in self.network.parameters():
                assert weight.grad is not None
                weight.grad.zero_()
            gain = self._backward(inputs, sees, rehearse)
        return Captured(graph, inputs, sees, gain)

    def _backward(self, batch: Batch, look_ahead: Tensor, rehearse: bool) -> Tensor:
        sharp = to_network(batch.sharp)
        loss = loss_of(self.forward(self.network, batch, look_ahead, rehearse), sharp, self._floor)
        loss.backward()
        with torch.no_grad():
            return loss_of(to_network(batch.blurred), sharp, self._floor) - loss.detach()

    @torch.no_grad()
    def validate(self, batch: Batch) -> dict[str, float]:
        """Gain of the averaged weights in dB: mean, of the worst clip, and with the state reset at each frame."""
        network = build(self.config.kind, self.config.model).to(self.device).eval()
        network.to(memory_format=torch.channels_last).load_state_dict(self.average)  # type: ignore[call-overload]
        carried, alone, before = [], [], []
        for start in range(0, len(batch.blurred), 8):
            part = Batch(*(x[start : start + 8] for x in batch))
            sharp = to_network(part.sharp)
            before.append(_decibels(to_network(part.blurred), sharp))
            carried.append(_decibels(self.forward(network, part, None, False), sharp))
            if network.past:
                frames = [self._alone(network, part, k) for k in range(part.blurred.shape[1])]
                alone.append(_decibels(torch.stack(frames, 1), sharp))
        base = torch.cat(before)
        gain = (torch.cat(carried) - base).mean(1)
        scores = {"gain": float(gain.mean()), "worst": float(gain.min())}
        if alone:
            scores["reset"] = float((torch.cat(alone) - base).mean())
        return scores

    def _alone(self, network: StreamNetwork, batch: Batch, k: int) -> Tensor:
        """Frame k restored without a state; the future is still seen."""
        clip = to_network(batch.blurred[:, k : k + 2])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast, cache_enabled=False):
            residual, _ = network(clip, batch.motion[:, k : k + 2].float(), None, None)
        return clip[:, 0] + residual[:, 0].float()

    def save(self, folder: Path, dtype: torch.dtype = torch.float16) -> None:
        """NAME-average, NAME-weights and NAME-moments, each a safetensors file; half precision is ample for all."""
        folder.mkdir(parents=True, exist_ok=True)
        moments = {
            f"{place}.{index}.{key}": value
            for place, optimiser in enumerate(self.optimisers)
            for index, entry in optimiser.state_dict()["state"].items()
            for key, value in entry.items()
        }
        moments["steps"] = torch.tensor(float(self.steps))
        parts = {"average": self.average, "weights": self.network.state_dict(), "moments": moments}
        for part, tensors in parts.items():
            kind = torch.bfloat16 if part == "moments" else dtype
            kept = {k: v.detach().to(kind if v.dim() else torch.float).cpu().contiguous() for k, v in tensors.items()}
            path = folder / f"{self.name}-{part}.safetensors"
            save_file(kept, str(path.with_suffix(".part")))
            path.with_suffix(".part").replace(path)

    def load(self, folder: Path) -> None:
        """Go on from what `save` left; a missing part (moments) begins afresh."""
        average = load_file(str(folder / f"{self.name}-average.safetensors"))
        path = folder / f"{self.name}-weights.safetensors"
        weights = load_file(str(path)) if path.exists() else average
        self.network.load_state_dict({k: v.float() for k, v in weights.items()})
        for name, value in average.items():
            self.average[name].copy_(value.float())
        path = folder / f"{self.name}-moments.safetensors"
        if not path.exists():
            return
        state = load_file(str(path))
        self.steps = int(state.pop("steps"))
        for place, optimiser in enumerate(self.optimisers):
            own = [weight for group in optimiser.param_groups for weight in group["params"]]
            entries: dict[int, dict[str, Tensor]] = {}
            for name, value in state.items():
                which, index, key = name.split(".")
                if int(which) == place:
                    like = own[int(index)]
                    value = torch.empty_like(like).copy_(value.float()) if value.dim() else value.float()
                    entries.setdefault(int(index), {})[key] = value
            optimiser.load_state_dict({"state": entries, "param_groups": optimiser.state_dict()["param_groups"]})


def _decibels(restored: Tensor, sharp: Tensor) -> Tensor:
    return -10 * torch.log10(error_of(restored, sharp) + 1e-6)


def make_optimisers(network: StreamNetwork, config: LearnerConfig) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions between the first and the last, AdamW for these two and all that is not a matrix."""
    outer = (network.encoder.stem, network.decoder.head)
    inner = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d) and m not in outer]
    chosen = set(map(id, inner))
    others = [p for p in network.parameters() if id(p) not in chosen]
    muon = {"params": inner, "relative_lr": config.muon_scale}
    adam = {"params": others, "relative_lr": 1.0}
    return [
        Muon([muon], lr=config.learning_rate, weight_decay=config.weight_decay),
        torch.optim.AdamW([adam], lr=config.learning_rate, weight_decay=config.weight_decay, fused=True),
    ]
