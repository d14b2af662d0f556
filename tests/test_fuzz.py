"""A bounded run of the fuzzer, in a process of its own so that a hang is an error too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import case

HERE = Path(__file__).parent


@pytest.mark.parametrize("seed", [2028, 2331, 2637, 2712, 4038, 9302, 17609, 30469])
def test_fixed_bugs_stay_fixed(tmp_path: Path, seed: int) -> None:
    """Sound whose times run backwards, a stream and times that damage made up: each once ended the whole job."""
    assert case(seed, tmp_path) == []


def test_damaged_clips_end_in_frames_or_one_clear_line() -> None:
    command = [sys.executable, str(HERE / "fuzz.py"), "--cases", "30", "--seed", "0"]
    environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "30 cases from seed 0: 0 failed" in done.stdout
