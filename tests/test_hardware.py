"""Hardware is a wish: where it does not do, software does, without a word, whatever was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.hwaccel import HWDeviceType

from support.commands import run
from support.videos import YUV420, Recipe, frames, packets, write
from vdeblur.frames import Color, StreamInfo
from vdeblur.media import encoder_settings, encoders, video_source
from vdeblur.media.encoder_trial import encodes
from vdeblur.media.encoders import choose_encoder, software_of
from vdeblur.media.opening import open_input
from vdeblur.media.options import SinkOptions, SourceOptions
from vdeblur.media.sources import open_source

DEVICES = [kind.name for kind in HWDeviceType if kind.name != "none"]
GENERIC = {"b", "flags", "global_quality", "profile"}
"""Options that FFmpeg has for every encoder."""
INFO = StreamInfo(64, 48, YUV420, Color(), frames(1)[0].time_base, codec="h264")


@pytest.fixture
def clip(tmp_path: Path) -> str:
    return write(tmp_path / "in.mp4", Recipe(frames(8), bframes=2, audio="aac"))


def codec_of(path: Path) -> str:
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.codec.canonical_name


@pytest.mark.parametrize("device", ["auto", *DEVICES])
def test_every_decoding_device_is_only_a_preference(clip: str, tmp_path: Path, device: str) -> None:
    out = tmp_path / "out.mp4"
    result = run(clip, "-o", out, "-m", "unsharp", "--hwaccel", device)
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert "8 frames" in line
    assert codec_of(out) == "h264"
    assert packets(str(out), "audio") == packets(clip, "audio")


@pytest.mark.parametrize("maker", ["nvenc", "qsv", "videotoolbox", "vaapi", "amf", "v4l2m2m"])
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_every_hardware_encoder_has_a_software_fallback(clip: str, tmp_path: Path, codec: str, maker: str) -> None:
    out = tmp_path / "out.mkv"
    result = run(clip, "-o", out, "-m", "unsharp", "--codec", f"{codec}_{maker}")
    assert result.exit_code == 0
    assert len(result.stderr.splitlines()) == 1
    assert codec_of(out) == codec
    assert len(packets(str(out), "video")) == 8


def test_quality_settings_are_translated_and_settings_of_other_hardware_are_reported(clip: str, tmp_path: Path) -> None:
    sizes = {}
    for crf in ("10", "40"):
        out = tmp_path / f"{crf}.mp4"
        words = ("--codec", "h264_nvenc", "--crf", crf, "--preset", "p5", "-e", "rc=vbr", "--json")
        result = run(clip, "-o", out, "-m", "unsharp", *words)
        assert result.exit_code == 0
        assert codec_of(out) == "h264"
        assert ("h264_nvenc does not work here" in result.stderr) == (not encodes("h264_nvenc"))
        sizes[crf] = sum(len(data) for _, data in packets(str(out), "video"))
    assert sizes["10"] > 2 * sizes["40"]


def test_an_unknown_codec_is_an_error(clip: str) -> None:
    result = run(clip, "-m", "unsharp", "--codec", "papyrus_nvenc")
    assert result.exit_code == 2
    assert "papyrus_nvenc" in result.stderr


@pytest.mark.needs("nvenc")
def test_settings_for_hardware_are_known_to_its_encoders() -> None:
    tried = [name for name in encoder_settings.SETTINGS if software_of(name) and name in av.codecs_available]
    assert tried
    for name in tried:
        known = {option.name for option in av.CodecContext.create(name, "w").supported_options.private}
        assert set(encoder_settings.SETTINGS[name]) <= known | GENERIC, name


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """ProRes in the place of hardware: its encoder's name is built alike, and it always works."""
    monkeypatch.setattr(encoders, "_IN_HARDWARE", {"libx264": "prores"})
    monkeypatch.setattr(encoders, "_CONSTANT_QUALITY", ("nonsense", "ks"))


@pytest.mark.usefixtures("pretended")
def test_a_working_hardware_encoder_is_used() -> None:
    options = SinkOptions(hwaccel="auto")
    assert choose_encoder("mov", INFO, options, "out") == "prores_ks"
    assert choose_encoder("mov", INFO, SinkOptions(), "out") == "libx264"
    assert choose_encoder("webm", INFO, options, "out") != "prores_ks"  # which WebM does not hold


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize(
    "options",
    [
        SinkOptions(hwaccel="auto", crf=20),  # prores_ks has neither
        SinkOptions(hwaccel="auto", preset="slow"),
        SinkOptions(hwaccel="auto", pix_fmt="yuv420p"),
        SinkOptions(hwaccel="auto", encoder_options={"x264-params": "keyint=5"}),
        SinkOptions(hwaccel="auto", encoder_options={"profile": "nonsense"}),
    ],
)
def test_the_trial_uses_the_same_settings(options: SinkOptions) -> None:
    assert choose_encoder("mov", INFO, options, "out") == "libx264"


def test_a_device_that_opens_and_then_cannot_decode(clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two devices: one does not open, the other opens and gives no picture. Nothing of either is left over."""
    with open_source(clip) as source:
        expected = list(source)
    sound = [data for _, data in packets(clip, "audio")]
    blind = tmp_path / "blind.mp4"
    data = Path(clip).read_bytes()
    for _, payload in packets(clip, "video"):
        data = data.replace(payload, bytes(len(payload)))
    blind.write_bytes(data)
    tried: list[str | None] = []
    software = open_input

    def opened(file: Any, name: str, options: SourceOptions, device: str | None) -> Any:
        tried.append(device)
        if device == "cuda":
            return software(str(tmp_path / "none.mp4"), name, options, None)
        return software(str(blind) if device == "qsv" else file, name, options, None)

    monkeypatch.setattr(video_source, "open_input", opened)
    monkeypatch.setattr(video_source, "hardware_devices", lambda _: ["cuda", "qsv"])
    with open_source(clip, SourceOptions(hwaccel="auto")) as source:
        assert isinstance(source, video_source.VideoSource)
        assert tried == ["cuda", "qsv", None]
        source.keep([stream.index for stream in source.others])
        got = list(source)
        assert [bytes(packet) for packet in source.packets] == sound
        assert (source.concealed, source.damaged, source.warnings) == (0, False, [])
    assert [frame.pts for frame in got] == [frame.pts for frame in expected]
    for one, other in zip(got, expected, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one.planes, other.planes, strict=True))


def test_a_damaged_file_is_not_blamed_on_the_hardware(tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes(b"nothing of the kind" * 99)
    result = run(tmp_path / "in.mp4", "-m", "unsharp", "--hwaccel", "auto")
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1
