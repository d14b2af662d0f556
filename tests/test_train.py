"""Training: it learns, it goes on to the bit where it was stopped, and settings that cannot be are told at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from safetensors import safe_open
from torch.utils.flop_counter import FlopCounterMode

from support.commands import ROOT
from support.train_runs import TINY, same, write_pictures
from vdeblur.backends import checkpoints
from vdeblur.backends.published import published
from vdeblur.errors import InputError, OutputError, UsageError
from vdeblur.loading import ModelOptions, load_restorer
from vdeblur.models import build
from vdeblur.training.config import TrainConfig
from vdeblur.training.learner import FIRST_FLOOR, FLOOR, LearnerConfig
from vdeblur.training.log import TrainingLog, to_svg, to_text
from vdeblur.training.recipe import read_recipe
from vdeblur.training.renderers import shared_memory
from vdeblur.training.train import train


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "photographs", 2, (120, 90))


@pytest.fixture(scope="module")
def config(photographs: Path) -> TrainConfig:
    return replace(TINY, data=(str(photographs),))


@pytest.fixture(scope="module")
def whole(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    assert train(config, folder).step_count == config.steps
    return folder


@pytest.mark.parametrize("at", [1, 7])
def test_a_resumed_run_is_the_run_that_was_never_interrupted(
    config: TrainConfig, whole: Path, tmp_path: Path, at: int
) -> None:
    """The first part stops by its time limit, after a number of steps that the second must not know."""
    halted = train(config, tmp_path, max_minutes=0)
    assert halted.step_count == 1
    while halted.step_count < at:
        halted = train(config, tmp_path, max_minutes=0)
    assert train(config, tmp_path).step_count == config.steps
    assert same(tmp_path, whole)


def test_a_run_is_the_same_however_many_render(config: TrainConfig, whole: Path, tmp_path: Path) -> None:
    """And when processes that render take over in mid-run."""
    for _ in range(3):
        train(config, tmp_path, max_minutes=0)
    assert train(config, tmp_path, renderers=2).step_count == config.steps
    assert same(tmp_path, whole)


def test_invalid_data_is_reported_before_anything_is_written(config: TrainConfig, tmp_path: Path) -> None:
    for renderers in (0, 1):
        with pytest.raises(InputError, match="missing: no such folder; name a folder of sharp photographs"):
            train(replace(config, data=("missing",)), tmp_path / "one", renderers=renderers)
        with pytest.raises(UsageError, match="nothing to learn from"):
            train(TINY, tmp_path / "one", renderers=renderers)
    assert not (tmp_path / "one").exists()


def test_an_error_in_a_renderer_process_is_reported_to_the_user(config: TrainConfig, tmp_path: Path) -> None:
    """Processes of their own find it; the run ends with its one line in place of theirs."""
    broken = tmp_path / "broken" / "picture.png"
    broken.parent.mkdir()
    broken.write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"picture.png: not a readable picture"):
        train(replace(config, data=(str(broken.parent),)), tmp_path / "two", renderers=2)


def test_a_run_killed_between_checkpoints_loses_nothing_but_time(
    config: TrainConfig, whole: Path, tmp_path: Path
) -> None:
    """SIGKILL in a real process, some steps after its last checkpoint."""
    code = f"""
