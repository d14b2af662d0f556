"""Diagnosis of the installation: versions, devices, engines, encoders, integrity of the weights, display."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib import metadata

from ..backends.choice import fastest_engine
from ..backends.engines import ENGINES, is_installed, remedy
from ..cores import threads
from ..errors import ModelError
from ..live.display import window_problem
from ..media.encoder_trial import encodes
from ..version import __version__

PACKAGES = ("torch", "av", "numpy", "opencv-python", "safetensors", "click", "rich")

SOFTWARE_ENCODERS = ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1", "prores_ks")
HARDWARE_ENCODERS = (
    *("h264_nvenc", "hevc_nvenc", "av1_nvenc", "h264_qsv", "hevc_qsv", "av1_qsv"),
    *("h264_videotoolbox", "hevc_videotoolbox", "h264_v4l2m2m"),
)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings. `problems` lists what keeps vdeblur from working; missing hardware is not a problem."""

    versions: dict[str, str]
    ffmpeg: dict[str, str]
    devices: dict[str, str]
    """Values of `-d`, and a description of each."""
    engines: dict[str, str]
    """Values of `--engine`, and the version or how to install it; for "auto" the engine it picks for each model."""
    encoders: dict[str, bool]
    """Whether encoding a few frames produced packets."""
    weights: dict[str, bool]
    """Whether each published model, and each in int8, has the hash in the manifest."""
    display: bool
    """Whether the live window can be shown."""
    no_display: str
    """Why not; empty if it can."""
    problems: tuple[str, ...]


def diagnose() -> Diagnosis:
    """Run all checks; takes a second or two."""
    weights, problems = _check_weights()
    encoders = {name: encodes(name) for name in (*SOFTWARE_ENCODERS, *HARDWARE_ENCODERS)}
    if not encoders["libx264"]:
        problems.append("libx264 does not encode: reinstall av (pip install --force-reinstall av)")
    no_display = window_problem()
    return Diagnosis(
        versions=_versions(),
        ffmpeg=_ffmpeg(),
        devices=_devices(),
        engines=_engines(weights),
        encoders=encoders,
        weights=weights,
        display=not no_display,
        no_display=no_display or "",
        problems=tuple(problems),
    )


def _versions() -> dict[str, str]:
    versions = {"vdeblur": __version__, "python": platform.python_version(), "system": platform.platform()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "missing"
    return versions


def _ffmpeg() -> dict[str, str]:
    import av

    return {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}


def _devices() -> dict[str, str]:
    if not is_installed("torch"):
        return {"cpu": f"{threads()} threads"}
    import torch

    devices = {"cpu": f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"}
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        devices[f"cuda:{index}"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple GPU"
    return devices


def _engines(models: Iterable[str]) -> dict[str, str]:
    engines: dict[str, str] = {}
    for name, package in ENGINES.items():
        engines[name] = metadata.version(package) if is_installed(name) else f"not installed: {remedy(name)}"
    fastest = {name: engine for name in models if (engine := fastest_engine(name))}
    measured = ", ".join(f"{engine} for {name}" for name, engine in fastest.items())
    engines["auto"] = measured or "torch (`vdeblur bench` checks whether another engine is faster)"
    return engines


def _check_weights() -> tuple[dict[str, bool], list[str]]:
    from ..backends.graphs import load_graph
    from ..backends.published import published
    from ..files import file_sha256

    try:
        models = published()
    except ModelError as error:
        return {}, [str(error)]
    intact, problems = {}, []
    for model in models:
        intact[model.name] = model.path.is_file() and file_sha256(model.path) == model.sha256
        if not intact[model.name]:
            problems.append(f"{model.path}: missing or altered; reinstall vdeblur")
        if model.int8:
            try:
                load_graph(model.int8.path, model.int8.sha256)
                intact[f"{model.name} in int8"] = True
            except ModelError as error:
                intact[f"{model.name} in int8"] = False
                problems.append(str(error))
    return intact, problems


def to_json(diagnosis: Diagnosis) -> dict[str, object]:
    """What `vdeblur doctor --json` prints."""
    return asdict(diagnosis)


def to_text(diagnosis: Diagnosis) -> str:
    """The diagnosis as text."""
    lines = [f"{name:<16}{version}" for name, version in diagnosis.versions.items()]
    lines.append("ffmpeg          " + ", ".join(f"{name} {version}" for name, version in diagnosis.ffmpeg.items()))
    lines += [f"device {name:<9}{what}" for name, what in diagnosis.devices.items()]
    lines += [f"engine {name:<9}{what}" for name, what in diagnosis.engines.items()]
    works = [name for name, good in diagnosis.encoders.items() if good]
    fails = [name for name, good in diagnosis.encoders.items() if not good]
    lines.append(f"encoders        {' '.join(works)}")
    lines.append(f"  unavailable   {' '.join(fails)}")
    lines += [
        f"weights {name:<16}{'intact' if good else 'MISSING OR ALTERED'}" for name, good in diagnosis.weights.items()
    ]
    missing = f"none: {diagnosis.no_display}; only the window of `vdeblur live` needs one"
    lines.append(f"display         {'present' if diagnosis.display else missing}")
    lines += [f"PROBLEM: {problem}" for problem in diagnosis.problems] or ["no problems found"]
    return "\n".join(lines)
