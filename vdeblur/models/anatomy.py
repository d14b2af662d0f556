"""The structure of a network: its convolutions in execution order, with inputs, sizes, costs and receptive fields.

It is traced, not written down a second time: one step of the network runs on torch's meta device, without storage, and
every tensor is followed from one layer or function to the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..recurrence import CELL
from .network import StreamNetwork

SIZE = (1280, 720)
"""Width and height of the frame for which costs are counted."""


@dataclass(frozen=True, slots=True)
class Part:
    """One convolution."""

    name: str
    kernel: int
    stride: int
    inputs: int
    """Channels in."""
    outputs: int
    shape: tuple[int, int]
    """Height and width of its output for a frame of 1280x720."""
    scale: int
    """Pixels of the frame per sample of its output, along each axis."""
    parameters: int
    gmac: float
    """Multiply-accumulates for a frame of 1280x720, in units of 1e9."""
    reach: int
    """Radius of the receptive field: pixels in each direction, at most, that a sample of its output depends on."""
    fed_by: tuple[str, ...]
    """Names of the convolutions whose outputs it reads, directly or through additions, activations and folding."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A network's convolutions and their totals."""

    parts: list[Part]
    parameters: int
    """Of the whole network, including peephole weights."""
    past: int
    future: int
    is_recurrent: bool

    @property
    def gmac(self) -> float:
        """For a frame of 1280x720, all convolutions."""
        return sum(part.gmac for part in self.parts)

    @property
    def reach(self) -> int:
        """Radius of the receptive field of one step: pixels in each direction, at most."""
        return max((part.reach for part in self.parts), default=0)


def dissect(network: StreamNetwork, size: tuple[int, int] = SIZE) -> Anatomy:
    """Trace one step of `network` on a frame of this (width, height). Weights are neither read nor changed."""
    network = deepcopy(network).to("meta").float()
    width, height = (-(-side // CELL) * CELL for side in size)
    frame = torch.empty(1, 6, height // 2, width // 2, device="meta")
    tracer = _Tracer(height)
    handles = [
        layer.register_forward_hook(tracer.hook(name))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d)
    ]
    try:
        with torch.no_grad():
            with tracer:
                encoded = network.encoded(frame)
                computed = network.compute(*network.align(encoded, None, None, None))
            is_recurrent = network.remember(encoded, computed) is not None
    finally:
        for handle in handles:
            handle.remove()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Anatomy(tracer.parts, parameters, network.past, network.future, is_recurrent)


class _Tracer(TorchFunctionMode):
    """Records for every tensor which convolutions it came from, and the radius of its receptive field."""

    def __init__(self, height: int) -> None:
        super().__init__()
        self.parts: list[Part] = []
        self._height = height
        self._origin: dict[int, tuple[Tensor, dict[str, int]]] = {}

    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), settings: dict[str, Any] | None = None
    ) -> Any:
        result = function(*arguments, **(settings or {}))
        origin: dict[str, int] = {}
        for tensor in _tensors((arguments, settings or {})):
            for name, reach in self._came_from(tensor).items():
                origin[name] = max(reach, origin.get(name, 0))
        for tensor in _tensors(result):
            self._remember(tensor, origin)
        return result

    def hook(self, name: str) -> Any:
        """A forward hook that records a convolution under this name."""

        def note(layer: nn.Conv2d, inputs: tuple[Tensor, ...], result: Tensor) -> None:
            origin = self._came_from(inputs[0])
            kernel, stride = layer.kernel_size[0], layer.stride[0]
            shape = (result.shape[-2], result.shape[-1])
            before = self._height // inputs[0].shape[-2]
            reach = max(origin.values(), default=0) + kernel // 2 * before
            weights = layer.weight.numel()
            self.parts.append(
                Part(
                    name=name,
                    kernel=kernel,
                    stride=stride,
                    inputs=layer.in_channels,
                    outputs=layer.out_channels,
                    shape=shape,
                    scale=self._height // shape[0],
                    parameters=weights + (0 if layer.bias is None else layer.bias.numel()),
                    gmac=weights * shape[0] * shape[1] / 1e9,
                    reach=reach,
                    fed_by=tuple(origin),
                )
            )
            self._remember(result, {name: reach})

        return note

    def _came_from(self, tensor: Tensor) -> dict[str, int]:
        known = self._origin.get(id(tensor))
        return known[1] if known is not None else {}

    def _remember(self, tensor: Tensor, origin: dict[str, int]) -> None:
        self._origin[id(tensor)] = tensor, origin  # keeps the tensor alive, so that no other gets its id


def _tensors(value: Any) -> Iterable[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)


def to_text(anatomy: Anatomy) -> str:
    """A table for people."""
    rows = [("layer", "what", "channels", "result", "scale", "parameters", "GMAC", "reach")]
    for part in anatomy.parts:
        what = f"{part.kernel}x{part.kernel}" + (f" / {part.stride}" if part.stride > 1 else "")
        channels, result = f"{part.inputs} > {part.outputs}", f"{part.shape[1]}x{part.shape[0]}"
        numbers = f"{part.parameters:,}", f"{part.gmac:.3f}", f"{part.reach} px"
        rows.append((part.name, what, channels, result, f"1/{part.scale}", *numbers))
    total = f"{anatomy.parameters:,}", f"{anatomy.gmac:.2f}", f"{anatomy.reach} px"
    rows.append(("total, with peepholes", "", "", "1280x720", "", *total))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            text.ljust(w) if column < 2 else text.rjust(w)
            for column, (text, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join([*(line.rstrip() for line in lines), said_of_frames(anatomy)])


def to_json(anatomy: Anatomy) -> dict[str, Any]:
    """The same for programs; sizes are for a frame of 1280x720."""
    described = asdict(anatomy)
    return described | {"gmac": anatomy.gmac, "reach": anatomy.reach}


def said_of_frames(anatomy: Anatomy) -> str:
    """Which frames a step uses, in words."""
    if not anatomy.is_recurrent:
        return "frames: each on its own"
    after = f"{anatomy.future} after it" if anatomy.future else "none after it"
    return f"frames: this one and {after}; through the state, all since the last cut"
