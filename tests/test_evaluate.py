"""Evaluation: folder layouts, scores against known restorers, the JSON contract, tables and the page."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from support.commands import ROOT, run
from support.needs import SHARED
from vdeblur.errors import InputError, OutputError
from vdeblur.frames import Frame
from vdeblur.quality.evaluate import Evaluation, StateReset, compare, do_no_harm, evaluate, restore_still, to_json
from vdeblur.quality.pairs import find_clips, find_sharp_clips, read_frame, rgb_image
from vdeblur.quality.report import to_html, to_markdown, write_report
from vdeblur.restorer import Restorer, State
from vdeblur.restorers.classical import CLASSICAL
from vdeblur.windows import Window

Picture = NDArray[Any]
SHARED_PAIRS = SHARED / "eval/real_pairs"


def picture(
    seed: int, width: int = 40, height: int = 24, sigma: float = 1.0, dtype: type[np.uint8 | np.uint16] = np.uint8
) -> Picture:
    scale = 1 if dtype == np.uint8 else 257
    values = np.random.default_rng(seed).integers(40, 200, (height, width, 3)).astype(np.float32) * scale
    return cv2.GaussianBlur(values, (0, 0), sigma).astype(dtype)


def write(folder: Path, pictures: Iterable[Picture], suffix: str = ".png", first: int = 0) -> None:
    folder.mkdir(parents=True)
    for index, values in enumerate(pictures, first):
        assert cv2.imwrite(str(folder / f"{index:06d}{suffix}"), values)


def write_pair(blur: Path, sharp: Path, seed: int = 0, length: int = 3) -> None:
    sharp_pictures = [picture(seed * 100 + index) for index in range(length)]
    write(sharp, sharp_pictures)
    write(blur, [cv2.GaussianBlur(values, (0, 0), 1.5) for values in sharp_pictures])


class Identity:
    name, device, precision, past, future = "identity", "cpu", "native", 0, 0

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        return window.centre, state


class Oracle(Identity):
    """Knows the truth by its index; wide windows, so that order and count are put to the test."""

    name, past, future = "oracle", 2, 1

    def __init__(self, truth: list[Path]) -> None:
        self.truth = truth

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        planes = read_frame(self.truth[window.centre.pts], 0).planes
        return replace(window.centre, planes=planes), state


class Brighter(Identity):
    """One level brighter everywhere, two on every second frame of a scene: the state counts frames."""

    name = "brighter"

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        count = state or 0
        planes = tuple(plane + np.uint8(1 + count % 2) for plane in window.centre.planes)
        return replace(window.centre, planes=planes), count + 1


class RunningMean(Identity):
    """A real recurrence: the mean of all frames since the scene began."""

    name = "running mean"

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        total, count = state or (0.0, 0)
        total, count = total + np.stack(window.centre.planes).astype(float), count + 1
        return replace(window.centre, planes=tuple(np.rint(total / count).astype(np.uint8))), (total, count)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    write_pair(tmp_path / "pairs/one/blur", tmp_path / "pairs/one/sharp", seed=1, length=3)
    write_pair(tmp_path / "pairs/two & <b>/blur", tmp_path / "pairs/two & <b>/sharp", seed=2, length=5)
    return tmp_path / "pairs"


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ([("a/blur", "a/sharp"), ("b/blur", "b/sharp")], ["a", "b"]),
        ([("blur", "sharp")], ["root"]),
        ([("blur/c1", "sharp/c1"), ("blur/c2", "sharp/c2")], ["c1", "c2"]),
        ([("train/GOPR0372/blur", "train/GOPR0372/sharp"), ("test/GOPR1/blur", "test/GOPR1/sharp")],
         ["test/GOPR1", "train/GOPR0372"]),
        ([("train_blur/000", "train_sharp/000"), ("val_blur/010", "val_sharp/010"), ("val_blur/9", "val_sharp/9")],
         ["train/000", "val/9", "val/010"]),
        ([("BSD_3ms24ms/test/007/Blur/RGB", "BSD_3ms24ms/test/007/Sharp/RGB")], ["BSD_3ms24ms/test/007"]),
    ],
    ids=["own", "one clip", "blur above clips", "GoPro", "REDS", "BSD"],
)  # fmt: skip
def test_the_layouts_of_public_sets_are_read_as_they_are(
    tmp_path: Path, layout: list[tuple[str, str]], names: list[str]
) -> None:
    root = tmp_path / "root"
    for number, (blur, sharp) in enumerate(layout):
        write_pair(root / blur, root / sharp, seed=number)
        if "GOPR" in blur:
            write((root / blur).parent / "blur_gamma", [picture(0)])
    clips = find_clips(root)
    assert [clip.name for clip in clips] == names
    for clip in clips:
        files = [f"{index:06d}.png" for index in range(3)]
        assert [path.name for path in clip.blur] == [path.name for path in clip.sharp] == files
        assert all("blur" in str(path.relative_to(root)).lower() for path in clip.blur)
        assert all("sharp" in str(path.relative_to(root)).lower() for path in clip.sharp)


def test_the_reds_test_set_without_truth_is_skipped(tmp_path: Path) -> None:
    write_pair(tmp_path / "val_blur/000", tmp_path / "val_sharp/000")
    write(tmp_path / "test_blur/000", [picture(0)])
    assert [clip.name for clip in find_clips(tmp_path)] == ["val/000"]


def test_images_are_ordered_by_number_and_paired_across_suffixes(tmp_path: Path) -> None:
    for name in ("frame9", "frame10"):
        for side, suffix in (("blur", ".jpg"), ("sharp", ".png")):
            (tmp_path / "clip" / side).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "clip" / side / (name + suffix)), picture(0))
    (clip,) = find_clips(tmp_path)
    assert [path.stem for path in clip.blur] == [path.stem for path in clip.sharp] == ["frame9", "frame10"]


def test_ill_formed_folders_are_named_with_what_is_expected(tmp_path: Path) -> None:
    def refused(folder: Path, *words: str | Path) -> None:
        with pytest.raises(InputError) as caught:
            evaluate(folder, Identity())
        message = str(caught.value)
        assert "\n" not in message
        for word in words:
            assert str(word) in message

    refused(tmp_path / "absent", tmp_path / "absent", "no such folder", "CLIP/blur and CLIP/sharp")
    (tmp_path / "file").touch()
    refused(tmp_path / "file", "is not a folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path / "empty", "no clips", "CLIP/blur and CLIP/sharp")

    write(tmp_path / "half/clip/blur", [picture(0)])
    refused(tmp_path / "half", tmp_path / "half/clip", "no sharp/")
    (tmp_path / "half/clip/sharp").mkdir()
    refused(tmp_path / "half", tmp_path / "half/clip/blur/000000.png", tmp_path / "half/clip/sharp")
    cv2.imwrite(str(tmp_path / "half/clip/sharp/000000.png"), picture(0, width=20))
    refused(tmp_path / "half", "000000.png", "40x24", "20x24")
    cv2.imwrite(str(tmp_path / "half/clip/sharp/000000.png"), picture(0))
    for side in ("blur", "sharp"):
        cv2.imwrite(str(tmp_path / "half/clip" / side / "000001.png"), picture(0, dtype=np.uint16))
    refused(tmp_path / "half", "000001.png", "16 bits", "8 bits")
    (tmp_path / "half/clip/blur/000001.png").write_bytes(b"no image")
    refused(tmp_path / "half", "000001.png", "not an image")


def test_sixteen_bit_images_stay_exact(tmp_path: Path) -> None:
    values = picture(3, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), values)
    frame = read_frame(tmp_path / "a.png", 7)
    assert (frame.layout.model, frame.layout.bits, frame.pts, frame.size) == ("rgb", 16, 7, (40, 24))
    for plane, channel in zip(frame.planes, (2, 1, 0), strict=True):
        np.testing.assert_array_equal(plane, values[..., channel])
    np.testing.assert_array_equal(rgb_image(frame), np.rint(values[..., ::-1] / 257))


def test_the_identity_has_no_gain_and_the_truth_an_infinite_psnr(pairs: Path) -> None:
    clips = find_clips(pairs)
    nothing = evaluate(clips, Identity())
    assert nothing.frames == 8
    assert nothing.gain_db() == 0
    assert all(nothing.mean(metric) == nothing.mean_input(metric) for metric in ("psnr", "ssim", "tof", "flicker"))
    everything = evaluate(clips[:1], Oracle(list(clips[0].sharp)))
    assert [everything.mean(metric) for metric in ("psnr", "ssim", "tof")] == pytest.approx([100, 1, 0])
    assert everything.clips["one"].output["psnr"] == [math.inf] * 3


def test_means_count_every_frame_once(pairs: Path) -> None:
    result = evaluate(pairs, Identity())
    series = [clip.output["psnr"] for clip in result.clips.values()]
    assert [len(values) for values in series] == [3, 5]
    assert [len(clip.output["tof"]) for clip in result.clips.values()] == [2, 4]
    assert result.mean("psnr") == pytest.approx(np.mean(np.concatenate(series)))
    assert result.mean("psnr", "one") == pytest.approx(np.mean(series[0]))


def test_the_state_is_carried_through_a_clip_and_matters(tmp_path: Path) -> None:
    truth = picture(0)
    noise = np.random.default_rng(1)
    noisy = [np.clip(truth + noise.normal(0, 10, truth.shape), 0, 255).astype(np.uint8) for _ in range(6)]
    for clip in ("a", "b"):
        write(tmp_path / clip / "blur", noisy)
        write(tmp_path / clip / "sharp", [truth] * 6)
    carried = evaluate(tmp_path, RunningMean())
    forgetting = evaluate(tmp_path, StateReset(RunningMean()))
    assert carried.gain_db() > forgetting.gain_db() + 2
    assert forgetting.gain_db() == 0
    assert carried.clips["a"].output == carried.clips["b"].output, "each clip starts without a state"
    assert (carried.model, forgetting.model) == ("running mean", "running mean, state reset")


class Peeking(Identity):
    """Begins a scene with the mean of all frames that it sees, and adds it to every frame."""

    future = 2

    def restore(self, window: Window, state: State) -> tuple[Frame, State]:
        own = np.mean([frame.planes[0] for frame in window.frames]) if state is None else state
        return replace(window.centre, planes=tuple(np.full_like(p, own) for p in window.centre.planes)), own


def test_a_state_from_frames_to_come_is_not_kept_either_where_it_is_reset(tmp_path: Path) -> None:
    levels = (10, 90, 30, 70)
    for side in ("blur", "sharp"):
        write(tmp_path / "clip" / side, [np.full((8, 8, 3), level, np.uint8) for level in levels])
    assert evaluate(tmp_path, StateReset(Peeking())).mean("psnr") == 100
    assert evaluate(tmp_path, Peeking()).mean("psnr") != 100


def test_sharp_footage_is_compared_with_itself(tmp_path: Path) -> None:
    write(tmp_path / "clip", [picture(0), picture(1)])
    write_pair(tmp_path / "pair/blur", tmp_path / "pair/sharp")
    assert [clip.name for clip in find_sharp_clips(tmp_path)] == ["clip", "pair"]
    assert {path.parent.name for path in find_sharp_clips(tmp_path)[1].blur} == {"sharp"}
    assert do_no_harm(tmp_path, Identity()).mean("psnr") == 100
    harmed = do_no_harm(tmp_path / "clip", Brighter())
    assert harmed.clips["clip"].output["psnr"] == pytest.approx([20 * math.log10(255), 20 * math.log10(127.5)])
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="none: no images"):
        do_no_harm(tmp_path / "none", Identity())


def test_a_repeated_image_measures_only_flicker(pairs: Path) -> None:
    clips = find_clips(pairs)
    assert restore_still(clips, Identity()).mean("flicker") == 0
    assert restore_still(clips, Brighter()).mean("flicker") == pytest.approx(1)


def test_the_json_contract(pairs: Path) -> None:
    result = evaluate(pairs, Brighter())
    report = json.loads(json.dumps(to_json(result), allow_nan=False))
    keys = {"model", "frames", "psnr_input", "psnr", "gain_db", "ssim_input", "ssim", "clips", "tof", "tof_input"}
    assert keys <= report.keys()
    assert report["model"] == "brighter"
    assert report["frames"] == sum(clip["frames"] for clip in report["clips"].values()) == 8
    assert report["gain_db"] == pytest.approx(report["psnr"] - report["psnr_input"])
    assert list(report["clips"]) == ["one", "two & <b>"]
    for clip in report["clips"].values():
        assert {"psnr_input", "psnr", "frames"} <= clip.keys()


def test_one_frame_has_no_motion_to_measure(tmp_path: Path) -> None:
    write_pair(tmp_path / "clip/blur", tmp_path / "clip/sharp", length=1)
    result = evaluate(tmp_path, Identity())
    assert (result.frames, result.mean("tof")) == (1, None)
    assert json.loads(json.dumps(to_json(result), allow_nan=False))["tof"] is None
    assert "–" in to_markdown([result])
    assert "<svg" in to_html([result])


@pytest.fixture
def results(pairs: Path, tmp_path: Path) -> list[Evaluation]:
    write(tmp_path / "calm/clip", [picture(8), picture(9)])
    restorers = [CLASSICAL["unsharp"](), Brighter(), StateReset(Brighter())]
    return compare(pairs, restorers, sharp=tmp_path / "calm")


def test_a_comparison_scores_each_model_like_an_evaluation_alone(pairs: Path, results: list[Evaluation]) -> None:
    assert [result.model for result in results] == ["unsharp", "brighter", "brighter, state reset"]
    restorers: list[Restorer] = [CLASSICAL["unsharp"](), Brighter(), StateReset(Brighter())]
    for result, restorer in zip(results, restorers, strict=True):
        alone = evaluate(pairs, restorer)
        for name, clip in alone.clips.items():
            assert (result.clips[name].input, result.clips[name].output) == (clip.input, clip.output)
        assert {"flicker_still", "psnr_sharp"} <= to_json(result).keys()


def test_the_table_has_a_row_per_model_and_marks_the_best(results: list[Evaluation]) -> None:
    lines = to_markdown(results).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in rows] == ["model", "---", "blurred input", "unsharp", "brighter", "brighter, state reset"]
    assert len({len(row) for row in rows}) == 1
    column = rows[0].index("PSNR dB")
    values = [row[column] for row in rows[2:]]
    best = max(values, key=lambda text: float(text.strip("*")))
    assert best.startswith("**")
    means = [results[0].mean_input("psnr"), *[result.mean("psnr") for result in results]]
    assert best.strip("*") == f"{max(mean for mean in means if mean is not None):.2f}"


class Page(HTMLParser):
    """Checks nesting, and collects what a page loads and says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str | None] = []
        self.links: list[str | None] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "srcset", "data")]
        self.links += [value for name, value in attributes if name == "href"]
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_self_contained(results: list[Evaluation], tmp_path: Path) -> None:
    write_report(results, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    page = Page(text)
    assert not page.links
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text
    clips, pictures_per_clip = 2, 2 + len(results)
    assert len(page.sources) == clips * pictures_per_clip
    assert all(source and source.startswith("data:image/webp;base64,") for source in page.sources)
    assert page.tags.count("input") == clips
    assert page.tags.count("svg") == 2 * clips + 1
    assert "two & <b>" in page.text
    assert "prefers-color-scheme: dark" in page.text


def test_a_report_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for place in ("absent/report.html", "folder"):
        done = run("eval", "--pairs", tmp_path / "no pairs", "--html", tmp_path / place)
        assert (done.exit_code, done.stdout) == (5, "")
        assert place in done.stderr
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.needs("linux")
def test_results_are_printed_though_the_report_turns_out_not_to_fit(pairs: Path, tmp_path: Path) -> None:
    code = (  # no file may grow, as on a disk that others have filled during the work
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "from vdeblur.cli import main; sys.argv[0] = 'vdeblur'; main()"
    )
    words = ["eval", "--pairs", str(pairs), "-m", "unsharp", "--html", str(tmp_path / "report.html"), "--json"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 5, done.stderr
    assert json.loads(done.stdout)["model"] == "unsharp"
    assert "report.html: cannot write the report" in done.stderr
    assert not list(tmp_path.glob("*report*"))


def test_a_report_that_cannot_be_written_says_where(results: list[Evaluation], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for place in ("absent/report.html", "folder"):
        with pytest.raises(OutputError, match=place):
            write_report(results, tmp_path / place)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.needs("shared")
def test_the_real_pairs_start_at_their_known_psnr() -> None:
    result = evaluate(SHARED_PAIRS, Identity(), metrics=("psnr",))
    assert result.frames == 20
    assert result.mean_input("psnr") == pytest.approx(26.07, abs=0.005)
