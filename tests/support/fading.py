"""The worked example of CONTRIBUTING.md: a network that uses motion and has a state, and is not the ConvLSTM."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from support.commands import ROOT
from vdeblur.models import MODELS
from vdeblur.models.ladder import LadderConfig

KIND = "fading"
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def example() -> str:
    """The text of `vdeblur/models/fading.py`."""
    found = re.search(r"```python\n(.*?)```", CONTRIBUTING, re.DOTALL)
    assert found
    return found[1]


def add_fading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the example to MODELS for one test."""
    module = ModuleType("vdeblur.models.fading")
    module.__package__ = "vdeblur.models"
    exec(compile(example(), "CONTRIBUTING.md", "exec"), vars(module))
    monkeypatch.setitem(MODELS, KIND, (module.Fading, LadderConfig))
