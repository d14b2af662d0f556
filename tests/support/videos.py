"""Real media for the tests, made with PyAV: every layout, time base and stream that a promise is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from support.in_memory import distance
from vdeblur.frames import Color, Frame, Layout, Plane, StreamInfo
from vdeblur.media.planes import encodable, native_format, video_frame
from vdeblur.media.sources import open_source

YUV420 = Layout("yuv", 8, (1, 1))
UNTAGGED = Color()
ROTATED_90 = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
"""A display matrix that turns the picture by a quarter."""


def noise(layout: Layout, width: int, height: int, seed: int = 0) -> tuple[Plane, ...]:
    """Planes with every value the layout has, so that a lost bit shows."""
    rng = np.random.default_rng(seed)
    top = 1 << layout.bits
    planes: Any = (rng.integers(0, top, shape).astype(layout.dtype) for shape in layout.plane_shapes(width, height))
    return tuple(planes)


def picture(layout: Layout, width: int, height: int, index: int) -> tuple[Plane, ...]:
    """A gradient that moves with `index`: easy to encode, different for every frame."""
    top = (1 << layout.bits) - 1
    planes = []
    for number, (h, w) in enumerate(layout.plane_shapes(width, height)):
        y, x = np.mgrid[:h, :w]
        wave = np.sin((x + 3 * index) / (5 + number)) + np.cos((y - index) / 7)
        planes.append(((wave + 2) / 4 * top * 0.8 + top * 0.1).astype(layout.dtype))
    return tuple(planes)


def frames(
    count: int = 6,
    layout: Layout = YUV420,
    size: tuple[int, int] = (64, 48),
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    color: Color = UNTAGGED,
    make: Any = picture,
) -> list[Frame]:
    times = list(range(count)) if pts is None else list(pts)
    return [Frame(make(layout, *size, i), layout, color, t, time_base) for i, t in enumerate(times)]


@dataclass
class Recipe:
    """A file to make. Times of other streams are in seconds."""

    frames: Sequence[Frame]
    codec: str = "libx264"
    options: dict[str, str] | None = None
    rate: Fraction = Fraction(25)
    bframes: int | None = None
    audio: str | None = None
    audio_seconds: float = 0.25
    audio_start: float = 0.0
    subtitles: str | None = None
    chapters: int = 0
    cover: bool = False
    attachment: bool = False
    matrix: Sequence[int] | None = None
    aspect: Fraction | None = None
    metadata: dict[str, str] | None = None
    container: str | None = None


def write(path: Path | str, recipe: Recipe) -> str:
    """Make the file; the path is returned."""
    first = recipe.frames[0]
    options = {"strict": "-1"} if str(path).endswith("y4m") else {}
    with av.open(str(path), "w", format=recipe.container, container_options=options) as container:
        video: Any = container.add_stream(recipe.codec, rate=recipe.rate)
        pix_fmt = native_format(first.layout)
        known = [f.name for f in av.Codec(recipe.codec, "w").video_formats or ()]
        if known and pix_fmt not in known:
            pix_fmt = {"gbrp": "bgr0", "gbrap": "bgra", "gbrp16le": "rgb48le"}[pix_fmt]
        video.width, video.height = first.size
        video.pix_fmt = pix_fmt
        video.codec_context.time_base = video.time_base = first.time_base
        context, color = video.codec_context, first.color
        context.color_primaries, context.color_trc = color.primaries, color.transfer
        context.colorspace = color.matrix
        context.color_range = {None: 0, False: 1, True: 2}[color.full_range]
        if recipe.aspect:
            context.sample_aspect_ratio = recipe.aspect
        settings = dict(recipe.options or {})
        if recipe.codec == "libx264":
            settings = {"preset": "veryfast"} | settings
            if recipe.bframes is not None:
                settings |= {"bf": str(recipe.bframes), "x264-params": "b-adapt=0:scenecut=0"}
        if recipe.codec == "libx265":
            params = settings.get(
                "x265-params", "log-level=none"
            )  # B-frames need longer streams, or x265 loses its dts
            settings = {"preset": "ultrafast"} | settings | {"x265-params": f"{params}:bframes=0"}
        if color.chroma_location:
            settings["chroma_sample_location"] = str(color.chroma_location)
        context.options = settings
        if recipe.matrix:
            video.set_display_matrix(list(recipe.matrix))
        video.metadata["language"] = "eng"
        container.metadata.update(recipe.metadata or {})
        audio = _audio(container, recipe) if recipe.audio else None
        text: Any = container.add_stream(recipe.subtitles) if recipe.subtitles else None
        if text is not None:
            text.codec_context.time_base = text.time_base = Fraction(1, 1000)
            text.codec_context.subtitle_header = HEADER
            text.metadata["language"] = "fre"
        if recipe.attachment:
            container.add_attachment("font.ttf", "font/ttf", b"not really a font" * 9)
        cover = _cover(container) if recipe.cover else None
        if recipe.chapters:
            container.set_chapters([_chapter(i) for i in range(recipe.chapters)])
        if cover is not None:
            container.mux(cover)
        if audio is not None:
            _sound(container, audio, recipe)
        if text is not None:
            _words(container, text)
        for frame in recipe.frames:
            container.mux(video.encode(encodable(video_frame(frame), pix_fmt, first.size)))
        container.mux(video.encode(None))
    return str(path)


HEADER = (
    b"[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\nFormat: Name, Fontname, Fontsize, PrimaryColour,"
    b" SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle,"
    b" BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\r\n"
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\r\n\r\n[Events]\r\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
)


def _audio(container: Any, recipe: Recipe) -> Any:
    stream = container.add_stream(recipe.audio, rate=48000, layout="mono")
    stream.metadata["language"] = "ger"
    stream.metadata["title"] = "commentary"
    return stream


def _sound(container: Any, stream: Any, recipe: Recipe) -> None:
    size = 960 if recipe.audio == "libopus" else 1024
    start = round(recipe.audio_start * 48000)
    for number in range(int(recipe.audio_seconds * 48000) // size):
        samples = (np.sin(np.arange(size) / 9 + number) * 9000).astype(np.int16)[None]
        block = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        block.sample_rate, block.pts, block.time_base = 48000, start + number * size, Fraction(1, 48000)
        container.mux(stream.encode(block))
    container.mux(stream.encode(None))


def _words(container: Any, stream: Any) -> None:
    from av.subtitles.subtitle import SubtitleSet

    for number, words in enumerate((b"one", b"two")):
        shown = SubtitleSet.create(text=b"0,0,Default,,0,0,0,," + words, start=0, end=80, pts=0)
        packet = stream.codec_context.encode_subtitle(shown)
        packet.stream = stream
        packet.time_base = Fraction(1, 1000)
        packet.pts = packet.dts = 100 * number
        packet.duration = 80
        container.mux(packet)


def _cover(container: Any) -> Any:
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 16, 16, "yuvj420p", Fraction(1, 25)
    encoder.color_range = 2
    (packet,) = encoder.encode(av.VideoFrame(16, 16, "yuvj420p")) + encoder.encode(None)
    stream = container.add_mux_stream("mjpeg", width=16, height=16)
    stream.disposition = av.stream.Disposition.attached_pic
    packet.stream = stream
    packet.pts = packet.dts = 0
    return packet


def _chapter(number: int) -> Any:
    start = 100 * number
    title = {"title": f"part {number}"}
    return {"id": number, "start": start, "end": start + 100, "time_base": Fraction(1, 1000), "metadata": title}


def copy(source: Any, sink: Any) -> list[Frame]:
    """The identity restorer: every frame from the source into the sink. Both are closed; what went over is returned."""
    with source, sink:
        passed = []
        for frame in source:
            sink.write(frame)
            passed.append(frame)
    return passed


def packets(path: str, kind: str) -> list[tuple[Fraction | None, bytes]]:
    """(time in seconds, payload) of all packets of the first stream of a kind."""
    with av.open(path) as container:
        stream = next(s for s in container.streams if s.type == kind and not s.disposition & 1024)
        return [
            (p.pts * p.time_base if p.pts is not None else None, bytes(p)) for p in container.demux(stream) if p.size
        ]


def info_of(path: str) -> StreamInfo:
    with open_source(path) as source:
        return source.info


def footage(
    path: Path,
    frames: int = 12,
    size: tuple[int, int] = (64, 48),
    audio: bool = False,
    cut_at: int | None = None,
    first_pts: int = 0,
) -> Path:
    """A moving pattern in H.264, 25 frames a second, with silence beside it if `audio`; another one from `cut_at`."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        sound = container.add_stream("aac", rate=48000) if audio else None
        across, down = np.arange(size[0], dtype=float)[None, :], np.arange(size[1], dtype=float)[:, None]
        for index in range(frames):
            if index == cut_at:
                across, down = down * 2, across * 1.7
            luma = (128 + 100 * np.sin((across + 3 * index) / 5) * np.cos(down / 7)).astype(np.uint8)
            luma = np.broadcast_to(luma, size[::-1])
            frame = av.VideoFrame.from_ndarray(np.stack([luma] * 3, axis=-1), format="rgb24")
            frame.pts = first_pts + index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            for index in range(frames * 1920 // 1024):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                silence.sample_rate, silence.pts = 48000, index * 1024
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    return path


def sound_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48000)
        for index in range(20):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts = 48000, index * 1024
            container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    return path


