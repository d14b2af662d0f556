"""Presets: draft, good and best, one's own in a TOML file, and what wins over what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import pytest
from click.testing import Result

from support.commands import run
from support.videos import encoded_with, footage
from vdeblur.backends.published import published
from vdeblur.cli.presets import BUILT_IN
from vdeblur.media.encoder_ranges import check_value
from vdeblur.media.quality import STEPS

SAVED = """
overwrite = true

[presets.archive]
quality = "best"
model = "unsharp"
views = 1
codec = "ffv1"
encoder-option = { slices = 4 }

[presets.tiny]
model = "unsharp"
crf = 40
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=20, size=(160, 120))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    (tmp_path / "presets.toml").write_text(SAVED)
    return tmp_path / "presets.toml"


def summary(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    said: dict[str, Any] = json.loads(result.stdout)
    return said


@pytest.mark.parametrize("name", [*BUILT_IN])
def test_a_preset_is_what_it_says_it_stands_for(clip: Path, tmp_path: Path, name: str) -> None:
    listed = {preset["name"]: preset for preset in json.loads(run("presets", "--json").stdout)}[name]
    out = tmp_path / "out.mp4"
    summary(run(clip, "-o", out, "--quality", name, "-m", "unsharp", "--json"))
    assert float(encoded_with(out)["crf"]) == float(listed["encoders"]["libx264"]["crf"])
    written = [f"--{key} {value}" for key, value in listed["settings"].items()]
    text = run("presets").stdout
    assert all(words in text for words in written)
    step = listed["encoders"]["libx264"]
    assert f"--crf {step['crf']} --preset {step['preset']}" in text


def test_presets_use_published_models_and_presets_that_the_encoder_supports() -> None:
    assert {preset["model"] for preset in BUILT_IN.values() if "model" in preset} <= {m.name for m in published()}
    assert set(BUILT_IN) == set(STEPS)
    for quality in STEPS.values():
        for encoder, settings in quality.items():
            for key, value in settings.items():
                check_value(encoder, key, value, key)


def test_draft_is_smaller_than_good_and_good_than_best(tmp_path: Path) -> None:
    """Of footage with detail, as a camera's has; what a restored clip looks like is not what this is about."""
    import numpy as np

    noisy = tmp_path / "noisy.mkv"
    random = np.random.default_rng(0)
    detail = random.integers(0, 255, (144, 176, 3)).astype(np.uint8)
    with av.open(str(noisy), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        for index in range(20):
            picture = np.roll(detail, 2 * index, axis=1) // 4 + random.integers(0, 24, detail.shape).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    for codec in ("libx264", "libx265", "libsvtav1"):
        sizes = []
        for name in ("draft", "good", "best"):
            words = ("-o", tmp_path / "out.mkv", "-y", "--quality", name, "-m", "unsharp", "--strength", "0")
            sizes.append(summary(run(noisy, *words, "--codec", codec, "--json"))["output_bytes"])
        assert sizes == sorted(sizes), codec


def test_options_win_over_a_preset(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    summary(run(clip, "-o", out, "--quality", "best", "-m", "unsharp", "--crf", "30", "--json"))
    assert float(encoded_with(out)["crf"]) == 30
    assert summary(run(clip, "-o", out, "-y", "--quality", "draft", "--json", VDEBLUR_MODEL="nlm"))["model"] == "nlm"


def test_a_saved_preset_fills_options_and_its_base_the_rest(clip: Path, tmp_path: Path, saved: Path) -> None:
    out = tmp_path / "out.mkv"
    said = summary(run(clip, "-o", out, "--config", saved, "--quality", "archive", "--json"))
    assert said["model"] == "unsharp"
    assert json.loads(run("info", out, "--json").stdout)["video"]["codec"] == "ffv1"
    mp4 = tmp_path / "out.mp4"
    words = ("--config", str(saved), "--quality", "archive", "--codec", "libx264", "-e", "psy=0")
    summary(run(clip, "-o", mp4, *words, "--json"))
    assert encoded_with(mp4)["crf"].startswith(STEPS["best"]["libx264"]["crf"])
    text = run("presets", "--config", saved).stdout
    assert "archive  --model unsharp --views 1 --codec ffv1 --encoder-option slices=4" in text


def test_a_preset_on_the_command_line_overrides_the_config_file(clip: Path, tmp_path: Path, saved: Path) -> None:
    """The command line and the environment come before the file, a preset that the file names comes behind it."""
    out = tmp_path / "out.mp4"
    saved.write_text('crf = 33\nmodel = "unsharp"\n' + SAVED)
    words = (clip, "-o", out, "--config", saved, "--json")
    summary(run(*words, "--quality", "tiny"))
    assert float(encoded_with(out)["crf"]) == 40
    summary(run(*words, VDEBLUR_QUALITY="tiny"))
    assert float(encoded_with(out)["crf"]) == 40
    saved.write_text('quality = "tiny"\n' + saved.read_text())
    summary(run(*words))
    assert float(encoded_with(out)["crf"]) == 33


def test_a_saved_good_is_the_default(clip: Path, tmp_path: Path, saved: Path) -> None:
    out = tmp_path / "out.mp4"
    saved.write_text(SAVED + '[presets.good]\nquality = "draft"\nmodel = "unsharp"\n')
    words = (clip, "-o", out, "--config", saved, "--json")
    assert summary(run(*words))["model"] == "unsharp"
    assert encoded_with(out)["crf"].startswith(STEPS["draft"]["libx264"]["crf"])
    summary(run(*words, "--quality", "tiny"))
    assert float(encoded_with(out)["crf"]) == 40
    saved.write_text("crf = 33\n" + saved.read_text())
    assert summary(run(*words))["model"] == "unsharp"
    assert float(encoded_with(out)["crf"]) == 33


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--quality", "bets"), 'did you mean "best"?'),
        (("--quality", "archvie", "--config", "presets.toml"), 'did you mean "archive"?'),
        (("--quality", "bad", "--config", "bad.toml"), 'unknown key "modle"; did you mean "model"?'),
        (("--quality", "worse", "--config", "bad.toml"), "choose draft, good, best"),
        (("--config", "odd.toml"), '"presets" must hold one table per preset'),
    ],
)
def test_an_invalid_preset_is_a_one_line_error(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("presets.toml").write_text(SAVED)
    Path("bad.toml").write_text('[presets.bad]\nmodle = "fast"\n[presets.worse]\nquality = "archive"\n')
    Path("odd.toml").write_text('presets = "archive"\n')
    result = run(clip, "-o", "out.mp4", *words)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert said in line
    assert not Path("out.mp4").exists()


def test_batch_and_segment_take_presets_too(clip: Path, tmp_path: Path, saved: Path) -> None:
    words = ("-o", tmp_path / "out", "--config", saved, "--quality", "tiny", "--jobs", "1")
    assert run("batch", clip, *words).exit_code == 0
    assert float(encoded_with(tmp_path / "out" / "clip.mp4")["crf"]) == 40
    assert "--quality" in run("segment", "--help").stdout
