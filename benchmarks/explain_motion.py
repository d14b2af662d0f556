"""How right the motion map of `vdeblur explain` is, and the fit of the exposure's share that it rests on.

    python benchmarks/explain_motion.py PHOTOGRAPHS

Photographs (a folder) are halved and shaken by known exposures, two clips each. Printed are the least-squares slope and
offset of the share over the ratio of blur to flow, and how estimated and true lengths compare with each photograph left
out of the fit in its turn, with the share that stands in the code, and with one share for all.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from vdeblur.backends.flow import flow_between
from vdeblur.blurriness import blur_length
from vdeblur.quality.explain.calibration import against_truth, rgb_frame
from vdeblur.quality.explain.known import KnownClip, halved, shaken
from vdeblur.quality.explain.motion import LEAST_SHARE, MOST_SHARE, SHARE, Field, length

MOST_SIZE = 480
"""Pixels a side of the halved photographs, from their middle."""


def clips_of(folder: Path) -> list[tuple[int, KnownClip]]:
    """(number of the photograph, a clip of it)."""
    found = []
    for number, file in enumerate(sorted(folder.iterdir())):
        picture = cv2.imread(str(file))
        if picture is None:
            continue
        (half,) = halved([np.asarray(picture[..., ::-1], np.uint8)])
        height, width = (min(side, MOST_SIZE) for side in half.shape[:2])
        top, left = (half.shape[0] - height) // 2, (half.shape[1] - width) // 2
        middle = half[top : top + height, left : left + width]
        found += [(number, shaken(np.random.default_rng([number, take]), middle)) for take in range(2)]
    return found


def velocities(clip: KnownClip) -> list[Field]:
    """Pixels per frame time at half scale, of the frames that have both neighbours."""
    lumas = [np.asarray(cv2.cvtColor(half, cv2.COLOR_RGB2GRAY), np.uint8) for half in halved(clip.blurred)]
    pairs = (
        (flow_between(lumas[i], lumas[i - 1]), flow_between(lumas[i], lumas[i + 1])) for i in range(1, len(lumas) - 1)
    )
    return [np.asarray((to_future - to_past).transpose(1, 2, 0), np.float32) for to_past, to_future in pairs]


def main() -> None:
    """Render, fit and compare."""
    clips = clips_of(Path(sys.argv[1]))
    fields = [velocities(clip) for _, clip in clips]
    true = [[motion[::2, ::2] for motion in clip.motion[1:-1]] for _, clip in clips]
    ratios = []
    for (_, clip), velocity in zip(clips, fields, strict=True):
        blurs = [blur_length(rgb_frame(picture, 0)) for picture in clip.blurred[1:-1]]
        flows = [max(float(np.median(length(field))), 0.5) for field in velocity]
        ratios.append(min(float(np.median([b / f for b, f in zip(blurs, flows, strict=True)])), 2.0))
    ratio, share = np.array(ratios), np.array([clip.exposure for _, clip in clips])
    numbers = np.array([number for number, _ in clips])
    print(
        f"{len(clips)} clips; slope and offset of the fit: {np.polyfit(ratio, share, 1).round(3)}, in the code: {SHARE}"
    )

    def compare(name: str, shares: list[float]) -> None:
        estimated = [np.float32(s) * field for s, own in zip(shares, fields, strict=True) for field in own]
        found = against_truth(estimated, [motion for own in true for motion in own])
        print(
            f"{name:<26} correlation {found.correlation:.3f}, median error {found.median_error_px:.2f} px at a median "
            f"length of {found.median_length_px:.2f} px, {found.direction_degrees:.1f} degrees"
        )

    left_out = []
    for number, own in zip(numbers, ratio, strict=True):
        slope, offset = np.polyfit(ratio[numbers != number], share[numbers != number], 1)
        left_out.append(float(np.clip(slope * own + offset, LEAST_SHARE, MOST_SHARE)))
    compare("fitted on the others", left_out)
    compare("as in the code", [float(np.clip(SHARE[0] * r + SHARE[1], LEAST_SHARE, MOST_SHARE)) for r in ratio])
    compare("one share for all", [float(share.mean())] * len(clips))
    compare("the true share", list(share))


if __name__ == "__main__":
    main()
