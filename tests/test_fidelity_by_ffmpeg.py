"""Samples judged by FFmpeg alone: raw bytes go in and must come out, and no code of ours packs or unpacks them here."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from support.cases import LAYOUTS
from vdeblur.frames import Layout
from vdeblur.media.options import SinkOptions
from vdeblur.media.sinks import open_sink
from vdeblur.media.sources import open_source

COUNT = 3
WIDTH, HEIGHT = 40, 27
PIX_FMTS = {
    "420 8 bit": "yuv420p",
    "420 10 bit": "yuv420p10le",
    "420 12 bit": "yuv420p12le",
    "422 8 bit": "yuv422p",
    "422 10 bit": "yuv422p10le",
    "422 12 bit": "yuv422p12le",
    "444 8 bit": "yuv444p",
    "444 10 bit": "yuv444p10le",
    "444 12 bit": "yuv444p12le",
    "440": "yuv440p",
    "411": "yuv411p",
    "16 bit": "yuv444p16le",
    "grey": "gray",
    "grey 10 bit": "gray10le",
    "rgb": "gbrp",
    "rgb 10 bit": "gbrp10le",
    "rgb 16 bit": "gbrp16le",
    "rgb with alpha": "gbrap",
    "yuv with alpha": "yuva420p",
    "yuv 10 bit with alpha": "yuva444p10le",
}
"""FFmpeg's name of each layout."""


def raw_frames(layout: Layout) -> list[bytes]:
    """Noise in every bit of the layout, as FFmpeg's rawvideo has it: plane after plane, without padding."""
    rng = np.random.default_rng(0)
    right, down = layout.chroma_shift
    chroma = -(-WIDTH >> right) * -(-HEIGHT >> down) if layout.model == "yuv" else WIDTH * HEIGHT
    samples = WIDTH * HEIGHT * (1 + layout.alpha) + (0 if layout.model == "gray" else 2 * chroma)
    kind = "u1" if layout.bits == 8 else "<u2"
    return [rng.integers(0, 1 << layout.bits, samples).astype(kind).tobytes() for _ in range(COUNT)]


def encode(path: Path, pix_fmt: str, frames: list[bytes]) -> None:
    """Raw frames into the first lossless codec that holds their format, by FFmpeg."""
    holds = {name: [f.name for f in av.Codec(name, "w").video_formats or ()] for name in ("ffv1", "ffvhuff")}
    raw = av.CodecContext.create("rawvideo", "r")
    raw.width, raw.height, raw.pix_fmt = WIDTH, HEIGHT, pix_fmt
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream(next(name for name, formats in holds.items() if pix_fmt in formats), rate=25)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, pix_fmt
        for index, data in enumerate(frames):
            (frame,) = raw.decode(av.Packet(data))
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def decode(path: Path, pix_fmt: str) -> list[bytes]:
    """The raw frames of a video, by FFmpeg, which reorders packed samples where the format is another."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        raw = av.CodecContext.create("rawvideo", "w")
        raw.width, raw.height, raw.pix_fmt, raw.time_base = WIDTH, HEIGHT, pix_fmt, Fraction(1, 25)
        frames = (frame.reformat(format=pix_fmt) for frame in container.decode(video))
        return [bytes(packet) for frame in frames for packet in raw.encode(frame)]


def pass_through(source_path: Path, sink_path: Path) -> list[list[bytes]]:
    """Copy every plane of every frame into planes of its own, as a restorer does; what the planes held."""
    held = []
    with open_source(str(source_path)) as source, open_sink(str(sink_path), source, SinkOptions(codec="ffv1")) as sink:
        for frame in source:
            sink.write(replace(frame, planes=tuple(plane.copy() for plane in frame.planes)))
            held.append([plane.tobytes() for plane in frame.planes])
    return held


@pytest.mark.parametrize("name", PIX_FMTS)
def test_samples_of_every_layout(tmp_path: Path, name: str) -> None:
    layout, pix_fmt, raw = LAYOUTS[name], PIX_FMTS[name], raw_frames(LAYOUTS[name])
    encode(tmp_path / "in.nut", pix_fmt, raw)
    assert decode(tmp_path / "in.nut", pix_fmt) == raw  # FFmpeg agrees with itself
    held = pass_through(tmp_path / "in.nut", tmp_path / "out.mkv")
    in_ffmpegs_order = [[p[1], p[2], p[0], *p[3:]] for p in held] if layout.model == "rgb" else held
    assert [b"".join(planes) for planes in in_ffmpegs_order] == raw
    assert decode(tmp_path / "out.mkv", pix_fmt) == raw


def test_no_layout_is_left_out() -> None:
    assert PIX_FMTS.keys() == LAYOUTS.keys()


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("name", ["420 8 bit", "422 10 bit", "rgb 16 bit", "yuv with alpha"])
def test_the_program_ffmpeg_agrees(tmp_path: Path, name: str) -> None:
    """Another build of FFmpeg than the one within PyAV."""
    pix_fmt, raw = PIX_FMTS[name], raw_frames(LAYOUTS[name])
    encode(tmp_path / "in.nut", pix_fmt, raw)
    pass_through(tmp_path / "in.nut", tmp_path / "out.mkv")
    command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "out.mkv"), "-pix_fmt", pix_fmt, "-f", "framemd5", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    sums = [line.rpartition(",")[2].strip() for line in said.splitlines() if not line.startswith("#")]
    assert sums == [hashlib.md5(data, usedforsecurity=False).hexdigest() for data in raw]
