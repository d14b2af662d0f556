"""The settings of a video that a browser may choose, and their validation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from ..backends.published import published
from ..errors import UsageError, did_you_mean
from ..frames import StreamInfo
from ..loading import ModelOptions
from ..media.options import SinkOptions, SourceOptions
from ..media.quality import Quality
from ..restorers.classical import CLASSICAL

CODECS = {
    "h264": "H.264 (plays everywhere)",
    "hevc": "H.265 (smaller, keeps 10 bit)",
    "av1": "AV1 (smallest, keeps 10 bit)",
}
"""Values of `Settings.codec`, with labels."""

QUALITIES: dict[Quality, str] = {"draft": "Small file", "good": "Good", "best": "Best"}
"""Values of `Settings.quality`, with labels."""

_QUALITIES_BEFORE: dict[str, Quality] = {"small": "draft"}
"""Names in the queues of 0.1.0."""

Key = TypeVar("Key", bound=str)


@dataclass(frozen=True, slots=True)
class Settings:
    """How one video is restored."""

    model: str
    """A name of `Choices.models`; paths from the browser are never opened."""
    strength: float = 1.0
    """0 (the input) to 1 (the result)."""
    codec: str = "h264"
    """A key of CODECS."""
    quality: Quality = "good"
    start_seconds: float | None = None
    """Start of the part to restore, counted from the start of the file; None: the start of the file."""
    end_seconds: float | None = None
    """End of the part to restore; None: the end of the file."""

    def to_json(self) -> dict[str, object]:
        """As exchanged with the page, and as stored."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Settings:
        """Stored settings. Raises TypeError for what are none."""
        return cls(**{**record, "quality": _QUALITIES_BEFORE.get(record["quality"], record["quality"])})

    @property
    def source(self) -> SourceOptions:
        """The part to read."""
        return SourceOptions(start_seconds=self.start_seconds, end_seconds=self.end_seconds)

    def sink(self, info: StreamInfo) -> SinkOptions:
        """Options for an MP4 of such a stream; H.264 is 8 bit 4:2:0, which every browser plays."""
        even = info.width % 2 == 0 and info.height % 2 == 0
        pix_fmt = ("yuv420p" if even else "yuv444p") if self.codec == "h264" else None
        return SinkOptions(codec=self.codec, quality=self.quality, pix_fmt=pix_fmt, overwrite=True)


@dataclass(frozen=True, slots=True)
class Choices:
    """The models that this server offers."""

    models: Mapping[str, str]
    """Name -> group, as a label."""
    model: str
    """The default model."""

    @classmethod
    def of(cls, options: ModelOptions) -> Choices:
        """The server's own model first, then the published models and the classical filters.

        Takes seconds if the device must be detected. Raises what `ModelOptions.named` raises.
        """
        networks = {entry.name: "Networks" for entry in published() if entry.comes_in(options.precision)}
        known = networks | dict.fromkeys(CLASSICAL, "Classical filters")
        first = options.named().name or ""
        return cls({first: known.get(first, "Custom models")} | known, first)

    def settings(self, given: Mapping[str, object], before: Settings | None = None) -> Settings:
        """Settings from a request; missing or None values are as in `before`, or the defaults.

        Raises UsageError for unknown and invalid settings.
        """
        check_names(given, [field.name for field in fields(Settings)])
        base: dict[str, object] = before.to_json() if before else {"model": self.model}
        wanted = base | {key: value for key, value in given.items() if value not in (None, "")}
        for edge in ("start_seconds", "end_seconds"):
            if edge in given and given[edge] is None:  # None resets to the whole video
                wanted[edge] = None
        settings = Settings(
            model=self.checked_model(wanted["model"]),
            strength=checked_strength(wanted.get("strength")),
            codec=_one_of(CODECS, wanted.get("codec", "h264"), "codec"),
            quality=_one_of(QUALITIES, wanted.get("quality", "good"), "quality"),
            start_seconds=_seconds(wanted.get("start_seconds"), "start"),
            end_seconds=_seconds(wanted.get("end_seconds"), "end"),
        )
        if settings.end_seconds is not None and settings.end_seconds <= (settings.start_seconds or 0):
            raise UsageError("end: must lie after the start")
        return settings

    def checked_model(self, name: object) -> str:
        """A model on offer; the default if `name` is empty. Raises UsageError."""
        if name is None or name == "":
            return self.model
        return _one_of(self.models, name, "model")


def check_names(given: Iterable[str], known: Collection[str]) -> None:
    """Raise UsageError if a request has a setting that is not known there, such as a mistyped one."""
    for name in given:
        if name not in known:
            raise UsageError(f'unknown setting "{name}"{did_you_mean(name, known)} (settings: {", ".join(known)})')


def checked_strength(value: object) -> float:
    """A strength 0..1; 1 if `value` is empty. Raises UsageError."""
    strength = _number(value, "strength")
    if strength is None:
        return 1.0
    if not 0 <= strength <= 1:
        raise UsageError("strength: must be between 0 and 1")
    return strength


def checked_seconds(value: object) -> float | None:
    """A time from the start of a video; None if `value` is empty. Raises UsageError."""
    return _seconds(value, "time")


def _seconds(value: object, name: str) -> float | None:
    seconds = _number(value, name)
    if seconds is not None and not 0 <= seconds < 1e7:  # NaN fails both
        raise UsageError(f"{name}: must be seconds from the start of the video")
    return seconds


def _number(value: object, name: str) -> float | None:
    if value is None or value == "":
        return None
    try:
        return float(str(value))
    except ValueError:
        raise UsageError(f"{name}: not a number") from None


def _one_of(known: Mapping[Key, str], value: object, name: str) -> Key:
    found = next((key for key in known if key == value), None)
    if found is None:
        raise UsageError(f"unknown {name}")
    return found
