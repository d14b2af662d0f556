"""The examples run as they stand, on a clip that is made here, with warnings as errors."""

from __future__ import annotations

import runpy
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from support.commands import ROOT
from support.videos import footage
from vdeblur.errors import ModelError
from vdeblur.loading import load_restorer
from vdeblur.media.sources import open_source
from vdeblur.restorers.made import MADE

EXAMPLES = ROOT / "examples" / "python"
COUNT, SIZE = 30, (96, 64)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage(tmp_path_factory.mktemp("clip") / "clip.mp4", COUNT, SIZE)


def run(name: str, *arguments: object) -> None:
    """As `python NAME ARGUMENTS` does, in this process, where torch is loaded already."""
    runpy.run_path(str(EXAMPLES / name))["main"](*map(str, arguments))


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def test_restore_a_file(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out.mp4"
    run("restore_a_file.py", clip, output)
    assert f"{COUNT} frames" in capsys.readouterr().out
    assert len(decoded(output)) == COUNT


def test_restore_a_file_tells_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^InputError: .*none\.mp4: no such file") as end:
        run("restore_a_file.py", tmp_path / "none.mp4", tmp_path / "o.mp4")
    assert "\n" not in str(end.value)
    assert not (tmp_path / "o.mp4").exists()


def test_frames_from_opencv(clip: Path, tmp_path: Path) -> None:
    """Colours stay where they are: what comes out is near what went in."""
    output = tmp_path / "out.avi"
    run("frames_from_opencv.py", clip, output)
    before, after = decoded(clip), decoded(output)
    assert len(after) == COUNT
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(before, after, strict=True)) < 12


def test_decoder_of_your_own(clip: Path, tmp_path: Path) -> None:
    run("decoder_of_your_own.py", clip, tmp_path / "stills")
    stills = sorted(path.name for path in (tmp_path / "stills").iterdir())
    assert stills == ["00000.png", "00001.png"]
    image = cv2.imread(str(tmp_path / "stills" / "00001.png"), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    assert np.abs(image.astype(int) - decoded(clip)[25]).mean() < 20  # limited range became full


def test_live_camera(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file plays as a camera: frames keep their times, and those that came too fast are left out."""
    output = tmp_path / "out.mp4"
    run("live_camera.py", clip, output, 20)
    assert "frames, the slowest after" in capsys.readouterr().out
    with open_source(str(output)) as source:
        times = [frame.seconds for frame in source]
    assert 2 <= len(times) <= COUNT
    assert times == sorted(times)
    assert times[-1] < COUNT / 25 + 0.5


def test_model_of_your_own(clip: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """What comes out is sharper by that model."""
    request.addfinalizer(lambda: MADE.pop("sharpener"))
    output = tmp_path / "out.mp4"
    with pytest.raises(ModelError, match="unknown model 'sharpener'"):
        load_restorer("sharpener")
    run("model_of_your_own.py", clip, output)
    before, after = decoded(clip), decoded(output)
    assert len(after) == COUNT
    assert np.mean([contrast(frame) for frame in after]) > 1.02 * np.mean([contrast(frame) for frame in before])


def contrast(image: np.ndarray) -> float:
    return float(np.abs(np.diff(image.astype(float), axis=1)).mean())


def test_explain_a_moment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    run("explain_a_moment.py", footage(tmp_path / "clip.mp4", COUNT, (224, 200)), 0.6, page)
    said = capsys.readouterr().out
    assert "frame 15 at 0.600 s" in said
    assert "from the frame before" in said
    assert "explained" in page.read_text(encoding="utf-8")


def test_every_example_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{path.name}"' in text for path in EXAMPLES.glob("*.py"))
