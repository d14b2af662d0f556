"""A seeded fuzzer: damaged clips through the real command line. `python tests/fuzz.py --cases 1000 --seed 0` by hand.

A case must end with frames (exit code 0 or 6) or one clear line (3), and never with a traceback, a thread or file that
stays behind, or frames that are counted but not written. A hang ends the run with the stack of every thread.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner
from media import Recipe, frames, noise, packets, picture, write

from vdeblur.cli import cli
from vdeblur.frames import Layout, Plane

HANG_SECONDS = 120
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
    one, other = sorted(dice.sample(payloads, 2), key=path.read_bytes().find)
    data = path.read_bytes()
    at, to = data.find(one), data.find(other)
    if at >= 0 and at + len(one) <= to:
        path.write_bytes(data[:at] + other + data[at + len(one) : to] + one + data[to + len(other) :])


def case(seed: int, folder: Path) -> list[str]:
    """Make, damage and restore one clip in an empty folder; what is wrong with how it went."""
    dice = random.Random(seed)
    name, codec = dice.choice(CLIPS)
    audio = dice.choice([None, "ac3"])
    path = Path(write(folder / name, Recipe(frames(15, make=restless), codec=codec, audio=audio)))
    if dice.random() < 0.3:
        reorder(path, dice)
    data = bytearray(path.read_bytes())
    for _ in range(dice.randrange(1, 4)):
        if len(data) > 400:
            dice.choice(DAMAGES)(data, dice)
    path.write_bytes(data)

    out = folder / "out.mkv"
    words = [str(path), "-o", str(out), "-m", "unsharp", "--codec", "ffv1", "--json"]
    result = CliRunner().invoke(cli, words)
    code, errors = result.exit_code, [line for line in result.stderr.splitlines() if "error:" in line]
    problems = [f"exit code {code}: {result.stderr[-300:]}"] if code not in (0, 3, 6) else []
    problems += [word for word in ("Traceback", "internal error") if word in result.stderr]
    problems += [f"thread {t.name}" for t in threading.enumerate() if t.name.startswith("vdeblur")]
    left = sorted(p.name for p in folder.iterdir())
    if code in (0, 6):
        counted, written = json.loads(result.stdout)["frames"], len(packets(str(out), "video"))
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
    options = parser.parse_args()
    failed = 0
    for seed in range(options.seed, options.seed + options.cases):
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        with tempfile.TemporaryDirectory() as folder:
            problems = case(seed, Path(folder))
        if problems:
            failed += 1
            print(f"seed {seed}: {'; '.join(problems)}", flush=True)
    faulthandler.cancel_dump_traceback_later()
    print(f"{options.cases} cases from seed {options.seed}: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
