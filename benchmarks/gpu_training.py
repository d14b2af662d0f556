"""Train the published networks side by side on one large GPU, from clips that are rendered there and never repeat.

    python benchmarks/gpu_training.py --data DIR --held-out NAME --out DIR --minutes 9

Needs torch, numpy and OpenCV alone. DIR holds photographs and sharp footage (already at half its size). All networks
see the same clips, so rendering is paid once. Checkpoints are written every minute, so whatever ends the run leaves
them; the last lines time the networks at 720p and 1080p.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vdeblur.models import Motion, build
from vdeblur.training.learner import FIRST_FLOOR, FLOOR, Learner, LearnerConfig
from vdeblur.training.real_motion import make_run
from vdeblur.training.render import SceneConfig
from vdeblur.training.renderers import Renderers
from vdeblur.training.supply import Batch, Supply, SupplyConfig, augmented, cut_up

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "fast": ("convlstm", {"quarter": 48, "eighth": 80, "hidden": 32, "narrow": 24, "retention": 0.8}),
    "cnn": ("cnn", {"quarter": 48, "eighth": 80}),
}
KEPT = 64
"""Batches that may be used again, turned and mirrored, when no new one lies ready."""
VIDEOS = (".mp4", ".mov", ".mkv", ".avi")


def read_footage(path: Path, most: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Frames of a file in RGB, (t, h, w, 3)."""
    capture = cv2.VideoCapture(str(path))
    frames: list[Any] = []
    while len(frames) < most:
        there, frame = capture.read()
        if not there:
            break
        frames.append(frame[..., ::-1])
    return np.stack(frames)


def read_data(folder: Path, held_out: list[str], threads: int, most: int) -> dict[str, list[Any]]:
    """Photographs and runs, those held out apart."""
    data: dict[str, list[Any]] = {"photographs": [], "runs": [], "held_photographs": [], "held_runs": []}
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor(threads) as pool:
        images = list(
            pool.map(lambda path: None if path.suffix in VIDEOS else cv2.imread(str(path), cv2.IMREAD_COLOR), files)
        )
    for place, (path, image) in enumerate(zip(files, images, strict=True)):
        kept = "held_" if any(name in path.name for name in held_out) else ""
        if path.suffix in VIDEOS:
            data[f"{kept}runs"].append(make_run(read_footage(path, most), threads))
        else:
            if image is not None and min(image.shape[:2]) >= 300:
                kept = "held_" if place % 37 == 0 else ""
                tensor = torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))
                data[f"{kept}photographs"].append(tensor)
    return data


