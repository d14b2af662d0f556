"""A seeded fuzzer: damaged clips through the real command line. `python tests/fuzz.py --cases 1000 --seed 0` by hand,
with `--clips FOLDER` for the files of a folder in place of those it makes.

A case must end with frames (exit code 0 or 6) or one clear line (3), and never with a traceback, a thread or file that
stays behind, or frames that are counted but not written. A hang ends the run with the stack of every thread.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import av

from support.commands import run
from support.videos import Recipe, frames, noise, packets, picture, write
from vdeblur.frames import Layout, Plane

HANG_SECONDS = 120
LARGEST_CLIP = 100_000
"""Bytes of a given file that is damaged again and again: longer ones take more than that by themselves."""
CLIPS = [("a.mkv", "libx264"), ("a.mp4", "libx264"), ("a.ts", "mpeg2video"), ("a.avi", "mpeg4"), ("a.mkv", "ffv1")]


def restless(layout: Layout, width: int, height: int, index: int) -> tuple[Plane, ...]:
    """Now and then a frame of noise, so that most bytes of a file are picture."""
    return (noise if index % 5 == 0 else picture)(layout, width, height, index)


def truncate(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(200, len(data)) :]


def flip(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice([1, 20, 200])):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def wipe(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data))
    data[at : at + 300] = bytes(len(data[at : at + 300]))


def splice(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data))
    del data[at : at + dice.randrange(1, 2000)]


def repeat(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data))
    data[at:at] = data[at : at + dice.randrange(1, 2000)]


DAMAGES: list[Callable[[bytearray, random.Random], None]] = [truncate, flip, wipe, splice, repeat]


def reorder(path: Path, dice: random.Random) -> None:
    """Swap the payloads of two pictures, where they lie in the file as they are."""
    payloads = [payload for _, payload in packets(str(path), "video")]
    if len(payloads) < 2:
        return
    one, other = sorted(dice.sample(payloads, 2), key=path.read_bytes().find)
    data = path.read_bytes()
    at, to = data.find(one), data.find(other)
    if at >= 0 and at + len(one) <= to:
        path.write_bytes(data[:at] + other + data[at + len(one) : to] + one + data[to + len(other) :])


def written_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        restored = [s for s in container.streams.video if s.codec_context.codec.canonical_name == "ffv1"]
        return sum(1 for stream in restored[:1] for packet in container.demux(stream) if packet.size)


def made(folder: Path, dice: random.Random) -> Path:
    name, codec = dice.choice(CLIPS)
    audio = dice.choice([None, "ac3"])
    return Path(write(folder / name, Recipe(frames(15, make=restless), codec=codec, audio=audio)))


def case(seed: int, folder: Path, clips: Sequence[Path] = ()) -> list[str]:
    """Make (or copy), damage and restore one clip in an empty folder; what is wrong with how it went."""
    dice = random.Random(seed)
    path = Path(shutil.copyfile(clip := dice.choice(clips), folder / clip.name)) if clips else made(folder, dice)
    name = path.name
    if dice.random() < 0.3:
        reorder(path, dice)
    data = bytearray(path.read_bytes())
    for _ in range(dice.randrange(1, 4)):
        if len(data) > 400:
            dice.choice(DAMAGES)(data, dice)
    path.write_bytes(data)

    out = folder / "out.mkv"
    words = [str(path), "-o", str(out), "-m", "unsharp", "--codec", "ffv1", "--json"]
    result = run(*words)
    code, errors = result.exit_code, [line for line in result.stderr.splitlines() if "error:" in line]
    problems = [f"exit code {code}: {result.stderr[-300:]}"] if code not in (0, 3, 6) else []
    problems += [word for word in ("Traceback", "internal error") if word in result.stderr]
    problems += [f"thread {t.name}" for t in threading.enumerate() if t.name.startswith("vdeblur")]
    left = sorted(p.name for p in folder.iterdir())
    if code in (0, 6):
        counted, written = json.loads(result.stdout)["frames"], written_frames(out)
        problems += [f"{counted} frames counted, {written} written"] if counted != written else []
        problems += [f"left {left}"] if left != sorted([name, "out.mkv"]) else []
    else:
        problems += [f"{len(errors)} error lines"] if len(errors) != 1 else []
        problems += [f"left {left}"] if left != [name] else []
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the next ones count on")
    parser.add_argument("--clips", type=Path, metavar="FOLDER", help="whose files to damage")
    options = parser.parse_args()
    clips = sorted(p for p in options.clips.iterdir() if p.stat().st_size < LARGEST_CLIP) if options.clips else []
    failed = 0
    for seed in range(options.seed, options.seed + options.cases):
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        with tempfile.TemporaryDirectory() as folder:
            problems = case(seed, Path(folder), clips)
        if problems:
            failed += 1
            print(f"seed {seed}: {'; '.join(problems)}", flush=True)
    faulthandler.cancel_dump_traceback_later()
    print(f"{options.cases} cases from seed {options.seed}: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
