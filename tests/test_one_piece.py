"""Inputs whose damage makes a plan of segments wrong: they are restored all the same, in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from support.batches import Here
from support.commands import run
from support.videos import Recipe, decoded, frames, largest_difference, packets, shift_stamps, write
from vdeblur.batch.collect import collect
from vdeblur.batch.report import to_json
from vdeblur.batch.scheduler import BatchOptions, BatchRun
from vdeblur.batch.units import Restore
from vdeblur.frames import Frame
from vdeblur.jobs.job import Job
from vdeblur.loading import ModelOptions
from vdeblur.media.options import SinkOptions
from vdeblur.media.sources import open_source

EVERY = Fraction(1, 2)


def film(path: Path, codec: str) -> Path:
    """Forty seconds at two frames a second, in two or more segments."""
    shot = frames(80, pts=range(0, 80 * 40, 40), time_base=Fraction(1, 80))
    return Path(write(path, Recipe(shot, codec=codec, rate=1 / EVERY, options={"g": "5", "bf": "0"})))


def restored_file(path: Path, code: int) -> tuple[list[Frame], str]:
    out = path.with_name("out.mkv")
    result = run(str(path), "-o", str(out), "-m", "unsharp", "--codec", "ffv1")
    assert result.exit_code == code, result.stderr
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([path.name, "out.mkv"])
    with open_source(str(out)) as source:
        return list(source), result.stderr


STAMPS = [
    ([20], 60, "1 frames missing in the segments"),  # ends up last among the packets, but not among the pictures
    (range(20, 30), 60, "no frame of segment"),
    ([20], -60, "1 frames missing in the segments"),
]


@pytest.mark.parametrize(("numbers", "seconds", "said"), STAMPS)
def test_time_stamps_invented_by_damage_lose_no_frame(
    tmp_path: Path, numbers: Sequence[int], seconds: int, said: str
) -> None:
    path = film(tmp_path / "in.ts", "mpeg2video")
    shift_stamps(path, numbers, seconds)
    after, stderr = restored_file(path, 0)
    assert len(after) == 80
    assert said in stderr
    assert "restoring it in one piece" in stderr
    assert "error" not in stderr


def blank(path: Path, numbers: range) -> None:
    """Overwrite these pictures with nothing."""
    payloads = [payload for _, payload in packets(str(path), "video")]
    data = path.read_bytes()
    for number in numbers:
        data = data.replace(payloads[number], bytes(len(payloads[number])))
    path.write_bytes(data)


@pytest.mark.parametrize("numbers", [range(60, 80), range(30, 50)])
def test_a_segment_without_decodable_frames(tmp_path: Path, numbers: range) -> None:
    path = film(tmp_path / "in.mkv", "libx264")
    blank(path, numbers)
    after, _ = restored_file(path, 6)
    assert len(after) >= 60
    assert after[-1].seconds >= 29


FORGED = [*STAMPS, (range(20, 80), None, "no frame of its h264 stream can be decoded in segment 1")]
"""Of a transport stream with shifted times; None: of a film whose last segments hold nothing."""


def forged(folder: Path, numbers: Sequence[int], seconds: int | None) -> Path:
    folder.mkdir()
    if seconds is not None:
        path = film(folder / "in.ts", "mpeg2video")
        shift_stamps(path, numbers, seconds)
    else:
        path = film(folder / "in.mkv", "libx264")
        blank(path, range(numbers[0], numbers[-1] + 1))
    return path


def in_one_piece(path: Path, output: Path) -> list[Frame]:
    words = [str(path), "-o", str(output), "--no-resume", "-m", "unsharp", "--codec", "ffv1"]
    assert run(*words).exit_code in (0, 6)
    return decoded(str(output))


@pytest.mark.parametrize(("numbers", "seconds", "said"), FORGED)
def test_a_batch_goes_on_in_one_piece(tmp_path: Path, numbers: Sequence[int], seconds: int | None, said: str) -> None:
    path = forged(tmp_path / "in", numbers, seconds)
    out = tmp_path / "out"
    job = Job("", None, ModelOptions("unsharp"), sink=SinkOptions(codec="ffv1"))
    batch = BatchRun(collect([str(path)], str(out), name="{stem}.mkv"), job, str(out), BatchOptions(min_free_bytes=0))
    executor = Here()
    batch.run(executor)
    units = [unit.index for unit in executor.units if isinstance(unit, Restore)]
    assert len(units) == len(set(units)) > 1  # nothing was tried again
    whole = in_one_piece(path, tmp_path / "whole.mkv")
    assert largest_difference(decoded(str(out / "in.mkv")), whole) == 0
    (file,) = to_json(batch)["files"]
    assert (file["status"], batch.failures) == ("done" if seconds is not None else "damaged", 0)
    assert (file["frames"], file["segments"], file["passed_through"]) == (len(whole), 1, 0)
    assert (file["touched"], file["error"]) == (len(whole), None)
    assert [note for note in file["notes"] if said in note and note.endswith("; restoring it in one piece")]
    assert sorted(entry.name for entry in out.iterdir()) == [".vdeblur-batch", "in.mkv"]


@pytest.mark.parametrize(("numbers", "seconds", "said"), FORGED)
def test_an_array_goes_on_in_one_piece(tmp_path: Path, numbers: Sequence[int], seconds: int | None, said: str) -> None:
    path = forged(tmp_path / "in", numbers, seconds)
    out = tmp_path / "out.mkv"

    def segment(*words: str, code: int = 0) -> tuple[str, str]:
        result = run("segment", str(out), *words)
        assert result.exit_code == code, result.stderr
        return result.stdout, result.stderr

    count, _ = segment("--prepare", str(path), "-m", "unsharp", "--codec", "ffv1")
    told = [segment("--index", str(index))[1] for index in range(int(count))]
    if said != "1 frames missing in the segments":  # which no one can know before the end
        assert said in told[-1]
        assert "joining will restore it in one piece" in segment()[0]
    _, stderr = segment("--join", code=0 if seconds is not None else 6)
    assert [line for line in stderr.splitlines() if said in line and line.endswith("; restoring it in one piece")]
    assert largest_difference(decoded(str(out)), in_one_piece(path, tmp_path / "whole.mkv")) == 0
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in", "out.mkv", "whole.mkv"]
