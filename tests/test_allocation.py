"""Freed memory is kept for the next frame, unless the user has settings of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.commands import ROOT
from vdeblur.backends.allocation import SETTINGS

FAULTS = """
import resource
import numpy as np
from support.networks import tiny
from vdeblur.backends.pytorch import TorchRestorer

TorchRestorer("tiny", tiny("cnn"), "cpu", "fp32")

def frame():
    return [np.ones(2_000_000, np.float32) for _ in range(8)]  # 64 MB

for _ in range(3):
    frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    frame()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 5 * 64_000_000 // 4096
"""Faults where nothing is kept, and pages are of the usual size."""


def faults(**environment: str) -> int:
    """While five frames' worth of arrays are taken, once a restorer has been made."""
    clean = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-c", FAULTS]
    done = subprocess.run(command, env=clean | paths | environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.needs("glibc")
def test_freed_memory_is_kept() -> None:
    assert faults() < PAGES / 20
    assert faults(MALLOC_TRIM_THRESHOLD_="131072") > PAGES / 20
