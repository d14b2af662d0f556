"""One network that learns: its weights, their average, the optimisers, and steps captured as CUDA graphs."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..backends.pytorch import choose_precision
from ..models import StreamNetwork, build
from .muon import Muon
from .rounding import rounded_weights
from .supply import Batch, to_network

FLOOR = 4e-4
"""Added to the squared error before its logarithm (34 dB): an error's weight is 1 / (MSE + floor), so without it the
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


def taught_loss(restored: Tensor, sharp: Tensor, target: Tensor, floor: Tensor | float = FLOOR) -> Tensor:
    """A loss that pulls towards `target` as strongly as `loss_of` pulls towards the truth; of the same gradient where
    both are the same.
    """
    weight = 10 / math.log(10) / (error_of(restored, sharp).detach() + floor)
    return (weight * error_of(restored, target)).mean()


def unsteadiness(restored: Tensor, blurred: Tensor) -> Tensor:
    """How much frames change that were given twice in a row, over all frames: squared error over `FLOOR`, in dB.

    Which of two restorations is closer to the truth says nothing of their difference, which is seen as flicker.
    """
    repeated = (blurred[:, 1:] == blurred[:, :-1]).flatten(2).all(2)
    change = error_of(restored[:, 1:], restored[:, :-1])
    return 10 / math.log(10) / FLOOR * (repeated * change).sum() / (len(restored) * restored.shape[1])


@dataclass(frozen=True)
class LearnerConfig:
    """How fast it learns, and what."""

    learning_rate: float = 1e-3
    """Of AdamW, before warm-up and cool-down."""
    muon_scale: float = 3.0
    """Learning rate of Muon over that of AdamW; see `make_optimisers`."""
    weight_decay: float = 1e-4
    """Share of a weight, times the learning rate, that a step takes from it."""
    steady: float = 1.0
    """Weight of `unsteadiness` in the loss."""
    int8: bool = False
    """Round the weights as `vdeblur compress` will, so that the model loses less by it."""
    ema: float = 0.999
    """Share of the average of the weights that a step keeps, 0..1; the average is what is validated and saved."""
    warm_up: int = 200
    """Steps until the full learning rate."""


class Example(NamedTuple):
    """All that a step learns from."""

    batch: Batch
    look_ahead: Tensor
    target: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """Its tensors in a row."""
        return (*self.batch, self.look_ahead, self.target)


