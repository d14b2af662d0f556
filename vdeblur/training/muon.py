"""Muon (Jordan et al. 2024): momentum whose every matrix is made orthogonal, so that all directions learn alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrix, about: U V' of matrix = U S V', (rows, columns), by Newton-Schulz iteration.

    The quintic's coefficients are Jordan's: they send singular values to 0.7..1.2 in five steps.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.float() / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """For weights of two dimensions and more; a convolution counts as (out, in * kernel).

    The step is scaled to a root mean square of 0.2 times the learning rate (Liu et al. 2025), which is AdamW's, so one
    learning rate serves both.
    """

    def __init__(
        self, parameters: Iterable[dict[str, Any]], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step along the gradients that are there."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state: dict[str, Any] = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(state["momentum"], group["momentum"])  # Nesterov
                direction = orthogonalise(ahead.flatten(1)).view_as(ahead)
                rows, columns = weight.shape[0], weight[0].numel()
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(direction, alpha=-0.2 * max(rows, columns) ** 0.5 * group["lr"])
