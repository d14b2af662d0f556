"""Training, top to bottom: render clips, take steps, keep an average of the weights, leave a usable model at any time.

Everything random is drawn from (seed, step), and the clips' pool from (seed, clip), so a resumed run is the run that
was never interrupted.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..backends import checkpoints
from ..backends.pytorch import choose_precision
from ..backends.symmetries import SYMMETRIES
from ..errors import DeviceError, InputError, UsageError
from ..files import replacing
from ..models import Motion, StreamNetwork, build
from ..signals import Stopped
from .blur import BlurConfig
from .clips import ClipMaker, FreshClips, Pool, Sources
from .log import TrainingLog
from .muon import Muon
from .packed import augment, to_network
from .supply import motion_of
from .teacher import Teaching

FLOOR = 1e-4
"""Added to the squared error before its logarithm (40 dB): an error's weight is 1 / (MSE + floor), so without it the
clips that are sharp already would rule the gradient, and the network would learn to leave everything alone."""


@dataclass(frozen=True)
class TrainConfig:
    """One run. A published model's is in `weights/NAME.toml`."""

    data: tuple[str, ...] = ()
    """Folders of sharp photographs and footage, to be blurred by synthesis."""
    pairs: tuple[str, ...] = ()
    """Folders of blurred and sharp pictures, to learn from in place of `data`."""
    kind: str = "convlstm"
    model: dict[str, Any] = field(default_factory=dict)
    """Settings of the kind's configuration."""
    blur: BlurConfig = field(default_factory=lambda: BlurConfig(frames=12))
    seed: int = 0
    steps: int = 60_000
    batch: int = 8
    frames: int = 6
    """Frames with a gradient, per clip and step."""
    burn_in: int = 6
    """At most this many frames before them only warm the state, on half of the steps."""
    burn_in_growth: float = 0.01
    """Frames more of them that are allowed with each step, from one at the first: clips grow as training goes on."""
    patch: int = 128
    """px."""
    learning_rate: float = 1e-3
    warm_up: int = 200
    """Steps until the full learning rate."""
    cool_down: int = 10_000
    """Last steps, in which it falls to nothing."""
    muon_scale: float = 3.0
    """Learning rate of Muon over that of AdamW; see `make_optimisers`."""
    weight_decay: float = 1e-4
    ema: float = 0.999
    look_ahead: float = 0.7
    """Share of clips that may see one future frame."""
    render: str = "auto"
    """"pool": clips are rendered once, by other processes, and kept; "device": each step's on the device that trains;
    "auto": "device" on a GPU."""
    pool: int = 6000
    """Clips rendered in all."""
    pool_start: int = 300
    """Clips to draw from at the first step."""
    pool_growth: float = 0.15
    """Clips more to draw from with each step."""
    hard_steps: int = 3000
    """First steps, which take only clips whose blurred PSNR is under `hard_psnr`: a network shown clips that are nearly
    sharp from the start stays at a zero residual for long."""
    hard_psnr: float = 31.0
    hard_share: float = 0.85
    """Share of the later steps that take only those, too."""
    plain: float = 0.03
    """Share of clips that are one colour throughout, of any saturation: neither it nor the picture's border is blur."""
    init: str = ""
    """A model file whose fitting weights to begin with."""
    teacher: tuple[str, ...] = ()
    """Model files; the mean of their restorations takes the place of most of the truth: `teacher.py`."""
    teacher_views: int = 6
    """Symmetries of a clip that the mean is over."""
    teacher_share: float = 0.75
    """How much of the truth's place."""

    def __post_init__(self) -> None:
        blur, frames = self.blur, self.frames + self.burn_in
        positive = ("steps", "batch", "frames", "warm_up", "pool", "pool_start")
        problems = [f'"{name}" must be at least 1' for name in positive if getattr(self, name) < 1]
        if self.render not in ("auto", "pool", "device"):
            problems.append(f'"render" is "{self.render}"; choose auto, pool or device')
        if self.burn_in < 0 or frames > blur.frames:
            problems.append(f'"frames" and "burn_in" make {frames}, but clips have {blur.frames} ("blur.frames")')
        if self.patch < 8 or self.patch % 8 or self.patch > blur.size:
            problems.append(f'"patch" must be a multiple of 8 up to "blur.size", {blur.size}; it is {self.patch}')
        if not 1 <= self.teacher_views <= len(SYMMETRIES):
            problems.append(f'"teacher_views" must be 1 to {len(SYMMETRIES)}; it is {self.teacher_views}')
        if not 0 <= self.teacher_share <= 1:
            problems.append(f'"teacher_share" must be 0 to 1; it is {self.teacher_share}')
        if blur.size % 4:
            problems.append(f'"blur.size" must be a multiple of 4; it is {blur.size}')
        if problems:
            raise UsageError("; ".join(problems))

    @property
    def sources(self) -> Sources:
        """Where clips to learn from come from."""
        teaching = Teaching(self.teacher, self.teacher_views, self.hard_psnr) if self.teacher else None
        return Sources(self.data, self.pairs, teaching)

    def rate(self, step: int) -> float:
        """Learning rate at a step: warm up, stay, cool down (Hu et al. 2024, warm-up, stable, decay)."""
        rise = min(1.0, (step + 1) / self.warm_up)
        fall = min(1.0, (self.steps - step) / max(1, self.cool_down))
        return self.learning_rate * rise * fall


