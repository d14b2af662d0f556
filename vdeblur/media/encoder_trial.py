"""Tests whether an encoder works on this machine by encoding a few frames: opening it is not enough for hardware."""

from __future__ import annotations

import os
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext

TRIAL_FRAMES = 3
TRIAL_SIZE = (320, 192)
"""Every hardware encoder takes this size; some refuse smaller ones."""


def gives_packets(encoder: VideoCodecContext) -> bool:
    """Whether a configured encoder returns packets for a few empty frames. Raises what PyAV raises."""
    packets = []
    assert encoder.pix_fmt is not None
    for pts in range(TRIAL_FRAMES):
        frame = av.VideoFrame(encoder.width, encoder.height, encoder.pix_fmt)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts, frame.time_base = pts, encoder.time_base
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return any(packet.size for packet in packets)


def encodes(name: str) -> bool:
    """Whether the encoder of this name works on this machine."""
    os.environ.setdefault("SVT_LOG", "1")  # else SVT-AV1 prints its settings to stderr
    try:
        encoder = av.CodecContext.create(name, "w")
        if not isinstance(encoder, VideoCodecContext):
            return False
        formats = encoder.codec.video_formats or ()
        encoder.pix_fmt = formats[0].name if formats and formats[0].name != "cuda" else "yuv420p"
        encoder.width, encoder.height = TRIAL_SIZE
        encoder.time_base = Fraction(1, 25)
        encoder.options = {"x265-params": "log-level=none"} if name == "libx265" else {}
        return gives_packets(encoder)
    except (av.FFmpegError, ValueError):
        return False