class Captured(NamedTuple):
    """A step's gradients as a CUDA graph, with the tensors that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: Example
    told: Tensor


class Learner:
    """Steps of one network on batches of any supply."""

    def __init__(
        self, kind: str, model: dict[str, Any], config: LearnerConfig, device: torch.device, seed: int
    ) -> None:
        """A fresh network of this kind and these settings, the same for the same seed."""
        self.kind, self.config, self.device = kind, config, device
        self.step_count, self.seconds = 0, 0.0
        self.origin: dict[str, Any] = {}
        """Name and provenance of the model that it began with."""
        torch.manual_seed(seed)
        self.network = build(kind, model).to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = {key: value.detach().clone().float() for key, value in self.network.state_dict().items()}
        self.optimisers = make_optimisers(self.network, config)
        self._floor = torch.tensor(FLOOR, device=device)
        self._captured: dict[Any, Captured] = {}
        self._autocast = choose_precision("auto", str(device)) == "bf16"  # elsewhere it is emulated, and slower

    def forward(self, network: StreamNetwork, batch: Batch, look_ahead: Tensor | None, rehearse: bool) -> Tensor:
        """Restored frames (n, t, 6, h, w). To `rehearse` is to run through the clip backwards first, for the state."""
        clip, motion = to_network(batch.blurred), batch.motion.float()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast, cache_enabled=False):
            state = None
            if rehearse:
                backwards = torch.cat([motion[:, :, 2:], motion[:, :, :2]], dim=2).flip(1)[:, :-1]
                backwards[:, -1, 2:] = 0  # the first frame is left out, so the last one rehearsed has no future
                with torch.no_grad():
                    state = self._run(network, clip.flip(1)[:, :-1], backwards, None, look_ahead)[1]
                motion = motion.clone()
                motion[:, 0, :2] = motion[:, 0, 2:]  # then the frame before the first is the second
            residual = self._run(network, clip, motion, state, look_ahead)[0]
        return clip + residual.float()

    def _run(self, network: StreamNetwork, *inputs: Any) -> Any:
        return functional_call(network, rounded_weights(network), inputs) if self.config.int8 else network(*inputs)

    def step(
        self,
        batch: Batch,
        look_ahead: Tensor,
        *,
        target: Tensor | None = None,
        rehearse: bool = False,
        rate: float = 1.0,
        floor: float = FLOOR,
    ) -> Tensor:
        """One step of the optimisers at `rate` (0..1) of the learning rate; loss and gain of the batch in dB, (2,).

        `look_ahead` (n,) says which clips may see the future; `target` (n, t, 6, h, w) takes the place of the truth.
        """
        self._floor.fill_(floor)
        self._set_rate(rate * min(1.0, (self.step_count + 1) / self.config.warm_up))
        example = Example(batch, look_ahead, to_network(batch.sharp) if target is None else target)
        told = self._replayed(example, rehearse) if self.device.type == "cuda" else self._update(example, rehearse)
        self.step_count += 1
        decay = min(self.config.ema, (1 + self.step_count) / (10 + self.step_count))
        current = self.network.state_dict()
        names = list(self.average)
        with torch.no_grad():
            torch._foreach_lerp_([self.average[n] for n in names], [current[n].float() for n in names], 1 - decay)
        return told

    def _set_rate(self, share: float) -> None:
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                rate = group["relative_lr"] * self.config.learning_rate * share
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)  # the same tensor, which captured steps read
                else:
                    group["lr"] = rate

    def _update(self, example: Example, rehearse: bool) -> Tensor:
        """Gradients, bounded, and a step of the optimisers."""
        self.network.zero_grad(set_to_none=self.device.type != "cuda")  # captured steps share their gradients
        told = self._backward(example, rehearse)
        for weight in self.network.parameters():
            if weight.grad is not None:
                torch.nan_to_num_(weight.grad, 0.0, 0.0, 0.0)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0, foreach=True)
        for optimiser in self.optimisers:
            optimiser.step()
        return told

    def _replayed(self, example: Example, rehearse: bool) -> Tensor:
        """The same as a CUDA graph: a thousand small kernels without a launch each."""
        key = (example.batch.blurred.shape, rehearse)
        if key not in self._captured:
            self._captured[key] = self._capture(example, rehearse)
        graph, inputs, told = self._captured[key]
        for mine, given in zip(inputs.tensors(), example.tensors(), strict=True):
            mine.copy_(given)
        graph.replay()
        return told.clone()

    def _capture(self, example: Example, rehearse: bool) -> Captured:
        """All graphs share gradients and the optimisers' state, which two steps at a rate of zero set up.

        They leave that state as it was: a resumed run captures anew, and is not to be ahead by them.
        """
        inputs = Example(Batch(*(x.clone() for x in example.batch)), example.look_ahead.clone(), example.target.clone())
        rates = [group["lr"].clone() for optimiser in self.optimisers for group in optimiser.param_groups]
        self._set_rate(0.0)
        side = torch.cuda.Stream()
        with self.moments_kept():
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(2):
                    self._update(inputs, rehearse)
            torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            told = self._update(inputs, rehearse)
        for group, rate in zip((g for o in self.optimisers for g in o.param_groups), rates, strict=True):
            group["lr"].copy_(rate)
        return Captured(graph, inputs, told)

    @contextmanager
    def moments_kept(self) -> Iterator[None]:
        """Steps within the block leave the optimisers' state as it was, in the same tensors; what they add to it is
        zero, as at the beginning of a run.
        """
        before = [{w: {n: x.clone() for n, x in own.items()} for w, own in o.state.items()} for o in self.optimisers]
        yield
        for optimiser, known in zip(self.optimisers, before, strict=True):
            for weight, moments in optimiser.state.items():
                for name, value in moments.items():
                    value.copy_(known[weight][name]) if weight in known else value.zero_()

    def _backward(self, example: Example, rehearse: bool) -> Tensor:
        batch, look_ahead, target = example
        blurred, sharp = to_network(batch.blurred), to_network(batch.sharp)
        restored = self.forward(self.network, batch, look_ahead, rehearse)
        loss = taught_loss(restored, sharp, target, self._floor)
        (loss + self.config.steady * unsteadiness(restored, blurred)).backward()
        with torch.no_grad():
            before, after = loss_of(blurred, sharp), loss_of(restored, sharp)
            return torch.stack([after, before - after])

    @torch.no_grad()
    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Gain of the averaged weights in dB: mean, with the state reset at each frame, and of the worst clip."""
        network = copy.deepcopy(self.network).eval()
        network.load_state_dict(self.average)
        gains, alone = [], []
        for batch in batches:
            sharp = to_network(batch.sharp)
            before = _decibels(to_network(batch.blurred), sharp)
            gains.append(_decibels(self.forward(network, batch, None, False), sharp) - before)
            frames = [self._alone(network, batch, k) for k in range(sharp.shape[1])]
            alone.append(_decibels(torch.stack(frames, dim=1), sharp) - before)
        clips = torch.cat(gains).mean(1)
        return {
            "gain": float(clips.mean()),
            "gain_no_state": float(torch.cat(alone).mean()),
            "worst": float(clips.min()),
        }

    def _alone(self, network: StreamNetwork, batch: Batch, k: int) -> Tensor:
        """Frame k restored with no state but its own, as in `quality.evaluate.StateReset`; the future is still seen."""
        clip, motion = to_network(batch.blurred[:, k : k + 2]), batch.motion[:, k : k + 2].float().clone()
        motion[:, 0, :2] = 0
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast, cache_enabled=False):
            own = self._run(network, clip[:, :1], torch.zeros_like(motion[:, :1]), None, None)[1]
            residual, _ = self._run(network, clip, motion, own, None)
        return clip[:, 0] + residual[:, 0].float()


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
    rates: list[float | Tensor] = [config.learning_rate] * 2
    captured = others[0].device.type == "cuda"
    if captured:
        rates = [torch.tensor(rate, device=others[0].device) for rate in rates]
    return [
        Muon([muon], lr=rates[0], weight_decay=config.weight_decay),
        torch.optim.AdamW([adam], lr=rates[1], weight_decay=config.weight_decay, fused=True, capturable=captured),
    ]
