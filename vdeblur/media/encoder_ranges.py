"""The values that an encoder takes for its quality and its speed, checked before it is opened.

FFmpeg knows most ranges. x264 and x265 get their settings as text, print their own line about a wrong one and say
nothing of what would be right (x264: `x264_preset_names`, `x264_tune_names`; x265: `x265_preset_names`,
`x265_tune_names`; both: crf 0 to 51).
"""

from __future__ import annotations

import re
from typing import Any

import av

from ..errors import UsageError, did_you_mean

_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)
_TUNES = ("psnr", "ssim", "grain", "zerolatency", "fastdecode", "animation")
_NAMES: dict[tuple[str, str], tuple[str, ...]] = {
    ("libx264", "preset"): _PRESETS,
    ("libx265", "preset"): _PRESETS,
    ("libx264", "tune"): ("film", "stillimage", *_TUNES),
    ("libx265", "tune"): _TUNES,
}
_RANGES: dict[tuple[str, str], tuple[float, float]] = {("libx264", "crf"): (0, 51), ("libx265", "crf"): (0, 51)}


CHECKED = ("crf", "cq", "preset", "cpu-used", "tune")
"""Options that are looked at, whichever way they are set."""


def check_value(encoder: str, key: str, value: str, setting: str) -> None:
    """Raise UsageError where the encoder does not take `value` for its option `key`; `setting` is its origin."""
    names, limits = _known(encoder, key)
    if value in names or (key == "tune" and set(re.split("[,./+-]", value)) <= set(names)):  # x264 takes several
        return
    try:
        number = float(value)
    except ValueError:
        number = None
    if number is not None and limits is not None and limits[0] <= number <= limits[1]:
        return
    takes = [f"{limits[0]:g} to {limits[1]:g}"] if limits else []
    takes += [" ".join(names)] if names else []
    if takes:
        message = f"{encoder} takes {' or '.join(takes)} as {key}, not {value}{did_you_mean(value, names)}"
        raise UsageError(message, settings=(setting,))


def _known(encoder: str, key: str) -> tuple[tuple[str, ...], tuple[float, float] | None]:
    """(names, (lowest, highest)) that an option takes; nothing where it takes any text."""
    pair = encoder, key
    if pair in _NAMES or pair in _RANGES:
        return _NAMES.get(pair, ()), _RANGES.get(pair)
    options: Any = av.CodecContext.create(encoder, "w").supported_options.private
    option = next((option for option in options if option.name == key), None)
    if option is None or not option.max > option.min:  # not known, or text
        return (), None
    names = tuple(choice.name for choice in option.choices or ())
    unset = option.min < 0 and float(option.default) == option.min  # a mark for "not set", no value
    return names, (option.min + unset, option.max)
