"""Presets: draft, good and best, and those that people save in a TOML file. `vdeblur presets` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from ..errors import UsageError, did_you_mean
from ..media.quality import STEPS
from . import options
from .console import say_json
from .grammar import command

BUILT_IN: dict[str, dict[str, Any]] = {
    "draft": {"model": "fast", "views": 1},
    "good": {},
    "best": {"model": "quality", "views": 2},
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

    Raises UsageError for a name that there is not.
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


@command(
    examples="""
vdeblur presets
vdeblur input.mp4 --quality best
vdeblur input.mp4 --config presets.toml --quality archive

presets.toml:
[presets.archive]
quality = "best"
codec = "ffv1"
"""
)
@options.as_json
@options.config
@click.pass_context
def presets(ctx: click.Context, as_json: bool) -> None:
    """List the presets that --quality takes, as the options they stand for.

    Any option that is given beside --quality wins over the preset's. --config FILE adds the presets saved there, each a
    table [presets.NAME] of long options without dashes; `quality` in it names the built-in one to start from.
    """
    saved = options.saved_presets(ctx)
    found = [find_preset(name, saved) for name in [*BUILT_IN, *(name for name in saved if name not in BUILT_IN)]]
    if as_json:
        say_json([{"name": p.name, "settings": dict(p.settings), "encoders": STEPS[p.quality]} for p in found])
        return
    width = max(len(preset.name) for preset in found)
    for preset in found:
        click.echo(f"{preset.name:<{width}}  {_spelled(preset.settings) or 'the defaults'}")
        for encoder, step in STEPS[preset.quality].items():
            flags = {"preset" if key == "cpu-used" else key: value for key, value in step.items()}
            click.echo(f"{'':<{width}}  {encoder}: {_spelled(flags)}")


def _spelled(settings: Mapping[str, Any]) -> str:
    """--views 2 --codec ffv1"""
    words = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            words += [f"--{key} {name}={text}" for name, text in value.items()]
        else:
            words.append(f"--{key}" if value is True else f"--{key} {value}")
    return " ".join(words)
