"""The options of each encoder for the qualities draft, good and best. Imports nothing.

"draft" is for a quick look, at 0.35 to 0.5 of the size of "good". "good" looks like the restored frames. "best" leaves
no visible loss, at about twice the size and several times the encoding time of "good". (Sizes on 40 frames of two
clips at 640x360; luma 35 to 41 dB, 41 to 47 dB and 46 to 51 dB from what was encoded.)
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Quality: TypeAlias = Literal["draft", "good", "best"]

STEPS: dict[str, dict[str, dict[str, str]]] = {
    "draft": {
        "libx264": {"crf": "25", "preset": "veryfast"},  # ultrafast is hardly faster and triples the size
        "libx265": {"crf": "26", "preset": "ultrafast"},
        "libvpx-vp9": {"crf": "36", "cpu-used": "8"},
        "libvpx": {"crf": "20", "cpu-used": "8"},
        "libsvtav1": {"crf": "36", "preset": "12"},
    },
    "good": {
        # A restored frame is encoded a second time, and its edges are sharper than the codec last saw them; so each
        # value is a step better than the scale's usual "visually lossless" (x264 documents 17-18 as that, x265 about
        # 20, and VP9 and AV1 reach it near 24 of 63), which keeps the encoder out of the comparison with the source.
        # x264 shares the cores with the network: on two of them "medium" left the line 64 % of the network's own rate,
        # "veryfast" about 80 % (benchmarks/end_to_end.py). At crf 17 that costs up to 6 % in size and 0.7 to 3.1 dB of
        # luma PSNR against the restored frames (three clips of 30 frames: 49.1, 44.8 and 42.7 dB; SSIM 0.992 and more).
        "libx264": {"crf": "17", "preset": "veryfast"},
        "libx265": {"crf": "18", "preset": "medium"},
        "libvpx-vp9": {"crf": "20", "cpu-used": "3"},
        "libvpx": {"crf": "8", "cpu-used": "3"},
        "libsvtav1": {"crf": "20", "preset": "8"},
    },
    "best": {
        "libx264": {"crf": "12", "preset": "medium"},
        "libx265": {"crf": "12", "preset": "slow"},
        "libvpx-vp9": {"crf": "10", "cpu-used": "1"},
        "libvpx": {"crf": "4", "cpu-used": "0"},
        "libsvtav1": {"crf": "10", "preset": "5"},
    },
}
"""Quality -> encoder -> options; encoders that are not listed have no such choice (FFV1 is lossless)."""
