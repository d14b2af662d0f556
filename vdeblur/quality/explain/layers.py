"""The layers of the page: what each one is called, which colours it has, and what it can and cannot prove."""

from __future__ import annotations

from dataclasses import dataclass

from .sources import AFTER, BEFORE, STATE, THIS


@dataclass(frozen=True, slots=True)
class PageLayer:
    """One map that can be laid over the frame."""

    name: str
    """As in `Shown.layers`; "motion" is drawn when the page is written."""
    label: str
    group: str
    legend: str
    """"wheel", "sources", "mark", or the words at the two ends of the glow, parted by a bar."""
    says: str
    """What it shows and what not, one sentence."""


CELL_SAYS = (
    "Mean over the cell's channels at 1/8 scale; channels may well disagree, and no gate has a meaning of its own."
)

LAYERS = (
    PageLayer(
        "motion",
        "Motion",
        "The blur",
        "wheel",
        "Optical flow times the fitted exposure: where a pixel's content went while the shutter was open.",
    ),
    PageLayer("change", "Change", "The answer", "none|24 levels", "How much luma was changed; not whether rightly so."),
    PageLayer(
        "sources",
        "Sources",
        "The answer",
        "sources",
        "Whose absence would have changed the answer: the colours of those that weigh most, as strong as the change.",
    ),
    *(
        PageLayer(
            source, source.capitalize(), "The answer", "none|24 levels", f"The part of the change owed to the {source}."
        )
        for source in (THIS, BEFORE, AFTER, STATE)
    ),
    PageLayer(
        "uncertainty",
        "Uncertainty",
        "Certainty",
        "none|12 levels",
        "Spread of the answers over turned and mirrored views: high is doubtful, low is no proof.",
    ),
    PageLayer(
        "beyond the evidence",
        "Beyond evidence",
        "Certainty",
        "mark",
        "Visible changes of less than twice their own spread: another view might not have made them.",
    ),
    PageLayer("i", "Input gate i", "The cell", "0|1", CELL_SAYS),
    PageLayer("f", "Forget gate f", "The cell", "0|1", CELL_SAYS),
    PageLayer("o", "Output gate o", "The cell", "0|1", CELL_SAYS),
    PageLayer("g", "Candidate |g|", "The cell", "0|1", CELL_SAYS),
    PageLayer("c", "Cell |c|", "The cell", "0|1", CELL_SAYS),
)
