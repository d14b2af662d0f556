"""Options from a TOML file and from a preset.

In order of precedence: command line, environment, a preset named by either of these, the file, a preset named in the
file or, where none is named anywhere, the default one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..errors import UsageError, did_you_mean, reason_of
from .grammar import Option
from .presets import DEFAULT, find_preset

SAVED_PRESETS = "vdeblur.presets"
BASE_QUALITY = "vdeblur.quality"
"""Keys of a context's `meta`: the [presets.NAME] tables of the file, and the quality that the preset is based on."""


class ConfigOption(Option):
    """`--config FILE`. Eager, since it sets the defaults of the other options before they are parsed.

    Keys are long flags without the leading dashes (`scene-cuts = "off"`); an option that may be repeated takes a value,
    a list, or a table as `encoder-option` does; each preset is a table. Raises UsageError for a file that cannot be
    read, for keys that are not options of the command, and for an unknown preset.
    """

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Read the file, then apply the preset named on the command line, in the environment or in the file, or the
        default one."""
        path, rest = super().handle_parse_result(ctx, opts, args)
        if ctx.resilient_parsing:
            return path, rest
        settings = _read(path) if isinstance(path, str) else {}
        saved = settings.pop("presets", {})
        if not isinstance(saved, dict) or not all(isinstance(table, dict) for table in saved.values()):
            raise UsageError(f'{path}: "presets" must hold one table per preset, as in [presets.archive]')
        ctx.meta[SAVED_PRESETS] = saved
        if ctx.command.name != "presets":  # it lists presets and applies none
            ctx.default_map = _defaults(ctx.command, settings, str(path))
            self._apply_preset(ctx, opts, saved, str(path))
        return path, rest

    def _apply_preset(
        self, ctx: click.Context, opts: Mapping[str, Any], saved: Mapping[str, Mapping[str, Any]], path: str
    ) -> None:
        quality = next((option for option in ctx.command.params if option.name == "quality"), None)
        if quality is None:
            return
        name, source = quality.consume_value(ctx, opts)
        if not isinstance(name, str):
            name, source = DEFAULT, ParameterSource.DEFAULT
        preset = find_preset(name, saved)
        ctx.meta[BASE_QUALITY] = preset.quality
        filled = _defaults(ctx.command, preset.settings, f"{path}, preset {name}")
        given = ctx.default_map or {}
        behind_file = source in (ParameterSource.DEFAULT_MAP, ParameterSource.DEFAULT)
        ctx.default_map = {**filled, **given} if behind_file else {**given, **filled}


def _read(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {reason_of(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error


def _defaults(command: click.Command, settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings of the file as values by parameter name. Raises UsageError for an unknown key."""
    names = {flag.removeprefix("--"): option for option in command.params for flag in option.opts if "--" in flag}
    names.pop("config", None)
    defaults: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in names:
            raise UsageError(f'{where}: unknown key "{key}"{did_you_mean(key, names)}')
        option = names[key]
        if isinstance(option, click.Option) and option.multiple and not isinstance(value, list):
            value = [f"{n}={v}" for n, v in value.items()] if isinstance(value, Mapping) else [value]
        elif isinstance(value, Mapping):
            raise UsageError(f'{where}: "{key}" takes one value, not a table')
        defaults[str(option.name)] = value
    return defaults
