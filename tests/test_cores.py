"""Which cores the work takes, and that its threads wait without holding on to them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import ROOT
from vdeblur import cores


def in_a_process(code: str, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "MKL_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=clean | environment,
    )
    return done.stdout.strip()


def test_threads_wait_passively_wherever_vdeblur_is_imported_first() -> None:
    code = "import vdeblur, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    assert in_a_process(code) == "PASSIVE False"


def test_a_policy_that_the_user_has_set_is_kept() -> None:
    code = "import vdeblur, os; print(os.environ['OMP_WAIT_POLICY'])"
    assert in_a_process(code, OMP_WAIT_POLICY="ACTIVE") == "ACTIVE"


@pytest.mark.parametrize("order", ["import torch, vdeblur.cores as cores", "import vdeblur.cores as cores, torch"])
def test_the_requested_number_of_threads_holds_before_and_after_torch_is_loaded(order: str) -> None:
    code = f"{order}; cores.use_threads(3); import torch; print(torch.get_num_threads(), cores.threads())"
    assert in_a_process(code) == "3 3"


@pytest.mark.parametrize(
    ("said", "quota"), [("max 100000", None), ("200000 100000", 2), ("150000 100000", 2), ("nonsense", None)]
)
def test_a_containers_share_bounds_the_cores(
    said: str, quota: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text(said)
    monkeypatch.setattr(cores, "CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert cores.usable_cores() == (quota or 64)


@pytest.mark.needs("linux")
def test_niceness_reaches_the_process() -> None:
    before = os.nice(0)
    assert in_a_process("from vdeblur import cores; import os; cores.be_nice(3); print(os.nice(0))") == str(
        min(before + 3, 19)
    )
