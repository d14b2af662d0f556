"""Weights rounded in training as int8 will round them, so that the network learns to do without what is lost.

Quantisation-aware training (Jacob et al. 2018) of the weights alone: gradients pass through the rounding unchanged
(straight-through estimator, Bengio et al. 2013). Ranges of the features are left to calibration, in
`backends.quantising`.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..backends.quantising import stays_float

LEVELS = 127
"""Largest weight in steps, of each output channel: 8 bits with a sign, as `backends.quantising` gives them."""


def rounded_weights(network: nn.Module) -> dict[str, Tensor]:
    """The weights of the convolutions that become int8, rounded, by the names of their parameters."""
    convolutions = {name: part for name, part in network.named_modules() if isinstance(part, nn.Conv2d)}
    return {f"{name}.weight": rounded(part.weight) for name, part in convolutions.items() if not stays_float(name)}


def rounded(weight: Tensor) -> Tensor:
    """(outputs, inputs, h, w) in steps of each output's largest weight over `LEVELS`."""
    step = weight.detach().abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12) / LEVELS
    return weight + ((weight / step).round() * step - weight).detach()
