"""Pairs from a user's own pictures: what `eval` reads, named by a seed, with a truth that is the world itself."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from support.commands import run
from support.videos import footage
from vdeblur.errors import InputError, OutputError, UsageError
from vdeblur.loading import load_restorer
from vdeblur.quality.evaluate import evaluate
from vdeblur.quality.pairs import find_clips, read_frame, read_frames, rgb_image
from vdeblur.training.material import read_image
from vdeblur.training.synth import SynthConfig, shake, synthesise

SMALL = SynthConfig(frames=3, clips=2, size=32, blur_px=(3, 5))


def scene(size: tuple[int, int] = (96, 64), seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    coarse = np.random.default_rng(seed).integers(0, 256, (size[1] // 4, size[0] // 4, 3)).astype(np.uint8)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def sequence(folder: Path, frames: int = 4, size: tuple[int, int] = (96, 64)) -> Path:
    folder.mkdir(parents=True)
    for i in range(frames):
        assert cv2.imwrite(str(folder / f"{i:03}.png"), np.roll(scene(size), 2 * i, axis=1))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.png"))}


@pytest.mark.parametrize("interpolate", [False, True])
def test_sequences_become_pairs_that_eval_reads(tmp_path: Path, interpolate: bool) -> None:
    for name in ("one", "two"):
        sequence(tmp_path / "in" / name)
    config = SynthConfig(frames=3, blur_px=(3, 5), interpolate=interpolate)
    assert list(synthesise(tmp_path / "in", tmp_path / "out", config)) == ["one", "two"]
    assert list(synthesise(tmp_path / "in", tmp_path / "again", config)) == ["one", "two"]
    assert list(contents(tmp_path / "out"))[:4] == [f"one/blur/0000000{i}.png" for i in range(3)] + [
        "one/sharp/00000000.png"
    ]
    assert contents(tmp_path / "out") == contents(tmp_path / "again")
    assert [clip.name for clip in find_clips(tmp_path / "out")] == ["one", "two"]
    result = evaluate(tmp_path / "out", load_restorer("unsharp"))
    assert 10 < (result.mean_input("psnr") or 0) < 35


def test_a_video_and_photographs(tmp_path: Path) -> None:
    video = footage(tmp_path / "in.mp4", frames=4)
    assert list(synthesise(video, tmp_path / "a", SMALL)) == ["in"]
    (tmp_path / "photographs").mkdir()
    for i in (0, 1):
        assert cv2.imwrite(str(tmp_path / "photographs" / f"{i}.png"), scene((96 + 8 * i, 64)))
    assert list(synthesise(tmp_path / "photographs", tmp_path / "b", SMALL)) == ["000", "001"]
    clip = find_clips(tmp_path / "b")[0]
    assert [rgb_image(frame).shape for frame in read_frames(clip.blur)] == [(32, 32, 3)] * 3


def test_another_seed_is_another_blur() -> None:
    pictures = [scene()] * 3
    one, two = (shake(np.random.default_rng(seed), pictures, SMALL) for seed in (0, 1))
    assert one.blur.shape != two.blur.shape or (one.blur - two.blur).abs().max() > 0.05


def test_the_blur_of_an_all_but_still_camera_is_the_footage() -> None:
    """Nearly no path: both sides are the source's own pixels."""
    pictures = [scene(), scene(seed=1)]
    clip = shake(np.random.default_rng(0), pictures, SynthConfig(blur_px=(1e-4, 1e-4)))
    height, width = clip.sharp.shape[2:]
    assert (height, width) == (62, 94)
    for frame, picture in enumerate(pictures):
        truth = picture[1:-1, 1:-1].transpose(2, 0, 1) / 255
        assert np.abs(clip.sharp[frame].numpy() - truth).max() < 0.01
        assert np.abs(clip.blur[frame].numpy() - truth).max() < 0.01


def test_a_longer_path_blurs_more_and_keeps_the_light() -> None:
    errors = []
    for length in (2.0, 6.0, 12.0):
        clip = shake(np.random.default_rng(3), [scene((160, 120))] * 3, SynthConfig(blur_px=(length, length)))
        errors.append(float((clip.blur - clip.sharp).square().mean()))
        assert (clip.blur**2.2).mean().item() == pytest.approx((clip.sharp**2.2).mean().item(), rel=0.05)
    assert errors == sorted(errors)


def test_invalid_inputs_and_settings_are_refused(tmp_path: Path) -> None:
    source = sequence(tmp_path / "in")
    with pytest.raises(InputError, match="no such file or folder"):
        list(synthesise(tmp_path / "none", tmp_path / "out", SMALL))
    with pytest.raises(OutputError, match="is not empty"):
        list(synthesise(source, source, SMALL))
    with pytest.raises(UsageError, match="multiple of 4"):
        list(synthesise(source, tmp_path / "out", SynthConfig(size=30)))
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match=r"text\.mp4: cannot be read as a video"):
        list(synthesise(tmp_path / "text.mp4", tmp_path / "out", SMALL))
    with pytest.raises(InputError, match="no clip of at least two frames"):
        list(synthesise(sequence(tmp_path / "still", frames=1), tmp_path / "out", SMALL))
    assert not (tmp_path / "out").exists()


def test_an_image_that_claims_to_be_huge_is_refused_as_unreadable(tmp_path: Path) -> None:
    """OpenCV raises an error of its own, which would be told as ours."""
    good = bytearray(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    good[16:24] = struct.pack(">II", 100_000, 100_000)
    good[29:33] = struct.pack(">I", zlib.crc32(bytes(good[12:29])))
    (tmp_path / "huge.png").write_bytes(good)
    for read in (read_image, lambda path: read_frame(path, 0)):
        with pytest.raises(InputError, match=r"huge\.png: not a"):
            read(tmp_path / "huge.png")
    with pytest.raises(InputError, match=r"huge\.png: not a"):
        list(synthesise(tmp_path, tmp_path / "out", SMALL))


def test_the_command(tmp_path: Path) -> None:
    source = sequence(tmp_path / "in")
    output = tmp_path / "out"
    arguments = ["synth", str(source), "-o", str(output), "--seed", "5", "--blur-px", "2", "4"]
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "1 clips in" in result.stderr
    assert "seed 5" in result.stderr
    assert find_clips(output)[0].name == "in"
    assert run(*arguments, "--duty", "0.5", "2").exit_code == 2
