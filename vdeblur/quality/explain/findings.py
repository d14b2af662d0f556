"""Findings about an input: figures for every frame, images for some, and their calibration."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .attribution import Check
from .certainty import Calibration
from .motion import Field
from .reach import Reach

FORMAT = "vdeblur-explanation/1"


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """Figures of one frame; None if not requested or not available for the model."""

    frame: int
    """Counted from 0 at the start of the input; estimated from the frame rate if reading started later (`at`)."""
    seconds: float
    is_cut: bool
    """Whether a scene starts here, without a past."""
    is_fallback: bool
    """Whether the network's result was not finite, so that the frame is unchanged."""
    change: float
    """Mean absolute change of luma, 8-bit levels."""
    flow_px: float | None = None
    """Median motion, pixels per frame time."""
    blur_px: float | None = None
    """Length of the blur, estimated from the frame alone (`blurriness`)."""
    shares: dict[str, float] | None = None
    """Share of each source in the change, 0..1, summing to 1; None without a change."""
    together: float | None = None
    """Mean absolute change by interaction of sources, over the mean absolute change."""
    gap: float | None = None
    """Largest difference between the change and the sum of its parts at any pixel, 8-bit levels: rounding errors."""
    cell: dict[str, Any] | None = None
    """Means, half-life and saturation; see `cell.CellAtWork`."""
    spread: float | None = None
    """Mean spread over the views, 8-bit levels of luma."""
    spread_95: float | None = None
    """Its 95th percentile."""
    beyond_evidence: float | None = None
    """Share of pixels whose change is visible but less than twice its spread."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Images of one frame, encoded as WebP, by name."""

    facts: FrameFacts
    before: bytes
    after: bytes
    layers: dict[str, bytes]
    velocity: Field | None
    """At 1/8 scale, pixels per frame time."""


@dataclass(frozen=True, slots=True)
class MotionCalibration:
    """The motion map compared with the truth, on frames of the input shaken by known exposures."""

    pixels: int
    correlation: float
    """Pearson's, between true and estimated length."""
    median_error_px: float
    """Of the length."""
    median_length_px: float
    """True."""
    direction_degrees: float
    """Median angle between true and estimated motion where both are at least 1 px long."""


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """All findings about one input."""

    input: str
    model: str
    model_sha256: str
    """Empty for a classical filter."""
    device: str
    views: int
    size: tuple[int, int]
    """Width and height of the frames, px."""
    frames: list[FrameFacts]
    shown: list[Shown]
    exposure_share: float | None = None
    """Share of the frame time that the shutter was open; the blur is the motion times this."""
    focus: int | None = None
    """The frame that `check` and `reach` are about."""
    check: Check | None = None
    reach: Reach | None = None
    certainty: Calibration | None = None
    motion: MotionCalibration | None = None
    calibrated_on: str = ""
    """The data of the two calibrations; empty without them."""
    network: dict[str, Any] = field(default_factory=dict)
    """Its kind, parameters, GMAC and reach."""
    drawing: str = ""
    """A diagram of its layers as SVG; empty for a filter."""
    damaged: bool = False
    """Whether the input was damaged."""
    seconds: float = 0.0
    """Total wall-clock time."""

    def to_json(self) -> dict[str, Any]:
        """All figures; shares are named by `sources.SOURCES`."""
        reach = self.reach
        return {
            "format": FORMAT,
            "input": self.input,
            "model": self.model,
            "model_sha256": self.model_sha256,
            "device": self.device,
            "precision": "fp32",
            "views": self.views,
            "size": list(self.size),
            "exposure_share": self.exposure_share,
            "focus": self.focus,
            "integrated_gradients": None if self.check is None else asdict(self.check),
            "reach": None
            if reach is None
            else {
                "point": list(reach.point),
                "influence_by_lag": {str(lag): share for lag, share in sorted(reach.influence.items())},
                "half_life_frames": reach.half_life,
                "radius_px": reach.radius,
            },
            "certainty": None if self.certainty is None else asdict(self.certainty),
            "motion": None if self.motion is None else asdict(self.motion),
            "calibrated_on": self.calibrated_on,
            "network": self.network,
            "damaged": self.damaged,
            "seconds": round(self.seconds, 3),
            "frames": [asdict(facts) for facts in self.frames],
        }
