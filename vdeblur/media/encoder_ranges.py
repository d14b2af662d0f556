"""Valid values of encoder options, checked before the encoder is opened.

FFmpeg knows most ranges. x264 and x265 receive their settings as text and do not report which values are valid (x264:
`x264_preset_names`, `x264_tune_names`; x265: `x265_preset_names`, `x265_tune_names`; both: crf 0 to 51).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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
"""Options whose values are checked, however they are set."""


@dataclass(frozen=True, slots=True)
class EncoderOption:
    """A private option of an encoder, and its valid values."""

    name: str
    names: tuple[str, ...]
    """Valid names."""
    limits: tuple[float, float] | None
    """(lowest, highest) valid number; without names and limits, any text is valid."""
    default: str
    """Empty if the encoder chooses."""
    help: str
    """FFmpeg's description."""

    @property
    def valid_values(self) -> str:
        """A description of the valid values; empty for any text."""
        parts = [f"one of {' '.join(self.names)}"] if self.names else []
        if self.limits is not None:
            low, high = self.limits
            parts.insert(0, f"{low:g} to {high:g}" if high < 1e9 else f"{low:g} or more" if low > -1e9 else "a number")
        return " or ".join(parts)

    def accepts(self, value: str) -> bool:
        """Whether a value is valid, as far as known."""
        if self.name == "tune" and self.names:  # x264 takes several
            return set(re.split("[,./+-]", value)) <= set(self.names)
        if value in self.names or not self.valid_values:
            return True
        number = _number(value)
        return number is not None and self.limits is not None and self.limits[0] <= number <= self.limits[1]


def options_of(encoder: str) -> list[EncoderOption]:
    """The private options of an encoder, which must exist (see `check_codec`)."""
    private = av.CodecContext.create(encoder, "w").supported_options.private
    found = []
    for option in private:
        key = encoder, option.name
        names = _NAMES.get(key) or tuple(choice.name for choice in option.choices or ())
        limits = _RANGES.get(key)
        is_unset = option.min < 0 and _number(option.default) == option.min  # the lowest value means "not set"
        if limits is None and option.max > option.min:
            limits = (option.min + is_unset, option.max)
        default = "" if is_unset else str(option.default or "")
        found.append(EncoderOption(option.name, names, limits, default, option.help or ""))
    return found


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def check_value(encoder: str, key: str, value: str, setting: str) -> None:
    """Raise UsageError if `value` is invalid for the encoder's option `key`, which `setting` of `SinkOptions` set."""
    option = next((option for option in options_of(encoder) if option.name == key), None)
    if option is not None and not option.accepts(value):
        message = f"{encoder}: {key} must be {option.valid_values}, not {value}{did_you_mean(value, option.names)}"
        raise UsageError(message, settings=(setting,))
