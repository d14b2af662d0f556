"""What a browser may choose for a video: model, strength, codec, quality and the part to restore. All checked here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..backends.published import published
from ..errors import UsageError
from ..frames import StreamInfo
from ..loading import ModelOptions, unknown_model
from ..media.options import SinkOptions, SourceOptions
from ..restorers.classical import CLASSICAL

CODECS = {
    "h264": "H.264 (plays everywhere)",
    "hevc": "H.265 (smaller, keeps 10 bit)",
    "av1": "AV1 (smallest, keeps 10 bit)",
}
"""What `Settings.codec` may be, in words."""

QUALITIES = {"small": "Small file", "good": "Good", "best": "Best"}
"""What `Settings.quality` may be, in words."""

_ENCODERS = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}
_CRF: dict[str, dict[str, float | None]] = {
    "h264": {"small": 24, "good": None, "best": 12},
    "hevc": {"small": 26, "good": None, "best": 13},
    "av1": {"small": 38, "good": None, "best": 12},
}
"""None is the encoder's default of `media.encoders`."""
_PRESETS = {"h264": None, "hevc": "fast", "av1": None}


@dataclass(frozen=True, slots=True)
class Settings:
    """How one video is restored."""

    model: str
    """A name of `Choices.models`; a path from outside is never opened."""
    strength: float = 1.0
    """0 (the input) to 1 (the result)."""
    codec: str = "h264"
    """A key of CODECS."""
    quality: str = "good"
    """A key of QUALITIES."""
    start_seconds: float | None = None
    """Leave out what comes before, counted from the start of the file; None: nothing."""
    end_seconds: float | None = None
    """Leave out what comes after; None: nothing."""

    def to_json(self) -> dict[str, Any]:
        """As the page sends them and is told them."""
        return asdict(self)

    @property
    def source(self) -> SourceOptions:
        """The part to read."""
        return SourceOptions(start_seconds=self.start_seconds, end_seconds=self.end_seconds)

    def sink(self, info: StreamInfo) -> SinkOptions:
        """How to write MP4 for such a stream; H.264 is kept to what every browser plays, 8 bit 4:2:0."""
        even = info.width % 2 == 0 and info.height % 2 == 0
        pix_fmt = ("yuv420p" if even else "yuv444p") if self.codec == "h264" else None
        return SinkOptions(
            codec=_ENCODERS[self.codec],
            crf=_CRF[self.codec][self.quality],
            preset=_PRESETS[self.codec],
            pix_fmt=pix_fmt,
            overwrite=True,
        )


@dataclass(frozen=True, slots=True)
class Choices:
    """What this server offers."""

    models: Mapping[str, str]
    """Name -> kind, in words."""
    model: str
    """Used where none is chosen."""

    @classmethod
    def of(cls, options: ModelOptions) -> Choices:
        """The published models and the classical filters; the one that the server was started with first.

        Takes seconds where the device has to be looked for. Raises what `ModelOptions.named` raises.
        """
        networks = {entry.name: "Networks" for entry in published()}
        known = networks | dict.fromkeys(CLASSICAL, "Classical filters")
        first = options.named().name or ""
        return cls({first: known.get(first, "Models of your own")} | known, first)

    def settings(self, given: Mapping[str, object], before: Settings | None = None) -> Settings:
        """Settings from outside; what is missing or None is as `before`, or the default.

        Raises UsageError for what cannot be.
        """
        standing: dict[str, Any] = before.to_json() if before else {"model": self.model}
        wanted = standing | {key: value for key, value in given.items() if value not in (None, "")}
        for edge in ("start_seconds", "end_seconds"):
            if edge in given and given[edge] is None:  # the whole video again
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
            raise UsageError("the end of the part must come after its start")
        return settings

    def checked_model(self, name: object) -> str:
        """A model that is offered; the first one where none is named. Raises UsageError."""
        if name is None or name == "":
            return self.model
        return _one_of(self.models, name, "model")


def check_model(name: str) -> None:
    """Raise ModelError for a name that is no model's; a file is read when it is used."""
    known = {*CLASSICAL, *(entry.name for entry in published())}
    if name not in known and not name.endswith(".safetensors"):
        raise unknown_model(name)


def checked_strength(value: object) -> float:
    """A strength 0..1; 1 where none is given. Raises UsageError."""
    strength = _number(value, "strength")
    if strength is None:
        return 1.0
    if not 0 <= strength <= 1:
        raise UsageError("strength: must lie between 0 and 1")
    return strength


def checked_seconds(value: object) -> float | None:
    """A time from the start of a video; None where none is given. Raises UsageError."""
    return _seconds(value, "time")


def _seconds(value: object, name: str) -> float | None:
    seconds = _number(value, name)
    if seconds is not None and not 0 <= seconds < 1e7:  # NaN is neither
        raise UsageError(f"{name}: must be seconds from the start of the video")
    return seconds


def _number(value: object, name: str) -> float | None:
    if value is None or value == "":
        return None
    try:
        return float(str(value))
    except ValueError:
        raise UsageError(f"{name}: not a number") from None


def _one_of(known: Mapping[str, str], value: object, name: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise UsageError(f"unknown {name}")
    return value
