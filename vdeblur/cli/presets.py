"""Presets: the built-in draft, good and best, and those saved in a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import UsageError, did_you_mean

BUILT_IN: dict[str, dict[str, object]] = {
    "draft": {"model": "fast", "views": 1},
    "good": {},
    "best": {"model": "quality"},
}
"""Name -> options of a job; each name is also an encoder quality (`media.quality`)."""

DEFAULT = "good"


@dataclass(frozen=True, slots=True)
class Preset:
    """A named set of options."""

    name: str
    quality: str
    """The preset of `BUILT_IN` that it is based on."""
    settings: Mapping[str, object]
    """All its options, inherited ones included: long flags without dashes -> values as in TOML."""


def find_preset(name: str, saved: Mapping[str, Mapping[str, object]]) -> Preset:
    """The preset of this name, built in or one of the tables in `saved`.

    Raises UsageError for an unknown name.
    """
    if name in saved:
        own = dict(saved[name])
        base = own.pop("quality", DEFAULT)
        if base not in BUILT_IN:
            raise UsageError(f"preset {name}: unknown base {base!r}; choose {', '.join(BUILT_IN)}")
        return Preset(name, base, {**BUILT_IN[base], **own})
    if name in BUILT_IN:
        return Preset(name, name, BUILT_IN[name])
    known = [*BUILT_IN, *saved]
    raise UsageError(f"unknown preset {name!r}{did_you_mean(name, known)}; choose {', '.join(known)}")
