"""A training run's settings from a TOML file: the fields of TrainConfig, with tables for the model and the blur."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from ..errors import UsageError, did_you_mean
from ..models import MODELS
from .config import TrainConfig


def read_recipe(path: str | Path | None, **given: Any) -> TrainConfig:
    """The settings of a TOML file under those that are `given`; without a file, the defaults.

    Raises UsageError for a file that cannot be read, for unknown keys, and for values that cannot be.
    """
    table: dict[str, Any] = {}
    if path is not None:
        try:
            table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: cannot be read as a training configuration: {error}") from error
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{path}: not valid TOML: {error}") from error
    where = str(path) if path is not None else "training settings"
    kind = table.get("kind", TrainConfig.kind)
    if kind not in MODELS:
        raise UsageError(
            f'{where}: unknown kind "{kind}"{did_you_mean(str(kind), MODELS)} (kinds: {", ".join(MODELS)})'
        )
    settings = _fill(TrainConfig, table, where, "")
    _fill(MODELS[kind][1], settings.get("model", {}), where, "model.")
    try:
        return TrainConfig(**(settings | given))
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _fill(config: Any, table: Mapping[str, Any], where: str, prefix: str) -> dict[str, Any]:
    """`table` as keyword arguments of a dataclass, every key known and every value of its field's type."""
    types = get_type_hints(config)
    known = [field.name for field in fields(config)]
    for key in table:
        if key not in known:
            raise UsageError(f'{where}: unknown key "{prefix}{key}"{did_you_mean(key, known)}')
    return {key: _value(types[key], value, where, prefix + key) for key, value in table.items()}


def _value(wanted: Any, value: Any, where: str, key: str) -> Any:
    if is_dataclass(wanted) and isinstance(value, dict):
        return wanted(**_fill(wanted, value, where, key + "."))  # type: ignore[operator]
    if get_origin(wanted) is dict and isinstance(value, dict):
        return value
    if get_origin(wanted) is tuple and isinstance(value, list):
        item, *rest = get_args(wanted)
        if rest == [...] or len(value) == 1 + len(rest):
            return tuple(_value(item, entry, where, key) for entry in value)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is wanted:
        return value
    what = getattr(wanted, "__name__", "") if get_origin(wanted) is None else str(wanted)
    raise UsageError(f'{where}: "{key}" is {value!r}, but must be of type {what}')
