"""What a figure was measured on: one line that stands with every result."""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec
from pathlib import Path


def describe_machine() -> str:
    """Processor, cores this process may use, Python, torch, its widest instruction set and threads."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    usable = os.process_cpu_count() if hasattr(os, "process_cpu_count") else len(os.sched_getaffinity(0))
    return f"{name}, {usable} cores; Python {platform.python_version()}, {_torch()}"


def _torch() -> str:
    if find_spec("torch") is None:
        return "no torch"
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__} with {capability}, {torch.get_num_threads()} threads"
