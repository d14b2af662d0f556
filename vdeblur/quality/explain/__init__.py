"""`explain`: what a network changed in an input, and why, as a page, images or JSON.

Per frame: motion blur, the contribution of each source (this frame, the frames before and after, the carried state),
the gates of the recurrent cell, and the spread over symmetric views. For one frame: integrated gradients compared with
the ablation, and the influence of pixels and past frames on a point. The maps are calibrated on pairs with a known
truth.
"""

from __future__ import annotations

from .explanation import Explanation
from .findings import FrameFacts
from .options import ExplainOptions
from .run import explain

__all__ = ["ExplainOptions", "Explanation", "FrameFacts", "explain"]
