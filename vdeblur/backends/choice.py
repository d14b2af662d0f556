"""The choice of an engine: the requested one, or the fastest measured on this machine."""

from __future__ import annotations

import json
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from ..cores import threads
from ..errors import UsageError
from ..files import user_cache, write_json
from ..version import __version__
from .engines import ENGINES, GRAPH_ENGINES, is_installed, remedy, require


def choose_engine(wanted: str, model: str, device: str, precision: str) -> str:
    """The engine for a checkpoint, with `device` and `precision` as requested.

    "auto" is the fastest in the last `vdeblur bench` on this machine and device; without one, or if a GPU or a
    precision is requested, it is torch. Raises UsageError for an engine that is unknown, not installed, or not for this
    device.
    """
    if wanted == "auto":
        is_open = device in ("auto", "cpu") and precision == "auto"
        wanted = (fastest_engine(model, device) if is_open else None) or "torch"
    require(wanted)
    if wanted != "torch" and device not in ("auto", "cpu"):
        raise UsageError(f"the {wanted} engine runs on the CPU, not on {device}; choose torch")
    return wanted


def choose_graph_engine(wanted: str, device: str = "auto", precision: str = "fp32") -> str:
    """The engine for an exported model of this precision; "auto" is the first of its GRAPH_ENGINES that is installed.

    Raises UsageError.
    """
    models = "exported models" if precision == "fp32" else f"models in {precision}"
    if device not in ("auto", "cpu"):
        raise UsageError(f"{models} run on the CPU, not on {device}")
    known = GRAPH_ENGINES[precision]
    names = " or ".join(known)
    missing = "" if any(map(is_installed, known)) else f", not installed: {remedy(known[-1])}"
    if wanted == "auto":
        if missing:
            raise UsageError(f"{models} run on {names}{missing}")
        return next(filter(is_installed, known))
    if wanted in ENGINES and wanted not in known:
        raise UsageError(f"the {wanted} engine does not run {models}; choose {names}{missing}")
    require(wanted)
    return wanted


def machine() -> dict[str, Any]:
    """What a measured choice depends on, with the device: processor, threads and versions."""
    versions = {engine: metadata.version(package) for engine, package in ENGINES.items() if is_installed(engine)}
    return {"processor": _processor(), "threads": threads(), "vdeblur": __version__, "engines": versions}


def _device(wanted: str) -> str:
    """The device of torch, or "cpu" without torch, where the other engines run."""
    if wanted == "cpu" or not is_installed("torch"):
        return "cpu"
    if "torch" not in sys.modules and metadata.version("torch").endswith("+cpu"):
        return "cpu"  # loading it would take a second, to find no GPU; builds for macOS, with mps, are not called so
    from .pytorch import choose_device

    return choose_device(wanted)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def fastest_engine(model: str, device: str = "auto") -> str | None:
    """The fastest engine for a model in the last `vdeblur bench` on this machine; None if it was not measured.

    On a machine with a GPU that was on the GPU: it says nothing of `device` "cpu".
    """
    try:
        kept = json.loads(_choices().read_text(encoding="utf-8"))
        found = kept["fastest"].get(model)
        # The device last: to find it, torch is loaded.
        if isinstance(found, str) and kept["machine"] == machine() and kept["device"] == _device(device):
            return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def keep_fastest(fastest: dict[str, str]) -> None:
    """Store the fastest engine of each model on this machine, measured with the device "auto"."""
    _choices().parent.mkdir(parents=True, exist_ok=True)
    write_json(_choices(), {"machine": machine(), "device": _device("auto"), "fastest": fastest})


def _choices() -> Path:
    return user_cache() / "engines.json"
