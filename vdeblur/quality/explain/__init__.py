"""What a network saw, and why it did what it did: `explain` an input, and write the answer as a page, pictures or JSON.

Per frame: its motion blur, what each source (this frame, the ones before and after, the carried state) added to the
change, the recurrent cell's gates, and how far symmetric views of the frame agree. For one frame: integrated
gradients beside the ablation, and the pixels and past frames that moved a point. Each map is calibrated on pairs with
a known truth.
"""

from __future__ import annotations

from .explanation import Explanation
from .findings import FrameFacts
from .options import ExplainOptions
from .run import explain

__all__ = ["ExplainOptions", "Explanation", "FrameFacts", "explain"]