def error_of(restored: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of each frame, (n, t, 6, h, w) -> (n, t).

    Luma's four phases share a weight of one, Cb and Cr have one each: nearly the mean squared error of RGB.
    """
    squared = (restored - target).square().mean(dim=(3, 4))
    return squared[..., :4].mean(-1) + squared[..., 4] + squared[..., 5]


def loss_of(restored: Tensor, sharp: Tensor) -> Tensor:
    """Mean over clips and frames of log MSE in dB."""
    return (10 * torch.log10(error_of(restored, sharp) + FLOOR)).mean()


def taught_loss(restored: Tensor, sharp: Tensor, target: Tensor) -> Tensor:
    """A loss that pulls towards `target` as strongly as `loss_of` pulls towards the truth; of the same gradient where
    both are the same.
    """
    weight = 10 / math.log(10) / (error_of(restored, sharp).detach() + FLOOR)
    return (weight * error_of(restored, target)).mean()


class Trainer:
    """The state of a run: weights, their average, the optimiser's moments, and the step."""

    def __init__(self, config: TrainConfig, device: str) -> None:
        self.config, self.device, self.step = config, torch.device(device), 0
        torch.manual_seed(config.seed)
        self.network = build(config.kind, config.model).to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if config.init:
            self._begin_with(config.init)
        self.autocast = choose_precision("auto", device) == "bf16"  # elsewhere it is emulated, and slower than fp32
        self.average = {name: value.detach().clone().float() for name, value in self.network.state_dict().items()}
        self.optimisers = make_optimisers(self.network, config)

    def _begin_with(self, path: str) -> None:
        """Take over the weights that fit; residual blocks that are not among them begin as the identity."""
        own = self.network.state_dict()
        given = checkpoints.load(path).tensors
        fitting = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
        own |= {name: torch.zeros_like(value) for name, value in own.items() if ".second." in name}
        self.network.load_state_dict(own | fitting)

    def forward(self, network: StreamNetwork, blurred: Tensor, burn_in: int, look_ahead: Tensor | None) -> Tensor:
        """(n, burn_in + t, 6, h, w) -> restored (n, t, 6, h, w)."""
        clip, motion = blurred[:, burn_in:], motion_of(blurred)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            state = None
            if burn_in:
                with torch.no_grad():
                    state = network(blurred[:, :burn_in], motion[:, :burn_in], None, look_ahead)[1]
            residual = network(clip, motion[:, burn_in:], state, look_ahead)[0]
        return clip + residual.float()

    def take_step(self, clips: Pool | FreshClips) -> dict[str, float]:
        """One step of the optimiser; what to log, in dB."""
        config = self.config
        rng = np.random.default_rng([config.seed, 1, self.step])
        longest = min(config.burn_in, 1 + int(config.burn_in_growth * self.step))
        burn_in = int(rng.integers(1, longest + 1)) if longest and rng.random() < 0.5 else 0
        available = int(config.pool_start + config.pool_growth * self.step)
        hard = self.step < config.hard_steps or rng.random() < config.hard_share
        worse_than = config.hard_psnr if hard else math.inf
        frames = config.frames + burn_in
        batch = clips.batch(rng, config.batch, available, frames, config.patch, worse_than).to(self.device)
        for slot in np.flatnonzero(rng.random(config.batch) < config.plain):
            colour = torch.from_numpy(rng.integers(0, 256, 3, np.uint8)).to(self.device)
            batch[slot] = colour[[0, 0, 0, 0, 1, 2], None, None]
        blurred, sharp = to_network(batch[:, 0]), to_network(batch[:, 1])[:, burn_in:]
        taught = to_network(batch[:, -1])[:, burn_in:]  # sharp again where nobody teaches
        look_ahead = torch.from_numpy(rng.random(config.batch) < config.look_ahead).to(self.device)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["relative_lr"] * config.rate(self.step)
        restored = self.forward(self.network, blurred, burn_in, look_ahead)
        self.network.zero_grad(set_to_none=True)
        taught_loss(restored, sharp, torch.lerp(sharp, taught, config.teacher_share)).backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        if torch.isfinite(norm):  # a step that is not a number is left out
            for optimiser in self.optimisers:
                optimiser.step()
        self.step += 1
        decay = min(config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            names = list(self.average)
            current = self.network.state_dict()
            torch._foreach_lerp_([self.average[n] for n in names], [current[n].float() for n in names], 1 - decay)
            before, loss = loss_of(blurred[:, burn_in:], sharp), loss_of(restored, sharp)
        return {"loss": float(loss), "gain": float(before - loss), "norm": float(norm)}

    @torch.no_grad()
    def validate(self, clips: Tensor, check: Callable[[], None] = lambda: None) -> dict[str, float]:
        """Mean gain of the averaged weights, dB, on clips (n, 2, t, 6, h, w), with the state carried and without."""
        network = build(self.config.kind, self.config.model).to(self.device).eval()
        network.to(memory_format=torch.channels_last).load_state_dict(self.average)  # type: ignore[call-overload]
        totals = {"gain": 0.0, "gain_no_state": 0.0}
        for clip in clips.split(4):
            check()
            blurred, sharp = to_network(clip[:, 0].to(self.device)), to_network(clip[:, 1].to(self.device))
            before = loss_of(blurred, sharp)
            carried = loss_of(self.forward(network, blurred, 0, None), sharp)
            alone = loss_of(torch.stack([self._alone(network, blurred, i) for i in range(blurred.shape[1])], 1), sharp)
            totals["gain"] += float(before - carried) * len(clip) / len(clips)
            totals["gain_no_state"] += float(before - alone) * len(clip) / len(clips)
        return totals

    def _alone(self, network: StreamNetwork, blurred: Tensor, i: int) -> Tensor:
        """Frame i restored with a fresh state; its neighbours are still seen."""
        future = blurred[:, i + 1] if network.future and i + 1 < blurred.shape[1] else None
        motion = motion_of(blurred[:, i : i + 2])[:, 0]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            residual, _ = network.restore(blurred[:, i], future, Motion(motion[:, :2], motion[:, 2:]), None)
        return blurred[:, i] + residual.float()

    def save(self, folder: Path) -> None:
        """Write resume.safetensors (everything) and model.safetensors (the average, ready for `-m`)."""
        state = {f"weights.{name}": value for name, value in self.network.state_dict().items()}
        state |= {f"average.{name}": value for name, value in self.average.items()}
        for place, optimiser in enumerate(self.optimisers):
            for index, moments in optimiser.state_dict()["state"].items():
                state |= {f"moments.{place}.{index}.{name}": value for name, value in moments.items()}
        header = {"step": str(self.step), "config": json.dumps(asdict(self.config))}
        with replacing(folder / "resume.safetensors") as part:
            save_file(_plain(state), part, header)
        provenance = {
            "steps": self.step,
            "data": [Path(folder).name for folder in self.config.pairs or self.config.data],
            "seed": self.config.seed,
        }
        if self.config.teacher:
            provenance["teacher"] = [Path(model).name for model in self.config.teacher]
        with replacing(folder / "model.safetensors") as part:
            checkpoints.save(part, self.network, self.config.kind, self.average, provenance)

    def resume(self, file: Path) -> None:
        """Continue from resume.safetensors, on whatever device; InputError where it is of another model."""
        try:
            with safe_open(str(file), "pt") as stored:
                header = stored.metadata()
                state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            then = json.loads(header["config"])
        except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
            raise InputError(f"{file}: not a readable checkpoint ({error}); give the run another folder") from error
        if (then["kind"], then["model"]) != (self.config.kind, self.config.model):
            raise InputError(f"{file}: is of a {then['kind']} {then['model']}; give the run another folder")
        self.step = int(header["step"])
        self.network.load_state_dict(_under("weights.", state))
        for name, value in _under("average.", state).items():
            self.average[name].copy_(value)
        for place, optimiser in enumerate(self.optimisers):
            weights = [weight for group in optimiser.param_groups for weight in group["params"]]
            moments: dict[int, dict[str, Tensor]] = {}
            for name, value in _under(f"moments.{place}.", state).items():
                index, _, key = name.partition(".")
                if value.dim():  # the fused optimiser walks memory, so moments must lie as their weights do
                    value = torch.empty_like(weights[int(index)]).copy_(value)
                moments.setdefault(int(index), {})[key] = value
            optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})


