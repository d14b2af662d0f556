"""Chroma finer than the network's grid: within an object colours follow luma, so its detail follows the restored luma.

As in a guided filter (He et al., Guided Image Filtering, ECCV 2010) chroma is a linear function of luma around each
pixel. Its slope, a least-squares fit to the frame as it came, times the detail of luma's change is chroma's.
"""

from __future__ import annotations

import cv2
import numpy as np

from .phases import Samples

AROUND = (5, 5)
"""Samples of the network's grid that a slope is fitted to."""
FLAT = (4 / 255) ** 2
"""Variance of luma below which slopes fall towards zero: there they would be those of the noise."""


def chroma_slopes(folded: Samples) -> tuple[Samples, Samples]:
    """Of Cb and of Cr over luma around each sample of a folded frame (1, 6, h, w); two of (h, w)."""
    luma, cb, cr = folded[0, :4].mean(0), folded[0, 4], folded[0, 5]
    mean = cv2.blur(luma, AROUND)
    spread = cv2.blur(luma * luma, AROUND) - mean * mean + np.float32(FLAT)
    first, second = ((cv2.blur(luma * c, AROUND) - mean * cv2.blur(c, AROUND)) / spread for c in (cb, cr))
    return first, second
