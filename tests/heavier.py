"""A third published model, heavier than the two: what is offered and gone down from must follow the manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vdeblur.backends import published


def publish_heavier(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Publish `heavy`, whose work is said to be three times that of `fast`; its name."""
    weights = published.weights_folder()
    entries = json.loads((weights / "manifest.json").read_text())
    fast = next(entry for entry in entries if entry["name"] == "fast")
    heavy = {**fast, "name": "heavy", "default_on": "", "gmac_720p": 3 * fast["gmac_720p"]}
    for entry in entries:
        (folder / entry["file"]).write_bytes((weights / entry["file"]).read_bytes())
    (folder / "manifest.json").write_text(json.dumps([*entries, heavy]))
    monkeypatch.setattr(published, "weights_folder", lambda: folder)
    return "heavy"
