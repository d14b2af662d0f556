"""Networks under PyTorch, on a CPU or a GPU."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import DeviceError, UsageError
from ..frames import Frame
from ..models import Motion, StreamNetwork
from ..windows import Window
from .flow import Luma, flow_between, half_luma
from .folding import fold, unfold
from .tiles import MIN_TILE, Tiled, choose_tile, each_tensor
from .views import Views

log = logging.getLogger(__name__)

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Prepared(NamedTuple):
    """A frame as the network and optical flow want it."""

    frame: Frame
    folded: Tensor
    luma: Luma


class StreamState(NamedTuple):
    """The network's own state, and the frames that the next window may hold again."""

    network: Any
    frames: list[Prepared]


class TorchRestorer:
    """A network of `vdeblur.models` as a restorer.

    Out of memory, it goes on in smaller tiles, and in the end on the CPU; `device` and `precision` say where it is.
    """

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
        """`look_ahead` False trades quality for latency: no future frame is wanted, as a live stream needs.

        `tile` is the side of tiles in pixels; 0 is the whole picture at once, None goes by the memory that is free.
        `views` is how many symmetric views of the picture are averaged, 1 to 8, at that many times the cost.
        `on_retreat` is told, in a few words, when memory does not do.

        Raises DeviceError for a device that is not there and UsageError for a precision that it cannot do.
        """
        self.name = name if views == 1 else f"{name}, {views} views"
        self.past = network.past
        self.future = network.future if look_ahead else 0
        self._tile, self._views = tile, views
        self._chosen: dict[tuple[int, int], int] = {}
        self._on_retreat = on_retreat
        self._network = network.eval().requires_grad_(False)
        self._move(choose_device(device), precision)

    def _move(self, device: str, precision: str) -> None:
        self.device, self.precision = device, choose_precision(precision, device)
        self._device, self._dtype = torch.device(self.device), PRECISIONS[self.precision]
        self._network.to(self._device, self._dtype)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def restore(self, window: Window, state: StreamState | None) -> tuple[Frame, StreamState]:
        """Restore the centre; raises NonFiniteResult, and DeviceError when no way is left to do it in this memory."""
        while True:
            try:
                return self._restore(window, state)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                failure = error.with_traceback(None)  # whose frames would hold on to what was computed so far
            state = self._retreat(window.centre.size, state, failure)

    def _restore(self, window: Window, state: StreamState | None) -> tuple[Frame, StreamState]:
        state = _moved(state, self._device, self._dtype)  # another stream may have sent the network to the CPU since
        network = self._for_size(window.centre.size)
        ready: list[Prepared] = []
        for frame in window.frames:
            known = next((one for one in (*ready, *(state.frames if state else ())) if one.frame is frame), None)
            ready.append(known or self._prepare(frame))
        centre = ready[window.past]
        future = ready[-1] if ready[-1] is not centre else None
        motion = self._motion(centre, ready[0] if state else None, future) if self._network.uses_motion else None
        seen = future.folded if future else None
        residual, after = network.restore(centre.folded, seen, motion, state.network if state else None)
        restored = unfold(window.centre, residual.float().cpu().numpy())
        return restored, StreamState(after, ready[1:])  # no later window holds the first

    def _prepare(self, frame: Frame) -> Prepared:
        planes = fold(frame)
        folded = torch.from_numpy(planes).to(self._device, self._dtype)
        return Prepared(frame, folded.contiguous(memory_format=torch.channels_last), half_luma(planes))

    def _motion(self, centre: Prepared, past: Prepared | None, future: Prepared | None) -> Motion:
        """Flow from the centre to its neighbours, zero where there is none or where it is the centre itself."""
        flows = [
            np.zeros((2, *centre.luma.shape), np.float32)
            if other is None or other is centre
            else flow_between(centre.luma, other.luma)
            for other in (past, future)
        ]
        both = torch.from_numpy(np.stack(flows)).to(self._device)
        return Motion(both[:1], both[1:])

    def _for_size(self, size: tuple[int, int]) -> StreamNetwork | Tiled | Views:
        tile = self._tile
        if tile is None:
            if size not in self._chosen:
                self._chosen[size] = choose_tile(self._network, size, self._device, self._dtype.itemsize, self._views)
                log.info("%dx%d on %s: tiles of %d (0: none)", *size, self.device, self._chosen[size])
            tile = self._chosen[size]
        network = Tiled(self._network, tile) if 0 < tile < max(size) else self._network
        return Views(network, self._views) if self._views > 1 else network

    def _retreat(self, size: tuple[int, int], state: StreamState | None, cause: BaseException) -> StreamState | None:
        """Go on in tiles of half the side, then on the CPU; returns the state where the next try wants it."""
        width, height = size
        lacking = f"{self.device}: not enough memory for a {width}x{height} frame"
        tile = self._tile if self._tile is not None else self._chosen.get(size, 0)
        smaller = min(tile or max(size), max(size)) // 2
        if smaller >= MIN_TILE:
            self._tile = smaller
            way = f"in tiles of {smaller} pixels"
        elif self.device != "cpu":
            self._tile, self._chosen = None, {}
            self._move("cpu", "auto")
            state = _moved(state, self._device, self._dtype)
            way = "on the CPU"
        else:
            raise DeviceError(
                f"{lacking}, not even in tiles; close other programs or take a smaller picture"
            ) from cause
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning("%s: the rest is done %s", lacking, way)
        self._on_retreat(f"{lacking}: the rest was done {way}")
        return state


def _moved(state: StreamState | None, device: torch.device, dtype: torch.dtype) -> StreamState | None:
    """The state for another device: the network's own stays as exact as it is, frames follow the precision."""
    if state is None:
        return None
    network = each_tensor(lambda x: x.to(device), state.network)
    return StreamState(network, [one._replace(folded=one.folded.to(device, dtype)) for one in state.frames])


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: a GPU's allocator has a type of its own; the CPU's, Metal's and oneDNN's only words."""
    words = ("can't allocate memory", "not enough memory", "out of memory", "could not create a primitive")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(part in str(error) for part in words)


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
        raise DeviceError(
            f"{wanted}: torch sees {torch.cuda.device_count()} CUDA devices here; use cpu", settings=("device",)
        )
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
        raise UsageError(f"precision {wanted}: choose auto, {', '.join(PRECISIONS)}", settings=("precision",))
    if wanted == "fp16" and device == "cpu":
        raise UsageError("fp16: processors compute in fp32 or bf16; choose auto", settings=("precision",))
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