def make_optimisers(network: StreamNetwork, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions between the first and the last, AdamW for these two and all that is not a matrix."""
    outer = (network.encoder.stem, network.decoder.head)
    inner = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d) and m not in outer]
    chosen = set(map(id, inner))
    others = [p for p in network.parameters() if id(p) not in chosen]
    muon = {"params": inner, "relative_lr": config.muon_scale}
    adam = {"params": others, "relative_lr": 1.0}
    return [
        Muon([muon], lr=config.learning_rate, weight_decay=config.weight_decay),
        torch.optim.AdamW([adam], lr=config.learning_rate, weight_decay=config.weight_decay, fused=True),
    ]


def _under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _plain(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in state.items()}


def train(
    config: TrainConfig,
    folder: Path,
    *,
    device: str = "cpu",
    max_minutes: float = math.inf,
    renderers: int = 1,
    pool_folder: Path | None = None,
    save_minutes: float = 3.0,
    validation_clips: int = 24,
    report: Callable[[dict[str, Any]], None] = lambda line: None,
    check: Callable[[], None] = lambda: None,
) -> Trainer:
    """Run or go on with the run in `folder` until `config.steps` or `max_minutes`; a checkpoint is always left.

    Writes log.jsonl (a line per 100 steps and per validation), plot.svg, resume.safetensors and model.safetensors.
    `check` is called where the run can end without loss; where it raises `Stopped`, a checkpoint is left first.
    """
    if not folder.exists():
        ClipMaker(
            config.sources, config.blur
        )  # raises what there is to raise about the sources before anything is made
    trainer = Trainer(config, device)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "resume.safetensors").exists():
        trainer.resume(folder / "resume.safetensors")
    log = TrainingLog(folder, trainer.step)

    def note(line: dict[str, Any]) -> None:
        log.note(line)
        report(line)

    clips = _open_clips(config, pool_folder or folder / "pool", trainer.device, check)
    started = saved = clock = time.monotonic()
    held_out: Tensor | None = None
    sums: dict[str, float] = {}
    count = 0
    try:
        if isinstance(clips, Pool):
            clips.start_rendering(renderers)
        while trainer.step < config.steps:
            check()
            for name, value in trainer.take_step(clips).items():
                sums[name] = sums.get(name, 0.0) + value
            count += 1
            now = time.monotonic()
            if trainer.step % 100 == 0:
                means = {name: round(value / count, 4) for name, value in sums.items()}
                note(
                    {
                        "step": trainer.step,
                        **means,
                        "steps_per_s": round(count / (now - clock), 2),
                        "clips": clips.rendered,
                    }
                )
                sums, count, clock = {}, 0, now
            if now - saved > save_minutes * 60:
                trainer.save(folder)
                if held_out is None:
                    held_out = held_out_clips(config, validation_clips)
                note({"step": trainer.step, "validation": trainer.validate(held_out, check)})
                log.plot()
                saved = time.monotonic()
                clock += saved - now  # steps per second are of steps alone
            if now - started > max_minutes * 60:
                break
        trainer.save(folder)
    except Stopped:
        trainer.save(folder)
        raise
    except torch.OutOfMemoryError as error:
        raise DeviceError(f"{device}: not enough memory; set a smaller batch or patch") from error
    finally:
        clips.close()
        log.plot()
    return trainer


def held_out_clips(config: TrainConfig, count: int) -> Tensor:
    """Clips (n, 2, t, 6, patch/2, patch/2) of pictures that training does not see, blurred enough to matter."""
    blur = replace(config.blur, identity=0, static=0, footage=0)
    make = ClipMaker(replace(config.sources, teaching=None), blur, held_out=True)
    slots = np.random.default_rng([config.seed, 2]).spawn(count)
    return torch.from_numpy(np.stack([augment(rng, make(rng), config.blur.frames, config.patch) for rng in slots]))


def _open_clips(
    config: TrainConfig, pool_folder: Path, device: torch.device, check: Callable[[], None]
) -> Pool | FreshClips:
    if config.render == "device" or (config.render == "auto" and device.type != "cpu"):
        return FreshClips(config.sources, config.blur, device)
    return Pool(pool_folder, config.pool, config.blur, config.sources, config.seed, check)