import os, signal
from pathlib import Path
from dataclasses import replace
from support.train_runs import TINY
from vdeblur.training.train import train
if __name__ == "__main__":
    steps = 0
    def check():
        global steps
        steps += 1
        if steps == 6:
            print("killed", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    config = replace(TINY, data=({str(config.data[0])!r},))
    folder = Path({str(tmp_path)!r})
    train(config, folder, max_minutes=0)
    train(config, folder, check=check)
"""
    script = tmp_path / "run.py"
    script.write_text(code)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    killed = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=120)
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "killed\n"), killed.stderr
    with safe_open(str(tmp_path / "resume.safetensors"), "pt") as stored:
        assert stored.metadata()["step"] == "1"
    assert train(config, tmp_path).step_count == config.steps
    assert same(tmp_path, whole)


@pytest.mark.parametrize("kind", ["convlstm", "cnn"])
def test_the_loss_falls(config: TrainConfig, tmp_path: Path, kind: str) -> None:
    model = TINY.model if kind == "convlstm" else {"quarter": 8, "eighth": 8}
    scene = replace(TINY.mix.scene, things=0, frames=2, patterns=0)
    mix = replace(TINY.mix, soft=0, noise=0, compressed=0, scene=scene)
    longer = replace(config, kind=kind, model=model, mix=mix, steps=200, batch=4, reuse=50, easy_start=0.5)
    longer = replace(longer, learner=LearnerConfig(learning_rate=3e-3, warm_up=20))
    lines: list[dict[str, float]] = []
    learner = train(longer, tmp_path, report=lines.append)
    assert [line["step"] for line in lines] == [100, 200]
    assert lines[1]["gain"] > lines[0]["gain"] + 0.05
    assert lines[1]["gain"] > 0.05
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == lines
    pixels = 200 * longer.batch * 2 * longer.mix.scene.size**2
    frame = torch.zeros(1, 1, 6, 64, 64)
    state = learner.network(frame)[1]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        learner.network(frame, None, state)
    assert lines[1]["pixels"] == pixels
    assert lines[1]["flop"] == pytest.approx(3 * counter.get_total_flops() / 128**2 * pixels, rel=1e-3)
    assert 0 < lines[0]["hours"] < lines[1]["hours"]
    ElementTree.parse(tmp_path / "plot.svg")


def test_the_model_it_leaves_restores(whole: Path) -> None:
    checkpoint = checkpoints.load(whole / "model.safetensors")
    assert checkpoint.provenance == {"steps": 12, "data": ["photographs"], "seed": 0}
    assert load_restorer(ModelOptions(str(whole / "model.safetensors"), "cpu")).past == 1


def test_fine_tuning_on_pairs_from_a_models_weights(whole: Path, tmp_path: Path) -> None:
    for kind, seed in (("blur", 1), ("sharp", 2)):
        write_pictures(tmp_path / "pairs" / "clip" / kind, 5, (40, 36), seed)
    config = replace(TINY, pairs=(str(tmp_path / "pairs"),), steps=3, init=str(whole / "model.safetensors"))
    first = train(replace(config, learner=LearnerConfig(learning_rate=0.0)), tmp_path / "still")
    given = checkpoints.load(whole / "model.safetensors").tensors
    assert all(torch.equal(value, given[name].float()) for name, value in first.network.state_dict().items())
    assert train(config, tmp_path / "run").step_count == 3
    assert checkpoints.load(tmp_path / "run" / "model.safetensors").provenance["data"] == ["pairs"]


def test_pairs_that_are_too_short_or_too_small_are_named(tmp_path: Path) -> None:
    for kind in ("blur", "sharp"):
        write_pictures(tmp_path / "short" / "clip" / kind, 2, (40, 36))
        write_pictures(tmp_path / "small" / "clip" / kind, 4, (40, 24))
    for name, message in (("short", "longest clip has 2 frames"), ("small", "40x24 is smaller than mix.scene.size")):
        with pytest.raises(InputError, match=message):
            train(replace(TINY, pairs=(str(tmp_path / name),)), tmp_path / "run")


def test_a_run_of_another_model_is_not_continued(config: TrainConfig, whole: Path) -> None:
    with pytest.raises(InputError, match=r"resume\.safetensors: is of another model .*another folder"):
        train(replace(config, model=config.model | {"hidden": 4}), whole)


def test_a_run_that_goes_on_with_other_settings_says_so(config: TrainConfig, tmp_path: Path) -> None:
    """Where its data lies is no setting."""
    train(config, tmp_path, max_minutes=0)
    lines: list[dict[str, object]] = []
    moved = replace(config, data=(f"{config.data[0]}/../photographs",))
    train(moved, tmp_path, max_minutes=0, report=lines.append)
    assert lines == []
    faster = replace(config, learner=replace(config.learner, learning_rate=0.5))
    train(faster, tmp_path, max_minutes=0, report=lines.append)
    assert lines == [{"step": 2, "changed": ["learner.learning_rate: 0.001 -> 0.5"]}]
    assert to_text(lines[0], 12) == "step 2: goes on with other settings: learner.learning_rate: 0.001 -> 0.5"


def test_a_model_tells_what_it_began_with_and_no_ones_paths(config: TrainConfig, whole: Path, tmp_path: Path) -> None:
    begun = replace(config, init=str(whole / "model.safetensors"))
    train(begun, tmp_path, max_minutes=0)
    train(begun, tmp_path, max_minutes=0)
    told = checkpoints.load(tmp_path / "model.safetensors").provenance
    first = {"file": "model.safetensors", "steps": 12, "data": ["photographs"], "seed": 0}
    assert told == {"steps": 2, "data": ["photographs"], "seed": 0, "init": first}
    for name in ("model", "resume"):
        with safe_open(str(tmp_path / f"{name}.safetensors"), "pt") as stored:
            assert str(whole.parent) not in str(stored.metadata())


def test_a_damaged_checkpoint_is_named(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "resume.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"resume\.safetensors: not a readable checkpoint"):
        train(config, tmp_path)


@pytest.mark.needs("cuda")
def test_checkpoints_move_between_cpu_and_gpu(config: TrainConfig, tmp_path: Path) -> None:
    train(config, tmp_path, max_minutes=0, device="cuda:0")
    train(config, tmp_path, max_minutes=0, device="cpu")
    assert train(config, tmp_path, device="cuda:0").step_count == config.steps


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[learner]\nleaning_rate = 1e-3", r'unknown key "learner.leaning_rate"; did you mean "learning_rate"\?'),
        ("[mix.scene]\nblurpx = [1, 2]", r'unknown key "mix.scene.blurpx"; did you mean "blur_px"\?'),
        ("[model]\neigth = 8", r'unknown key "model.eigth"; did you mean "eighth"\?'),
        ('kind = "cnn"\n[model]\nhidden = 8', r'unknown key "model.hidden"'),
        ('kind = "convlst"', r'unknown kind "convlst"; did you mean "convlstm"\?'),
        ('steps = "many"', r'"steps" is \'many\', but must be of type int'),
        ("steps = true", r'"steps" is True'),
        ("steps = 0", r'recipe.toml: "steps" must be at least 1'),
        ("mix = 3", r'"mix" is 3'),
        ("data = 3", r'"data" is 3'),
        ("[mix.scene]\nblur_px = [1, 2, 3]", r'"mix.scene.blur_px" is \[1, 2, 3\]'),
        ("[mix.scene]\nsize = 100", r'"mix.scene.size" must be a multiple of 16'),
        ("short = 2", r'"short" must be 0 to 1'),
        ("teacher_views = 9", r'"teacher_views" must be 1 to 8'),
        ("steps = ", r"recipe.toml: not valid TOML"),
    ],
)
def test_invalid_settings_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_recipe(tmp_path / "recipe.toml")


def test_a_missing_recipe(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")


def test_the_published_recipes_are_the_published_models() -> None:
    for model in published():
        recipe = read_recipe(ROOT / "weights" / f"{Path(model.file).stem}.toml", data=("photos",))
        config = build(recipe.kind, recipe.model).config
        assert (recipe.kind, asdict(config)) == (model.kind, asdict(build(model.kind, model.config).config)), model.name


def test_a_run_of_minutes_ends_by_the_clock(config: TrainConfig, tmp_path: Path) -> None:
    learner = train(replace(config, steps=1, minutes=0.05), tmp_path)
    assert learner.step_count > 1
    assert (tmp_path / "model.safetensors").exists()
    assert train(replace(config, steps=1, minutes=0.05), tmp_path).step_count == learner.step_count


def test_batches_that_shared_memory_has_no_room_for_go_elsewhere() -> None:
    """A container's 64 MB of /dev/shm: a process that writes beyond them dies of a bus error."""
    assert shared_memory(1 << 60) is None


def test_the_schedule_stays_and_falls() -> None:
    config = replace(TINY, steps=12, cool_down=1 / 3, easy_start=0.5)
    behind = [config.done(step, 0.0) for step in range(config.steps)]
    assert [config.rate(done) for done in behind] == pytest.approx([*[1.0] * 9, 0.75, 0.5, 0.25])
    floors = [config.floor(done) for done in behind]
    assert floors[0] == FIRST_FLOOR
    assert floors[6:] == [FLOOR] * 6


def test_a_run_of_minutes_cools_down_by_the_clock() -> None:
    config = replace(TINY, steps=1, minutes=0.5, cool_down=0.5)
    rates = [config.rate(config.done(99, seconds)) for seconds in (0, 15, 24, 30, 99)]
    assert rates == pytest.approx([1, 1, 0.4, 0, 0])


def cli(*arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "vdeblur", "train", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload,no-any-return]


RECIPE = """
steps = {steps}
batch = 2
[model]
quarter = 8
eighth = 8
[mix]
footage = 0
[mix.scene]
size = 32
frames = 3
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint(tmp_path: Path, photographs: Path, signum: signal.Signals) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE.format(steps=10**6))
    run = tmp_path / "run"
    arguments = ["--config", tmp_path / "recipe.toml", "--data", photographs, "--run", run, "--progress", "json"]
    process = cli(*arguments, "-d", "cpu", start_new_session=True)
    while not (run / "log.jsonl").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    time.sleep(0.5)  # somewhere between the renderer's start and the first hundred steps
    os.killpg(process.pid, signum)  # as a terminal does: the renderers get it, too
    said = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 128 + signum
    assert said[-1] == f"vdeblur: stopped; run the same command to resume from the checkpoint in {run}"
    assert "Traceback" not in "".join(said)
    with safe_open(str(run / "resume.safetensors"), "pt") as stored:
        assert int(stored.metadata()["step"]) >= 0
    assert checkpoints.load(run / "model.safetensors").provenance["seed"] == 0


def test_a_run_folder_that_cannot_be_made_is_an_error_of_the_output(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(OutputError, match=f"{folder}: cannot write the log"):
            TrainingLog(folder, 0, 1, 1.0)


def test_the_command_trains_resumes_and_reports(tmp_path: Path, photographs: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE.format(steps=100))
    arguments = ["--config", tmp_path / "recipe.toml", "--data", photographs, "--run", tmp_path / "run", "-d", "cpu"]
    process = cli(*arguments)
    said = process.communicate(timeout=120)[1].splitlines()
    assert process.returncode == 0, said
    assert said[0].startswith("vdeblur: step 100/100: loss -")
    assert said[1] == f"vdeblur: 100 of 100 steps done; use it with -m {tmp_path / 'run' / 'model.safetensors'}"
    log = (tmp_path / "run" / "log.jsonl").read_text()
    again = cli(*arguments)
    assert again.communicate(timeout=120)[1].splitlines() == said[1:]
    assert (tmp_path / "run" / "log.jsonl").read_text() == log


def test_lines_and_plot_of_a_log() -> None:
    lines = [{"step": s, "loss": -20.0 - s, "gain": s / 1000, "steps_per_s": 2.0} for s in (100, 200, 300)]
    validation = {"step": 250, "validation": {"gain": 0.5, "gain_no_state": 0.25}}
    assert to_text(lines[0], 300) == "step 100/300: loss -120.00 dB, gain +0.10 dB, 2 steps/s, 1:40 left"
    assert to_text(lines[1] | {"hours": 0.01}, 300, minutes=2) == (
        "step 200: loss -220.00 dB, gain +0.20 dB, 2 steps/s, 1:24 left"
    )
    assert to_text(validation, 300) == (
        "step 250: validation gain +0.50 dB, with the state reset at each frame +0.25 dB"
    )
    assert to_svg([]) == ""
    root = ElementTree.fromstring(to_svg([*lines, validation]))
    text = "".join(root.itertext())
    assert all(word in text for word in ("loss", "training batches", "validation, state reset", "step 300"))
