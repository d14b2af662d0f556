"""A codec round trip: what H.264 or H.265 leaves of a clip, with its blocks, ringing and lost grain."""

from __future__ import annotations

import io

import av
import numpy as np
from numpy.typing import NDArray

CRF = (18, 32)
"""From barely visible to plainly so, as cameras and phones' uploads are."""


def compress(rng: np.random.Generator, planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Planar 4:2:0 frames (t, 3/2 h, w) after encoding and decoding by a random codec, quality and speed."""
    codec = "libx264" if rng.random() < 0.6 else "libx265"
    crf = int(rng.integers(CRF[0], CRF[1] + 1))
    preset = str(rng.choice(["ultrafast", "veryfast", "medium"]))
    options = {"preset": preset, "crf": str(crf), "threads": "1"}
    if codec == "libx265":
        options["x265-params"] = "log-level=none:pools=none:frame-threads=1"
    height, width = planes.shape[1] * 2 // 3, planes.shape[2]
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(codec, rate=30, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in planes:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="yuv420p")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as container:
        decoded = np.stack([frame.to_ndarray() for frame in container.decode(video=0)])
    return decoded.astype(np.uint8, copy=False)
