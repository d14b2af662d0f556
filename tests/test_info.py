"""`vdeblur info` in words that people know."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from support.commands import run
from support.videos import footage
from vdeblur.frames import Color
from vdeblur.media.color_names import long_color_text


def tagged(
    path: Path, tags: tuple[int, int, int], *, full_range: bool = False, shape: Fraction = Fraction(1), bits: int = 8
) -> Path:
    """A file of five frames with primaries, transfer and matrix of H.273, stereo sound, a time code and a title."""
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Harbour\nat dawn"
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p" if bits == 8 else "yuv420p10le"
        video.metadata["timecode"] = "10:20:30:04"
        context = video.codec_context
        context.color_primaries, context.color_trc, context.colorspace = tags
        context.color_range = 2 if full_range else 1
        context.sample_aspect_ratio = shape
        sound = container.add_stream("aac", rate=48000, layout="stereo")
        for index in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * index, np.uint8), format="rgb24")
            frame.pts = index
            container.mux(video.encode(frame.reformat(format=video.pix_fmt)))
        container.mux(video.encode(None))
        for index in range(10):
            silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            silence.sample_rate, silence.pts = 48000, index * 1024
            container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    return path


@pytest.mark.parametrize(
    ("tags", "full_range", "said"),
    [
        ((1, 1, 1), False, "colour    BT.709, limited range"),
        ((1, 1, 1), True, "colour    BT.709, full range"),
        ((2, 2, 2), False, "colour    unspecified (taken for BT.601), "),
        ((9, 16, 9), False, "colour    HDR (PQ): primaries BT.2020, transfer PQ (SMPTE ST 2084), matrix BT.2020"),
        ((9, 18, 9), False, "colour    HDR (HLG): primaries BT.2020, transfer HLG (ARIB STD-B67), matrix BT.2020"),
        ((12, 13, 5), True, "colour    primaries Display P3, transfer sRGB, matrix BT.601 (625 lines), full range"),
    ],
)
def test_colour_tags_are_reported_by_name(
    tmp_path: Path, tags: tuple[int, int, int], full_range: bool, said: str
) -> None:
    path = tagged(tmp_path / "in.mp4", tags, full_range=full_range)
    text = run("info", path).stdout
    assert said in text
    assert "matrix 1" not in text


def test_every_code_point_has_a_name_and_untagged_frames_are_classified_by_height() -> None:
    for code in range(256):
        assert long_color_text(Color(code, code, code, True), 480).endswith("full range")
    assert "taken for BT.709" in long_color_text(Color(), 720)
    assert "taken for BT.601" in long_color_text(Color(), 576)


def test_info_lists_the_file_its_streams_and_its_tags(tmp_path: Path) -> None:
    path = tagged(tmp_path / "in.mov", (1, 1, 1), shape=Fraction(4, 3), bits=10)
    text = run("info", path).stdout
    size = f"{max(round(path.stat().st_size / 1000), 1)} kB"
    for said in (
        "h264 64x48, 25 fps, 0.200 s, about 5 frames",
        f"file      QuickTime / MOV, {size}, ",
        "samples   YCbCr 4:2:0, 10 bit",
        "shape     pixels 4:3, shown as 85x48",
        "audio aac, 48 kHz, stereo, ",
        "time code 10:20:30:04",
        "tag       title: Harbour at dawn",
    ):
        assert said in text
    assert "data ?" not in text
    found = json.loads(run("info", path, "--json").stdout)
    assert found["size_bytes"] == path.stat().st_size
    assert found["metadata"]["title"] == "Harbour\nat dawn"
    assert found["bit_rate"] > 0


def test_square_pixels_are_called_so_and_images_have_a_size(tmp_path: Path) -> None:
    clip = footage(tmp_path / "in.mp4", frames=3)
    assert "square pixels" in run("info", clip).stdout
    frames = tmp_path / "frames"
    assert run(clip, "-o", frames / "%02d.png", "-m", "unsharp").exit_code == 0
    found = json.loads(run("info", frames, "--json").stdout)
    assert found["size_bytes"] == sum(image.stat().st_size for image in frames.iterdir())
    assert "images, " in run("info", frames).stdout