def validation_sets(
    data: dict[str, list[Any]], device: torch.device, threads: int, size: int, count: int
) -> dict[str, Batch]:
    """Planes in motion from photographs, and real motion from footage, neither of which training sees."""
    scene = SceneConfig(size=size, frames=8, identity=0, static=0)
    photographs = [photograph.to(device) for photograph in data["held_photographs"]]
    supply = Supply(photographs, [run.to(device) for run in data["held_runs"]], device, 2, threads)
    mixes = {
        "planes": SupplyConfig(scene, footage=0, cut=0, plain=0, noise=0.3, compressed=0.2),
        "real": SupplyConfig(scene, footage=1, cut=0, plain=0, noise=0.0, compressed=0.0),
    }
    return {name: supply.batch(0, count, mix) for name, mix in mixes.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--held-out", action="append", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="folder of checkpoints to go on from")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--only", default="fast,cnn")
    parser.add_argument("--stages", default="0:160:8:48,0.35:224:10:24", help="from:size:frames:clips, ...")
    parser.add_argument("--every", default="fast=1,cnn=2", help="a network's step on every so many batches")
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--cool-down", type=float, default=0.35, help="last share of the time, in which the rate falls")
    parser.add_argument("--most-frames", type=int, default=240)
    parser.add_argument("--validation", type=int, default=32)
    parser.add_argument("--validate-seconds", type=float, default=60)
    parser.add_argument("--renderers", type=int, default=4, help="processes that render")
    parser.add_argument("--reuse", type=int, default=16, help="batches to have before any is used again")
    parser.add_argument("--fresh", type=float, default=0.7, help="share of steps that ask for a new batch")
    parser.add_argument("--short", type=float, default=0.35, help="share of steps on pieces of one or two frames")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    options = parser.parse_args()
    began = time.monotonic()
    threads = os.cpu_count() or 1
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.benchmark_limit = 4
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    log = open(options.out / "log.jsonl", "a", encoding="utf-8")  # noqa: SIM115

    def note(**line: Any) -> None:
        text = json.dumps({"s": round(time.monotonic() - began, 1), **line})
        print(text, flush=True)
        print(text, file=log, flush=True)

    data = read_data(options.data, options.held_out, threads, options.most_frames)
    note(read={k: len(v) for k, v in data.items()})
    stages = [tuple(float(x) for x in stage.split(":")) for stage in options.stages.split(",")]
    mixes = [(int(n), SupplyConfig(SceneConfig(size=int(size), frames=int(t)))) for _, size, t, n in stages]
    seed = 1 + int(time.time()) % 10**6 * 100
    name = options.device
    renderers = Renderers(
        data["photographs"], data["runs"], name, seed, options.renderers, max(1, threads // options.renderers), mixes
    )
    try:
        learn(options, began, note, data, stages, mixes, renderers, torch.device(name))
    finally:
        renderers.close()


def learn(
    options: argparse.Namespace,
    began: float,
    note: Callable[..., None],
    data: dict[str, list[Any]],
    stages: list[tuple[float, ...]],
    mixes: list[tuple[int, SupplyConfig]],
    renderers: Renderers,
    device: torch.device,
) -> None:
    threads = os.cpu_count() or 1
    note(device=torch.cuda.get_device_name() if device.type == "cuda" else "cpu")
    held_out = validation_sets(data, device, threads, int(stages[0][1]), options.validation)
    note(validation={name: _input_psnr(batch) for name, batch in held_out.items()})
    every = {name: int(n) for name, _, n in (part.partition("=") for part in options.every.split(","))}
    learners = [
        Learner(name, LearnerConfig(kind, model, learning_rate=1e-3 * options.rate), device)
        for name, (kind, model) in MODELS.items()
        if name in options.only.split(",")
    ]
    for learner in learners:
        if options.start:
            learner.load(options.start)
    flops = {learner.name: 6 * macs_per_pixel(learner.config) for learner in learners}
    spent = dict.fromkeys(flops, 0.0)
    limit = options.minutes * 60
    rng = np.random.default_rng(int(time.time()))
    saved = time.monotonic()
    clock: dict[str, float] = {}
    index = fresh = 0
    for stage, (start, size, frames, clips) in enumerate(stages):
        end = stages[stage + 1][0] if stage + 1 < len(stages) else 1.0
        if (time.monotonic() - began) / limit >= end:
            continue
        count = int(clips)
        renderers.stage.value = stage
        first = renderers.take(device, 120)
        assert first is not None, "the renderers made nothing in two minutes"
        note(stage=stage, size=size, frames=frames, clips=count, start=start)
        for learner, rehearse in itertools.product(learners, (False, True)):
            if rehearse and not learner.network.past:
                continue
            learner.step(first, torch.ones(count, dtype=torch.bool, device=device), rehearse, 1e-6)
        kept = [first]
        note(captured=True)
        gains: dict[str, list[Tensor]] = {learner.name: [] for learner in learners}
        while (progress := (time.monotonic() - began) / limit) < end:
            rate = min(1.0, max(0.01, (1 - progress) / options.cool_down))
            floor = FLOOR + (FIRST_FLOOR - FLOOR) * max(0.0, 1 - progress / 0.3) * (options.start is None)
            before = time.perf_counter()
            again = len(kept) >= options.reuse and rng.random() > options.fresh
            batch = None if again else renderers.take(device, 0 if len(kept) >= options.reuse else 30)
            if batch is None:
                batch = kept[int(rng.integers(len(kept)))]
            else:
                kept = [*kept[-(KEPT - 1) :], batch]
                fresh += 1
            batch = augmented(batch, *(bool(rng.random() < 0.5) for _ in range(3)))
            clock["take"] = clock.get("take", 0) + time.perf_counter() - before
            if rng.random() < options.short:
                batch = cut_up(batch, int(rng.integers(1, 3)))
            look_ahead = torch.from_numpy(rng.random(len(batch.sharp)) < 0.75).to(device)
            index += 1
            for learner in learners:
                if index % every.get(learner.name, 1):
                    continue
                before = time.perf_counter()
                rehearse = bool(learner.network.past and batch.sharp.shape[1] > 2 and rng.random() < 0.3)
                gains[learner.name].append(learner.step(batch, look_ahead, rehearse, rate, floor))
                spent[learner.name] += (
                    flops[learner.name] * batch.sharp[:, :, 0].numel() * 4 * (4 / 3 if rehearse else 1)
                )
                if index % 20 == 0 and device.type == "cuda":
                    torch.cuda.synchronize()
                clock[learner.name] = clock.get(learner.name, 0) + time.perf_counter() - before
            if index % 50 == 0:
                means = {name: round(float(torch.stack(g).mean()), 3) for name, g in gains.items() if g}
                note(
                    batch=index,
                    fresh=fresh,
                    rate=round(rate, 3),
                    gain=means,
                    clock={k: round(v, 1) for k, v in clock.items()},
                )
                gains, clock = {name: [] for name in gains}, {}
            if time.monotonic() - saved > options.validate_seconds:
                for learner in learners:
                    learner.save(options.out)
                    scores = {name: learner.validate(part) for name, part in held_out.items()}
                    rounded = {n: {k: round(v, 3) for k, v in s.items()} for n, s in scores.items()}
                    note(model=learner.name, steps=learner.steps, flop=f"{spent[learner.name]:.3g}", **rounded)
                saved = time.monotonic()
    for learner in learners:
        learner.save(options.out)
        scores = {name: learner.validate(part) for name, part in held_out.items()}
        rounded = {n: {k: round(v, 3) for k, v in s.items()} for n, s in scores.items()}
        note(model=learner.name, steps=learner.steps, flop=f"{spent[learner.name]:.3g}", final=True, **rounded)
    if device.type == "cuda":
        for name in options.only.split(","):
            note(**{"timed": name, **time_model(name, device)})
        note(peak_gib=round(torch.cuda.max_memory_allocated() / 2**30, 1))


def macs_per_pixel(config: LearnerConfig) -> float:
    """Multiplications per pixel of a frame, convolutions alone."""
    network, total = build(config.kind, config.model), 0
    size = 64

    def count(module: Any, _: Any, output: Tensor) -> None:
        nonlocal total
        total += output.shape[2] * output.shape[3] * module.weight.numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    with torch.no_grad():
        network.restore(torch.zeros(1, 6, size // 2, size // 2))
    for hook in hooks:
        hook.remove()
    return total / size**2


@torch.inference_mode()
def time_model(name: str, device: torch.device) -> dict[str, float]:
    """Milliseconds per frame in bf16, median of 20 after 5 to warm up, flow not counted."""
    kind, config = MODELS[name]
    network = build(kind, config).to(device, torch.bfloat16).eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    result = {}
    for label, (width, height) in {"720p": (1280, 720), "1080p": (1920, 1088)}.items():
        frame = torch.rand(1, 6, height // 2, width // 2, device=device, dtype=torch.bfloat16)
        flow = torch.rand(1, 2, height // 2, width // 2, device=device)
        state, times = None, []
        for _ in range(25):
            torch.cuda.synchronize()
            before = time.perf_counter()
            _, state = network.restore(frame, frame, Motion(flow, flow), state)
            torch.cuda.synchronize()
            times.append(time.perf_counter() - before)
        result[label] = round(float(np.median(times[5:])) * 1e3, 2)
    return result


def _input_psnr(batch: Batch) -> float:
    error = (batch.blurred[:, :, :4].float() - batch.sharp[:, :, :4].float()).square().mean((2, 3, 4))
    return round(float((10 * torch.log10(255**2 / (error + 0.1))).mean()), 2)


if __name__ == "__main__":
    main()
