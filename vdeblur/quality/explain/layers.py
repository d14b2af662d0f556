"""The layers of the page: their names, legends, and what they can and cannot show."""

from __future__ import annotations

from dataclasses import dataclass

from .sources import AFTER, BEFORE, STATE, THIS


@dataclass(frozen=True, slots=True)
class PageLayer:
    """A map to overlay on the frame."""

    name: str
    """A key of `Shown.layers`, or "motion", which is drawn when the page is written."""
    label: str
    group: str
    legend: str
    """"wheel", "sources", "mark", or the labels of both ends of the colour scale, separated by |."""
    says: str
    """What it shows and does not show, in one sentence."""


CELL_SAYS = (
    "Mean over the channels of the cell at 1/8 scale; channels may disagree, and a gate has no meaning by itself."
)

LAYERS = (
    PageLayer(
        "motion",
        "Motion",
        "Blur",
        "wheel",
        "Optical flow times the fitted exposure: how the content of a pixel moved while the shutter was open.",
    ),
    PageLayer(
        "change", "Change", "Result", "none|24 levels", "How much luma was changed; not whether the change is correct."
    ),
    PageLayer(
        "sources",
        "Sources",
        "Result",
        "sources",
        "Which sources the change depends on: the colours of the main ones, as strong as the change.",
    ),
    *(
        PageLayer(
            source,
            source.capitalize(),
            "Result",
            "none|24 levels",
            f"The part of the change that is due to the {source}.",
        )
        for source in (THIS, BEFORE, AFTER, STATE)
    ),
    PageLayer(
        "uncertainty",
        "Uncertainty",
        "Certainty",
        "none|12 levels",
        "Spread of the results over rotated and mirrored views: high means doubtful, low proves nothing.",
    ),
    PageLayer(
        "beyond the evidence",
        "Beyond evidence",
        "Certainty",
        "mark",
        "Visible changes of less than twice their spread: another view might not have made them.",
    ),
    PageLayer("i", "Input gate i", "Cell", "0|1", CELL_SAYS),
    PageLayer("f", "Forget gate f", "Cell", "0|1", CELL_SAYS),
    PageLayer("o", "Output gate o", "Cell", "0|1", CELL_SAYS),
    PageLayer("g", "Candidate |g|", "Cell", "0|1", CELL_SAYS),
    PageLayer("c", "Cell |c|", "Cell", "0|1", CELL_SAYS),
)
