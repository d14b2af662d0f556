"""What is found out about an input: figures for every frame, pictures for some, and what they are worth."""

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
    """Figures of one frame. None where they were not asked for, or the model has no answer."""

    frame: int
    """Counted from 0 at the start of the input; by its nominal frame rate where reading began later (`--at`)."""
    seconds: float
    is_cut: bool
    """Whether a scene starts here, so that nothing was known of a past."""
    is_fallback: bool
    """Whether the network's result was not finite, so that the frame stands as it came."""
    change: float
    """Mean absolute change of luma, 8-bit levels."""
    flow_px: float | None = None
    """Median motion, pixels per frame time."""
    blur_px: float | None = None
    """Length of the blur as seen in the frame alone (`blurriness`)."""
    shares: dict[str, float] | None = None
    """Share of each source in the change, 0..1, in sum 1; None where nothing changed."""
    together: float | None = None
    """Mean size of what only came about by several sources together, over the mean change."""
    gap: float | None = None
    """Largest difference between the change and the sum of its parts at any pixel, 8-bit levels: rounding alone."""
    cell: dict[str, Any] | None = None
    """Means, half-life and saturation; see `cell.CellAtWork`."""
    spread: float | None = None
    """Mean spread over the views, 8-bit levels of luma."""
    spread_95: float | None = None
    """Its 95th percentile."""
    beyond_evidence: float | None = None
    """Share of the pixels whose change is visible but less than twice its own spread."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Pictures of one frame, encoded as WebP, by name."""

    facts: FrameFacts
    before: bytes
    after: bytes
    layers: dict[str, bytes]
    velocity: Field | None
    """At 1/8 scale, pixels per frame time."""


@dataclass(frozen=True, slots=True)
class MotionCalibration:
    """The motion map against the truth, on frames of the footage that were shaken by known exposures."""

    pixels: int
    correlation: float
    """Pearson's, of true and estimated length."""
    median_error_px: float
    """Of the length."""
    median_length_px: float
    """True."""
    direction_degrees: float
    """Median angle between true and estimated motion, where both are at least 1 px."""


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """All that is found out about one input."""

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
    """Fitted share of the frame time that the shutter was open; motion times this is the blur."""
    focus: int | None = None
    """The frame that `check` and `reach` are about."""
    check: Check | None = None
    reach: Reach | None = None
    certainty: Calibration | None = None
    motion: MotionCalibration | None = None
    calibrated_on: str = ""
    """What the two calibrations were measured on; empty where they were not."""
    network: dict[str, Any] = field(default_factory=dict)
    """Its kind, parameters, GMAC and reach."""
    drawing: str = ""
    """It layer by layer, as SVG; empty for a filter."""
    damaged: bool = False
    """The input was not whole."""
    seconds: float = 0.0
    """Wall clock of it all."""

    def to_json(self) -> dict[str, Any]:
        """All figures; the shares' names are those of `sources.SOURCES`."""
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
