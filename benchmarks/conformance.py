"""What of a folder of clips comes out as it went in, with nothing restored and a lossless encoder: a table in Markdown.

python benchmarks/conformance.py ../shared/clips > report.md

Every clip goes through the command line (`-m unsharp --strength 0 --codec ffv1`) into a container of its own kind where
that holds FFV1, else into Matroska. Then both files are read again and compared frame by frame.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from click.testing import CliRunner

from vdeblur.cli import cli
from vdeblur.frames import Color, Frame, StreamInfo
from vdeblur.media.sources import open_source

IDENTITY = ("-m", "unsharp", "--strength", "0", "--codec", "ffv1")
LOSSLESS_CONTAINERS = (".mp4", ".m4v", ".mkv", ".nut", ".avi")
LEGEND = """
Colour tags: matrix-primaries-transfer as H.273 numbers them (2 is unspecified), range, place of the chroma samples
(FFmpeg's AVChromaLocation). Where one value stands, in and out agree; FFV1 in MP4 has no field for that place. Planes:
the largest difference of any sample of any frame. Sound: whether all packets are the same bytes."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a file, and what is in it."""

    kind: str
    """"video", "audio", "subtitle", "attachment", "data" or "cover"."""
    codec: str | None
    language: str | None
    sha256: str
    """Of all its packets one after the other."""
    start: Fraction | None
    """Seconds, of its first packet."""


@dataclass(frozen=True, slots=True)
class Passage:
    """How one clip came through; "in" and "out" are the two files as vdeblur reads them."""

    exit_code: int
    said: tuple[str, ...]
    """Lines on stderr."""
    infos: tuple[StreamInfo, StreamInfo] | None = None
    frames: tuple[int, int] = (0, 0)
    colors: tuple[Color, Color] = (Color(), Color())
    streams: tuple[tuple[Stream, ...], tuple[Stream, ...]] = ((), ())
    pts_error: Fraction = Fraction(0)
    """Seconds, the largest."""
    difference: int = 0
    """Sample values, the largest of all planes; -1 where planes differ in shape."""


def pass_through(path: Path, folder: Path) -> Passage:
    """Send a clip through and compare. `folder` takes the output, which stays there."""
    suffix = path.suffix.lower() if path.suffix.lower() in LOSSLESS_CONTAINERS else ".mkv"
    out = folder / f"{path.name}.out{suffix}"
    done = CliRunner().invoke(cli, [str(path), "-o", str(out), *IDENTITY])
    said = tuple(done.stderr.splitlines())
    if not out.exists():
        return Passage(done.exit_code, said)
    counts, worst, difference = [0, 0], Fraction(0), 0
    with open_source(str(path)) as source, open_source(str(out)) as result:
        for before, after in zip_longest(source, result):
            counts[0] += before is not None
            counts[1] += after is not None
            if before is not None and after is not None:
                worst = max(worst, abs(before.pts * before.time_base - after.pts * after.time_base))
                difference = apart(before, after) if difference >= 0 else difference
        infos = source.info, result.info
    return Passage(
        done.exit_code,
        said,
        infos,
        (counts[0], counts[1]),
        (infos[0].color, infos[1].color),
        (tuple(streams_of(path)), tuple(streams_of(out))),
        worst,
        difference,
    )


def apart(before: Frame, after: Frame) -> int:
    """The largest difference of two frames' samples; -1 where they differ in shape."""
    if [plane.shape for plane in before.planes] != [plane.shape for plane in after.planes]:
        return -1
    pairs = zip(before.planes, after.planes, strict=True)
    return max(int(np.abs(a.astype(np.int32) - b).max()) for a, b in pairs)


def streams_of(path: Path) -> Iterator[Stream]:
    """Every stream of a file. What damage leaves unreadable counts as far as it can be read."""
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        hashes = {stream.index: hashlib.sha256() for stream in container.streams}
        starts: dict[int, Fraction] = {}
        try:
            for packet in container.demux():
                if packet.size and packet.stream_index in hashes:
                    hashes[packet.stream_index].update(bytes(packet))
                    if packet.pts is not None:
                        starts.setdefault(packet.stream_index, packet.pts * Fraction(packet.time_base))
        except (av.FFmpegError, IndexError):
            pass
        for stream in container.streams:
            context = getattr(stream, "codec_context", None)
            kind = "cover" if stream.disposition & Disposition.attached_pic else stream.type
            language = stream.metadata.get("language")
            yield Stream(
                kind,
                context.codec.canonical_name if context is not None else None,
                None if language == "und" else language,
                hashes[stream.index].hexdigest(),
                starts.get(stream.index),
            )


def row(name: str, passage: Passage) -> str:
    """One line of the table."""
    if passage.infos is None:
        return f"| {name} | {passage.exit_code} | - | - | - | - | - | - | {passage.said[-1] if passage.said else ''} |"
    before, after = passage.streams
    sound = [
        [stream.sha256 for stream in streams if stream.kind == "audio" and stream.codec == codec]
        for codec in {s.codec for s in before if s.kind == "audio"}
        for streams in (before, after)
    ]
    same = "-" if not sound else "same" if sound[::2] == sound[1::2] else "DIFFERS"
    notes = "; ".join(line.split("warning: ")[1].split(": ", 1)[-1] for line in passage.said if "warning: " in line)
    cells = [
        name,
        passage.exit_code,
        "{} / {}".format(*passage.frames),
        f"{listed(before)} / {listed(after)}" if listed(before) != listed(after) else listed(before),
        same,
        f"{float(passage.pts_error * 1000):.3g}",
        " / ".join(dict.fromkeys(tags(color) for color in passage.colors)),
        passage.difference,
        notes,
    ]
    return f"| {' | '.join(map(str, cells))} |"


def listed(streams: tuple[Stream, ...]) -> str:
    """Streams in short: `1 v 2 a 1 s`."""
    kinds = [stream.kind for stream in streams]
    return " ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


def tags(color: Color) -> str:
    """Matrix, primaries, transfer (H.273), range and chroma place in short."""
    extent = {None: "-", True: "full", False: "limited"}[color.full_range]
    return f"{color.matrix}-{color.primaries}-{color.transfer} {extent} {color.chroma_location}"


def main() -> None:
    """Print the report of a folder."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    folder: Path = arguments.parse_args().folder
    print("| clip | exit | frames in / out | streams in / out | sound | pts error ms | colour tags | planes | said |")
    print("| --- | ---: | ---: | --- | --- | ---: | --- | ---: | --- |")
    for path in sorted(folder.iterdir()):
        with tempfile.TemporaryDirectory() as made:
            print(row(path.name, pass_through(path, Path(made))), flush=True)
    print(LEGEND)
    print(f"\nPyAV {av.__version__}, FFmpeg's libavformat {'.'.join(map(str, av.library_versions['libavformat']))}.")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
