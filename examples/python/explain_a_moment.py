"""Why a moment looks as it does after restoring: figures in the terminal, and a page to look at.

python examples/python/explain_a_moment.py INPUT SECONDS PAGE.html
"""

from __future__ import annotations

import sys

import vdeblur


def main(source: str, seconds: str, page: str) -> None:
    """Explain the frame shown at a time, and those about it, into a page with a few of them as images."""
    try:
        found = vdeblur.explain(source, "fast", vdeblur.ExplainOptions(at=float(seconds), most_shown=3))
        found.write_page(page)
    except vdeblur.VdeblurError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    facts = next(facts for facts in found.frames if facts.frame == found.focus)
    print(f"frame {facts.frame} at {facts.seconds:.3f} s: luma changed by {facts.change:.2f} levels in the mean")
    for source_of_change, share in (facts.shares or {}).items():
        print(f"  {share:6.1%} from the {source_of_change}")
    if facts.spread is not None and found.certainty is not None:
        print(f"  spread over the views {facts.spread:.2f} levels; its rank correlation with the true error, on frames")
        print(f"  of this clip that were blurred on purpose, is {found.certainty.rank_correlation:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
