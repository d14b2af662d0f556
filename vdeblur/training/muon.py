"""Muon (Jordan et al. 2024): momentum with each matrix orthogonalised, so that all directions learn equally fast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices, about: U V' of (..., rows, columns) = U S V', by Newton-Schulz iteration.

    The quintic's coefficients are Jordan's: they send singular values to 0.7..1.2 in five steps.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    x = x / (x.float().norm(dim=(-2, -1), keepdim=True) + 1e-7).to(x.dtype)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """For weights of two dimensions and more; a convolution counts as (out, in * kernel).

    The step is scaled to a root mean square of 0.2 times the learning rate (Liu et al. 2025), which is AdamW's, so one
    learning rate serves both. Weights of one shape are made orthogonal together. The rate may be a tensor on the
    device, so that a captured step can read another each time.
    """

    def __init__(
        self,
        parameters: Iterable[dict[str, Any]],
        lr: float | Tensor,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One optimiser step from the current gradients."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    if "momentum" not in self.state[weight]:
                        self.state[weight]["momentum"] = torch.zeros_like(weight)
                    shapes[weight.flatten(1).shape].append(weight)
            for (rows, columns), weights in shapes.items():
                gradients = [weight.grad for weight in weights if weight.grad is not None]
                momenta = [self.state[weight]["momentum"] for weight in weights]
                torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
                ahead = torch._foreach_lerp(gradients, momenta, group["momentum"])  # Nesterov
                directions = orthogonalise(torch.stack([x.flatten(1) for x in ahead]))
                torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
                directions = directions * (-0.2 * max(rows, columns) ** 0.5 * group["lr"])
                torch._foreach_add_(weights, [d.view_as(w) for d, w in zip(directions, weights, strict=True)])
