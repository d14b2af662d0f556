"""Networks under PyTorch, on a CPU or a GPU."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from ..errors import DeviceError, UsageError
from ..frames import Frame
from ..models import StreamNetwork
from ..windows import Window
from .folding import fold, unfold

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class StreamState(NamedTuple):
    """The network's own state, and the features of frames that the next windows may hold again."""

    network: Any
    features: list[tuple[Frame, Any]]


class TorchRestorer:
    """A network of `vdeblur.models` as a restorer."""

    def __init__(
        self,
        name: str,
        network: StreamNetwork,
        device: str = "auto",
        precision: str = "auto",
        *,
        look_ahead: bool = True,
    ) -> None:
        """`look_ahead` False trades quality for latency: no future frame is wanted, as a live stream needs.

        Raises DeviceError for a device that is not there and UsageError for a precision that it cannot do.
        """
        self.name = name
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self._device, self._dtype = torch.device(self.device), PRECISIONS[self.precision]
        self._network = network.eval().requires_grad_(False).to(self._device, self._dtype)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.past = network.past
        self.future = network.future if look_ahead else 0

    @torch.inference_mode()
    def restore(self, window: Window, state: StreamState | None) -> tuple[Frame, StreamState]:
        """Restore the centre; raises NonFiniteResult, and DeviceError when the device runs out of memory."""
        try:
            cached = state.features if state else []
            features: list[tuple[Frame, Any]] = []
            for frame in window.frames:
                known = next((entry for entry in (*features, *cached) if entry[0] is frame), None)
                features.append(known or (frame, self._network.encode(fold(frame, self._device, self._dtype))))
            seen = [entry[1] for entry in features]
            seen += [seen[-1]] * (self._network.future - self.future)
            residual, after = self._network.restore(seen, state.network if state else None)
            restored = unfold(window.centre, residual)
        except torch.OutOfMemoryError as error:
            width, height = window.centre.size
            raise DeviceError(
                f"{self.device}: not enough memory for a {width}x{height} frame; use -d cpu or close other programs"
            ) from error
        return restored, StreamState(after, features)


def choose_device(wanted: str) -> str:
    """The device's full name; "auto" is the first GPU that torch can use, else the CPU. Raises DeviceError."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda:0"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = wanted.partition(":")
    if kind == "cpu" and not index:
        return "cpu"
    if kind == "mps" and torch.backends.mps.is_available():
        return "mps"
    if kind == "cuda" and (index.isdigit() or not index):
        if int(index or 0) < torch.cuda.device_count():
            return f"cuda:{index or 0}"
        raise DeviceError(f"{wanted}: torch sees {torch.cuda.device_count()} CUDA devices here; use -d cpu")
    raise DeviceError(f"{wanted}: no such device; use auto, cpu, cuda:N or mps (`vdeblur doctor` lists what is here)")


def choose_precision(wanted: str, device: str) -> str:
    """The precision for a device; "auto" is bf16 where the processor computes in it, fp16 on other GPUs, else fp32."""
    if wanted == "auto":
        if device.startswith("cuda"):
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        if device == "mps":
            return "fp16"
        return "bf16" if _cpu_computes_bf16() else "fp32"
    if wanted not in PRECISIONS:
        raise UsageError(f"--precision {wanted}: choose auto, {', '.join(PRECISIONS)}")
    if wanted == "fp16" and device == "cpu":
        raise UsageError("--precision fp16: processors compute in fp32 or bf16; leave --precision away")
    return wanted


def _cpu_computes_bf16() -> bool:
    capabilities = torch.backends.cpu.get_cpu_capability()
    return bool(capabilities.startswith("AVX512")) and torch.ops.mkldnn._is_mkldnn_bf16_supported() and _has_bf16_flag()


def _has_bf16_flag() -> bool:
    """Whether the processor says avx512_bf16 or amx_bf16: without them bf16 is emulated, and slower than fp32."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            text = file.read(100_000)
    except OSError:
        return False
    return "avx512_bf16" in text or "amx_bf16" in text