def count_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(container.streams.video[0]))


def encoded_with(path: Path) -> dict[str, str]:
    """What x264 wrote into the stream about its settings."""
    with av.open(str(path)) as container:
        packet = next(container.demux(video=0))
        text = bytes(packet).split(b"options: ")[1].split(b"\0")[0].decode("ascii", "replace")
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def restless(layout: Layout, width: int, height: int, index: int) -> tuple[Plane, ...]:
    """Now and then a frame of noise, so that most bytes of a file are picture."""
    return (noise if index % 10 == 0 else picture)(layout, width, height, index)


def shift_stamps(path: Path, numbers: Sequence[int], seconds: int) -> None:
    """Move the presentation times of these pictures of a transport stream (ISO/IEC 13818-1, 2.4.3.7)."""
    data, at, places = bytearray(path.read_bytes()), 0, []
    while (at := data.find(b"\x00\x00\x01\xe0", at)) >= 0:
        if data[at + 7] & 0x80:
            places.append(at + 9)
        at += 4
    for place in (places[number] for number in numbers):
        a, b, c, d, e = data[place : place + 5]
        pts = (a >> 1 & 7) << 30 | b << 22 | c >> 1 << 15 | d << 7 | e >> 1
        pts += seconds * 90000
        fields = (a & 0xF0 | pts >> 29 & 0xE | 1, pts >> 22 & 0xFF, pts >> 14 & 0xFE | 1, pts >> 7 & 0xFF)
        data[place : place + 5] = bytes((*fields, pts << 1 & 0xFE | 1))
    path.write_bytes(data)


def decoded(path: str) -> list[Frame]:
    with open_source(path) as source:
        return list(source)


def largest_difference(a: list[Frame], b: list[Frame]) -> int:
    """In sample values; frames must be as many and equally timed."""
    assert [frame.pts * frame.time_base for frame in a] == [frame.pts * frame.time_base for frame in b]
    return max(map(distance, a, b))
