"""Where the time of a frame goes on a GPU, in one call of under five minutes; needs torch, NumPy and OpenCV, no PyAV.

python benchmarks/gpu.py [--device cuda:0] [--sizes 1280x720 1920x1080] [--model fast ...] [--compile] [--json]

For every size and model, medians in ms: on the processor folding, optical flow of both neighbours and unfolding; a
frame's way to the device from pageable and from pinned memory and its residual's way back; aligning on the device;
the network step by step, as one CUDA graph, and (--compile) compiled; then the restorer as it is used, and the same
with folding and flow of the next frame in a thread beside it. The device is waited for inside every timed part.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from machine import describe_machine
from torch import Tensor

from vdeblur.backends.checkpoints import load
from vdeblur.backends.flow import flow_between, half_luma
from vdeblur.backends.folding import fold, unfold
from vdeblur.backends.published import published
from vdeblur.backends.pytorch import TorchRestorer
from vdeblur.frames import Frame
from vdeblur.jobs.moving import moving_frames
from vdeblur.models import StreamNetwork
from vdeblur.recurrence import Encoded, Motion
from vdeblur.windows import windows

ROUNDS, WARM_UP = 20, 3
FRAMES = 24


class Clock:
    """Median milliseconds of something that a device does."""

    def __init__(self, device: str) -> None:
        self._is_gpu = device.startswith("cuda")

    def wait(self) -> None:
        if self._is_gpu:
            torch.cuda.synchronize()

    def __call__(self, act: Callable[[], object], rounds: int = ROUNDS) -> float:
        for _ in range(WARM_UP):
            act()
        taken = []
        for _ in range(rounds):
            self.wait()
            started = time.perf_counter()
            act()
            self.wait()
            taken.append(1000 * (time.perf_counter() - started))
        return round(statistics.median(taken), 3)


def on_processor(frames: list[Frame], clock: Clock) -> dict[str, float]:
    one, two = fold(frames[0]), fold(frames[1])
    lumas = half_luma(one), half_luma(two)
    residual = np.zeros_like(one)
    return {
        "fold": clock(lambda: fold(frames[0])),
        "flow": clock(lambda: [flow_between(*lumas), flow_between(*lumas[::-1])]),
        "unfold": clock(lambda: unfold(frames[0], residual)),
    }


def transfers(frame: Frame, device: torch.device, clock: Clock) -> dict[str, float]:
    pageable = torch.from_numpy(fold(frame))
    there = pageable.to(device)
    ms = {"to device": clock(lambda: pageable.to(device)), "back": clock(lambda: there.cpu())}
    if device.type == "cuda":
        pinned = pageable.pin_memory()
        into = torch.empty_like(pageable, pin_memory=True)
        ms["to device, pinned"] = clock(lambda: pinned.to(device, non_blocking=True))
        ms["back, pinned"] = clock(lambda: into.copy_(there, non_blocking=True))
    return ms


def as_cuda_graph(network: StreamNetwork, inputs: tuple[Tensor, ...]) -> Callable[[], None]:
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            network.compute(*inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        network.compute(*inputs)
    return graph.replay


@torch.inference_mode()
def on_device(
    network: StreamNetwork, dtype: torch.dtype, frame: Frame, device: torch.device, clock: Clock, compiled: bool
) -> dict[str, float]:
    centre = torch.from_numpy(fold(frame)).to(device)
    motion = None
    if network.uses_motion:
        motion = Motion(*(torch.randn(1, 2, *centre.shape[2:], device=device) for _ in range(2)))
    network = network.to(device, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    seen = Encoded(centre, network.encode(centre.to(dtype)))
    state = network.restore(seen, seen, motion)[1] if dtype == torch.float32 else None
    aligned = network.align(seen, seen, motion, state)
    rounded = len(aligned) - network.in_float32
    inputs = tuple(
        x.to(dtype if place < rounded else x.dtype).contiguous(memory_format=torch.channels_last)
        for place, x in enumerate(aligned)
    )
    ms = {
        "encode": clock(lambda: network.encode(centre.to(dtype))),
        "align": clock(lambda: network.align(seen, seen, motion, state)),
        "compute": clock(lambda: network.compute(*inputs)),
    }
    if device.type == "cuda":
        ms["compute, CUDA graph"] = clock(as_cuda_graph(network, inputs))
    if compiled:
        compute = torch.compile(network.compute)
        ms["compute, compiled"] = clock(lambda: compute(*inputs))
    return ms


def restoring(restorer: TorchRestorer, frames: list[Frame], clock: Clock) -> dict[str, float]:
    """Milliseconds per frame of the restorer as it is, and beside a thread that folds and finds flow as well."""

    def run(beside: Callable[[Frame, Frame], Any] | None) -> float:
        state = None
        started = 0.0
        with ThreadPoolExecutor(1) as pool:
            for number, window in enumerate(windows(frames, restorer.past, restorer.future)):
                if number == WARM_UP:
                    clock.wait()
                    started = time.perf_counter()
                waiting = pool.submit(beside, window.frames[0], window.centre) if beside else None
                _, state = restorer.restore(window, state)
                if waiting:
                    waiting.result()
        return round(1000 * (time.perf_counter() - started) / (len(frames) - WARM_UP), 3)

    def more_work(one: Frame, two: Frame) -> None:
        flow_between(half_luma(fold(one)), half_luma(fold(two)))

    return {"restorer": run(None), "restorer, fold and flow once more beside it": run(more_work)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--sizes", nargs="+", default=["1280x720", "1920x1080"])
    parser.add_argument("--model", nargs="+", default=None, help="published names  [default: all]")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    device, clock = torch.device(given.device), Clock(given.device)
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU"
    rows: list[dict[str, Any]] = []
    for size in given.sizes:
        width, height = map(int, size.split("x"))
        frames = moving_frames((width, height), FRAMES)
        shared = on_processor(frames, clock) | transfers(frames[0], device, clock)
        for model in published():
            if given.model and model.name not in given.model:
                continue
            restorer = TorchRestorer(model.name, load(model.path).network(), given.device, tile=0)
            dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[restorer.precision]
            ms = shared | restoring(restorer, frames, clock)
            ms |= on_device(load(model.path).network(), dtype, frames[0], device, clock, given.compile)
            rows.append({"size": size, "model": model.name, "precision": restorer.precision, "ms": ms})
            if not given.json:
                print(f"\n{size} {model.name} ({restorer.precision})")
                print("\n".join(f"  {name:<45}{value:>9.2f} ms" for name, value in ms.items()), flush=True)
    if given.json:
        print(json.dumps({"machine": describe_machine(), "card": card, "rows": rows}))
    else:
        print(f"\n{describe_machine()}; {card}")


if __name__ == "__main__":
    main()
