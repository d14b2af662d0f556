"""Presets: draft, good and best, and those that people save in a TOML file. `vdeblur presets` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError, did_you_mean

BUILT_IN: dict[str, dict[str, Any]] = {
    "draft": {"model": "fast", "views": 1},
    "good": {},
    "best": {"model": "quality"},
}
"""Name -> options of jobs; each of them is also a quality of encoders (`media.quality`)."""

DEFAULT = "good"


@dataclass(frozen=True, slots=True)
class Preset:
    """A named set of options."""

    name: str
    quality: str
    """One of `BUILT_IN`, which it starts from."""
    settings: Mapping[str, Any]
    """Options, its own and those that it starts from: long flags without dashes -> values as TOML has them."""


def find_preset(name: str, saved: Mapping[str, Mapping[str, Any]]) -> Preset:
    """The preset of this name; `saved` are the tables of a configuration, which may be based on a built-in one.

    Raises UsageError for an unknown name.
    """
    if name in saved:
        own = dict(saved[name])
        base = own.pop("quality", DEFAULT)
        if base not in BUILT_IN:
            raise UsageError(f"preset {name}: starts from {base!r}; it can start from {', '.join(BUILT_IN)}")
        return Preset(name, base, {**BUILT_IN[base], **own})
    if name in BUILT_IN:
        return Preset(name, name, BUILT_IN[name])
    known = [*BUILT_IN, *saved]
    raise UsageError(f"unknown preset {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}")
