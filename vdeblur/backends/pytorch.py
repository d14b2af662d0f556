"""Networks in PyTorch, on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DeviceError, UsageError
from ..models import StreamNetwork, kind_of
from ..recurrence import Encoded, Motion
from .aligning import ALIGNERS, Aligner
from .flow import FlowPlanes
from .memory import features_of
from .network_restorer import NetworkRestorer
from .phases import Samples
from .tiles import Array

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchEngine:
    """A network of `vdeblur.models`. On a CPU, alignment runs in NumPy; on a GPU, and for other networks, in torch."""

    name = "torch"

    def __init__(self, network: StreamNetwork, device: str = "auto", precision: str = "auto") -> None:
        """Raises DeviceError for an unavailable device and UsageError for an unsupported precision."""
        self._network = network.eval().requires_grad_(False)
        self.past, self.future = network.past, network.future
        self.uses_motion, self.reach, self.settles = network.uses_motion, network.reach, network.settles
        config = asdict(network.config)
        self.features = features_of(config)
        aligner = ALIGNERS.get(kind_of(network) or "")
        self._aligner = aligner(config) if aligner else None
        self._move(choose_device(device), precision)

    def _move(self, device: str, precision: str) -> None:
        self.device, self.precision = device, choose_precision(precision, device)
        self._device, self._dtype = torch.device(self.device), PRECISIONS[self.precision]
        self.bytes_per_value = self._dtype.itemsize
        self._network.to(self._device, self._dtype)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def load(self, folded: Samples) -> Array:
        """To the device, once per frame."""
        return folded if self._in_numpy else torch.from_numpy(folded).to(self._device)

    @property
    def _in_numpy(self) -> Aligner | None:
        """The aligner, where alignment runs in NumPy."""
        return self._aligner if self.device == "cpu" else None

    @torch.inference_mode()
    def encode(self, frames: Sequence[Array]) -> Sequence[Array]:
        """See `StreamNetwork.encode`."""
        (frame,) = map(self._input, frames)
        features = tuple(self._network.encode(frame))
        if not (aligner := self._in_numpy):
            return features
        passed_on = len(aligner.passed_on)
        return *features[:passed_on], *map(self.fetch, features[passed_on:])

    @torch.inference_mode()
    def align(
        self, centre: Encoded[Array], future: Encoded[Array] | None, motion: Motion[FlowPlanes | None], state: Any
    ) -> Sequence[Array]:
        """See `StreamNetwork.align`."""
        if aligner := self._in_numpy:
            return aligner.align(centre, future, motion, state)
        height, width = centre.frame.shape[-2:]
        flows = Motion(*(self._flow(flow, height, width) for flow in motion)) if self.uses_motion else None
        return self._network.align(centre, future, flows, state)

    @torch.inference_mode()
    def compute(self, aligned: Sequence[Array]) -> Sequence[Array]:
        """See `StreamNetwork.compute`."""
        rounded = len(aligned) - self._network.in_float32
        inputs = [self._input(x, keep=place >= rounded) for place, x in enumerate(aligned)]
        computed = self._network.compute(*inputs)
        return tuple(map(self.fetch, computed)) if self._in_numpy else computed

    @torch.inference_mode()
    def remember(self, centre: Encoded[Array], computed: Sequence[Array]) -> Any:
        """See `StreamNetwork.remember`."""
        if aligner := self._in_numpy:
            return aligner.remember(centre, computed)
        return self._network.remember(centre, tuple(computed))

    def _input(self, x: Array, keep: bool = False) -> Tensor:
        """An array as an input of the network, in its precision unless `keep`."""
        tensor = torch.from_numpy(x) if isinstance(x, np.ndarray) else x
        tensor = tensor if keep else tensor.to(self._dtype)
        return tensor.contiguous(memory_format=torch.channels_last)

    def fetch(self, x: Array) -> Samples:
        """To NumPy."""
        return x.float().contiguous().cpu().numpy() if isinstance(x, Tensor) else x

    def release(self) -> None:
        """Free cached memory of the device."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def move_to_cpu(self) -> None:
        """Compute on the CPU from now on."""
        self._move("cpu", "auto")

    def _flow(self, flow: FlowPlanes | None, height: int, width: int) -> Tensor:
        if flow is None:
            return torch.zeros(1, 2, height, width, device=self._device)
        return torch.from_numpy(np.ascontiguousarray(flow)).to(self._device)[None]


class TorchRestorer(NetworkRestorer):
    """A network of `vdeblur.models` as a restorer."""

    def __init__(
        self,
        name: str,
        network: StreamNetwork,
        device: str = "auto",
        precision: str = "auto",
        *,
        look_ahead: bool = True,
        tile: int | None = None,
        views: int = 1,
        on_retreat: Callable[[str], None] = lambda _: None,
    ) -> None:
        """See `NetworkRestorer` and `TorchEngine`."""
        engine = TorchEngine(network, device, precision)
        super().__init__(name, engine, look_ahead=look_ahead, tile=tile, views=views, on_retreat=on_retreat)


def choose_device(wanted: str) -> str:
    """The full name of a device; "auto" is the first usable GPU, else the CPU. Raises DeviceError."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda:0"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = wanted.partition(":")
    if kind == "cpu" and not index:
        return "cpu"
    if kind == "mps" and torch.backends.mps.is_available():
        return "mps"
    if kind == "cuda" and (index.isdecimal() or not index):
        if int(index or 0) < torch.cuda.device_count():
            return f"cuda:{index or 0}"
        raise DeviceError(
            f"{wanted}: torch finds {torch.cuda.device_count()} CUDA devices; use cpu", settings=("device",)
        )
    raise DeviceError(f"{wanted}: unavailable device; use auto, cpu, cuda:N or mps (`vdeblur doctor` lists those here)")


def choose_precision(wanted: str, device: str) -> str:
    """The precision for a device; "auto" is bf16 if the hardware supports it, else fp16 on GPUs and fp32 on CPUs."""
    if wanted == "auto":
        if device.startswith("cuda"):
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        if device == "mps":
            return "fp16"
        return "bf16" if _cpu_computes_bf16() else "fp32"
    if wanted not in PRECISIONS:
        raise UsageError(f"precision {wanted}: choose auto, {', '.join(PRECISIONS)}", settings=("precision",))
    if wanted == "fp16" and device == "cpu":
        raise UsageError("fp16: CPUs compute in fp32 or bf16; choose auto", settings=("precision",))
    return wanted


def _cpu_computes_bf16() -> bool:
    capabilities = torch.backends.cpu.get_cpu_capability()
    return bool(capabilities.startswith("AVX512")) and torch.ops.mkldnn._is_mkldnn_bf16_supported() and _has_bf16_flag()


def _has_bf16_flag() -> bool:
    """Whether the CPU reports avx512_bf16 or amx_bf16; without them bf16 is emulated, and slower than fp32."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            text = file.read(100_000)
    except OSError:
        return False
    return "avx512_bf16" in text or "amx_bf16" in text
