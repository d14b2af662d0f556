"""`-` on both sides: what comes down a pipe goes on down a pipe, frame for frame."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.videos import Recipe, frames, write
from vdeblur.frames import Frame, Layout
from vdeblur.media.sources import open_source

IDENTITY = """
import sys
from vdeblur.media.sinks import SinkOptions, open_sink
from vdeblur.media.sources import SourceOptions, open_source
codec = sys.argv[1] if len(sys.argv) > 1 else None
with open_source("-") as source, open_sink("-", source, SinkOptions(codec=codec)) as sink:
    for frame in source:
        sink.write(frame)
"""
Y4M = "yuv4mpegpipe"


def through(data: bytes, codec: str | None = None) -> bytes:
    command = [sys.executable, "-c", IDENTITY, *([codec] if codec else [])]
    done = subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout


def read(path: Path) -> list[Frame]:
    with open_source(str(path)) as source:
        return list(source)


@pytest.mark.parametrize("layout", [Layout("yuv", 8, (1, 1)), Layout("yuv", 10, (1, 1)), Layout("yuv", 8, (0, 0))])
def test_y4m_is_the_same_bytes(tmp_path: Path, layout: Layout) -> None:
    path = Path(write(tmp_path / "a.y4m", Recipe(frames(4, layout), codec="rawvideo")))
    before = path.read_bytes()
    after = through(before)
    assert after.partition(b"\n")[2] == before.partition(b"\n")[2]
    (tmp_path / "b.y4m").write_bytes(after)
    again = read(tmp_path / "b.y4m")
    assert [f.pts for f in again] == [0, 1, 2, 3]
    assert again[0].layout == layout


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [("a.mkv", "matroska", "ffv1"), ("a.nut", "nut", "ffv1"), ("a.ts", "mpegts", None), ("a.mp4", "mp4", "ffv1")],
)
def test_containers_stay_what_they_are(tmp_path: Path, name: str, container: str, codec: str | None) -> None:
    made = "libx264" if codec is None else "ffv1"
    audio = "mp2" if container == "mpegts" else None
    path = Path(write(tmp_path / name, Recipe(frames(5), codec=made, audio=audio)))
    data = path.read_bytes()
    if container == "mp4":  # a pipe needs its index in front: fragments
        import av

        with (
            av.open(str(path)) as before,
            av.open(str(tmp_path / "f.mp4"), "w", container_options={"movflags": "frag_keyframe+empty_moov"}) as after,
        ):
            copy = after.add_stream_from_template(before.streams.video[0], opaque=True)
            for packet in before.demux(video=0):
                if packet.size:
                    packet.stream = copy
                    after.mux(packet)
        data = (tmp_path / "f.mp4").read_bytes()
    out = tmp_path / f"out-{name}"
    out.write_bytes(through(data, codec))
    one, other = read(path), read(out)
    shift = other[0].pts * other[0].time_base - one[0].pts * one[0].time_base
    assert [f.pts * f.time_base + shift for f in one] == [f.pts * f.time_base for f in other]
    with open_source(str(out)) as source:
        assert container in source.container.format.name  # type: ignore[attr-defined]
        assert [s.type for s in source.container.streams] == ["video"] + ["audio"] * bool(audio)  # type: ignore[attr-defined]
    if codec == "ffv1":
        assert all(
            np.array_equal(a, b)
            for f, g in zip(one, other, strict=True)
            for a, b in zip(f.planes, g.planes, strict=True)
        )


def test_a_reader_that_goes_away_is_a_broken_pipe(tmp_path: Path) -> None:
    path = write(tmp_path / "a.y4m", Recipe(frames(30, size=(320, 240)), codec="rawvideo"))
    with open(path, "rb") as given:
        process = subprocess.Popen(
            [sys.executable, "-c", IDENTITY], stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    message = process.communicate(timeout=30)[1].decode()
    assert process.returncode != 0
    assert "BrokenPipeError" in message
    assert "the reader has closed the pipe" in message
