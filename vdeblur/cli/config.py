"""A TOML file that fills the options of a command."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..errors import UsageError, did_you_mean


def load_config(ctx: click.Context, param: click.Parameter, path: str | None) -> str | None:
    """Fill the options of a command from a TOML file; command line and environment come first. A click callback.

    Keys are the long flags without dashes in front (`scene-cuts = "off"`); `encoder-option` is a table.

    Raises UsageError for a file that cannot be read and for keys that are no options of the command.
    """
    if path is None:
        return None
    try:
        settings = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as a configuration: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    names = {flag.removeprefix("--"): option for option in ctx.command.params for flag in option.opts if "--" in flag}
    names.pop("config", None)
    defaults: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in names:
            raise UsageError(f'{path}: unknown key "{key}"{did_you_mean(key, names)}')
        option = names[key]
        if isinstance(option, click.Option) and option.multiple and isinstance(value, Mapping):
            value = [f"{name}={setting}" for name, setting in value.items()]
        elif isinstance(value, Mapping):
            raise UsageError(f'{path}: "{key}" takes one value, not a table')
        defaults[str(option.name)] = value
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
    return path
