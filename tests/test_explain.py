"""An explanation says what really happened: on networks and footage whose truth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vdeblur
from support.explained import copying, scribble, smeared, write_frames, write_model
from support.networks import tiny
from support.videos import footage
from vdeblur import ExplainOptions
from vdeblur.errors import InputError, UsageError
from vdeblur.quality.explain.attribution import attribute
from vdeblur.quality.explain.calibration import calibrate
from vdeblur.quality.explain.certainty import beyond_evidence, calibrated, luma, rank_correlation
from vdeblur.quality.explain.known import shaken
from vdeblur.quality.explain.motion import UNKNOWN_SHARE
from vdeblur.quality.explain.reach import History, Moment
from vdeblur.quality.explain.sources import AFTER, BEFORE, SOURCES, STATE, THIS
from vdeblur.quality.explain.steps import NetworkSteps
from vdeblur.recurrence import Motion


@pytest.fixture
def taught(tmp_path: Path) -> str:
    return write_model(tmp_path / "copying.safetensors", copying())


@pytest.fixture
def random(tmp_path: Path) -> str:
    return write_model(tmp_path / "random.safetensors", tiny("convlstm", residual=0.3))


def steps_of(path: str, model: str, **settings: Any) -> tuple[Any, list[Any], list[Any]]:
    """The explanation, what is known of each frame, and each frame's figures."""
    steps: list[Any] = []
    found = vdeblur.explain(
        path, model, ExplainOptions(device="cpu", **settings), on_step=lambda step, facts: steps.append(step)
    )
    return found, steps, found.frames


def of_luma(part: torch.Tensor, size: tuple[int, int]) -> Any:
    return np.abs(luma(part).numpy()[: size[1], : size[0]])


def edges(picture: Any) -> Any:
    grey = picture.astype(np.float32).mean(2)
    return np.hypot(*np.gradient(grey)) > 20


def test_detail_that_only_the_previous_frame_contains_is_attributed_to_it(tmp_path: Path, taught: str) -> None:
    sharp = scribble()
    path = write_frames(tmp_path / "clip", [sharp, smeared(sharp)])
    _, steps, facts = steps_of(path, taught, views=1, scene_cuts=False)
    parts = steps[1].attribution.parts
    sizes = {source: of_luma(part, (160, 128))[edges(sharp)].mean() for source, part in parts.items()}
    assert sizes[BEFORE] / sum(sizes.values()) > 0.8
    assert facts[1].shares[BEFORE] > 0.5
    assert facts[1].shares[AFTER] == 0
    assert facts[1].shares[STATE] < 1e-6

    path = write_frames(tmp_path / "grey", [np.full_like(sharp, 30), smeared(sharp)])
    _, _, facts = steps_of(path, taught, views=1, scene_cuts=False)
    assert facts[1].shares[BEFORE] < 0.02
    assert facts[1].shares[THIS] > 0.98


@pytest.mark.parametrize("kind", ["convlstm", "cnn"])
def test_the_parts_sum_to_the_residual_and_the_shares_to_one(tmp_path: Path, kind: str) -> None:
    network = tiny(kind, residual=0.3)
    from vdeblur.backends.checkpoints import save

    save(tmp_path / "it.safetensors", network, kind, network.state_dict(), {})
    path = footage(tmp_path / "clip.mp4", frames=6)
    _, steps, facts = steps_of(str(path), str(tmp_path / "it.safetensors"), views=1)
    for step, fact in zip(steps, facts, strict=True):
        total = sum(step.attribution.parts.values())
        assert torch.allclose(total, step.attribution.residual, atol=1e-5)
        assert fact.gap < 1e-2
        assert sum(fact.shares.values()) == pytest.approx(1)
        assert all(0 <= share <= 1 for share in fact.shares.values())
    assert (facts[3].shares[BEFORE] > 0) == (kind == "convlstm")
    assert (facts[3].shares[AFTER] > 0) == (kind == "convlstm")
    assert facts[-1].shares[AFTER] == 0
    if kind == "cnn":
        assert facts[3].shares[THIS] == 1
        assert facts[3].cell is None


def test_independent_and_interacting_sources_are_distinguished() -> None:
    one = torch.ones(1, 6, 4, 4)

    def alone(kept: frozenset[str]) -> torch.Tensor:
        return 0.5 * one + 0.25 * one * (BEFORE in kept) - 0.5 * one * (STATE in kept)

    found = attribute(alone, (BEFORE, STATE), alone(frozenset({BEFORE, STATE})))
    assert {s: float(p.mean()) for s, p in found.parts.items()} == {THIS: 0.5, BEFORE: 0.25, AFTER: 0, STATE: -0.5}
    assert found.together == pytest.approx(0)

    def together(kept: frozenset[str]) -> torch.Tensor:
        return one * ({BEFORE, AFTER} <= kept)

    found = attribute(together, (BEFORE, AFTER), together(frozenset({BEFORE, AFTER})))
    assert {s: float(p.mean()) for s, p in found.parts.items()} == {THIS: 0, BEFORE: 0.5, AFTER: 0.5, STATE: 0}
    assert found.together == pytest.approx(1)


def test_a_model_that_changes_nothing_explains_nothing(tmp_path: Path) -> None:
    model = write_model(tmp_path / "identity.safetensors", tiny("convlstm", residual=0))
    found, _, facts = steps_of(str(footage(tmp_path / "clip.mp4", frames=4)), model)
    assert all(fact.shares is None and fact.change == 0 and fact.spread == 0 for fact in facts)
    assert all(fact.beyond_evidence == 0 for fact in facts)
    assert found.check is None
    found.write_page(tmp_path / "page.html")
    assert "explained" in (tmp_path / "page.html").read_text()


def test_a_still_clip_has_no_motion(tmp_path: Path, random: str) -> None:
    path = write_frames(tmp_path / "still", [scribble()] * 4)
    found, steps, facts = steps_of(path, random, views=1)
    assert all(fact.flow_px < 0.02 for fact in facts)
    assert all(np.abs(step.velocity).max() < 0.5 for step in steps)
    assert found.exposure_share == UNKNOWN_SHARE


def test_nothing_comes_from_before_a_cut(tmp_path: Path, random: str) -> None:
    path = footage(tmp_path / "cut.mp4", frames=12, cut_at=6, size=(128, 96))
    _, _, facts = steps_of(str(path), random, views=1)
    assert [fact.frame for fact in facts if fact.is_cut] == [0, 6]
    for fact in facts:
        assert (fact.shares[BEFORE] == 0) == fact.is_cut
        assert (fact.shares[STATE] == 0) == fact.is_cut
        assert (fact.cell["carried"] == 0) == fact.is_cut
    assert facts[5].shares[AFTER] == 0  # the frame after it belongs to another scene
    assert all(fact.cell["half_life"] > 0 for fact in facts)


def test_the_motion_map_is_right_on_known_exposures() -> None:
    pictures = [scribble((400, 320), seed, 20, 240) for seed in range(6)]
    network = tiny("convlstm", residual=0)
    found = calibrate(lambda: NetworkSteps(network, torch.device("cpu"), 1), pictures, None).motion
    assert found is not None
    assert found.correlation >= 0.8
    assert found.median_error_px < 0.35 * found.median_length_px
    assert found.direction_degrees < 10


def test_the_known_motion_of_shaken_images_is_exact() -> None:
    """An independent look: where a small square is seen at both ends of an exposure."""
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[146:154, 196:204] = 255
    clip = shaken(np.random.default_rng(3), picture, frames=3)
    rows, columns = np.nonzero(clip.blurred[1][..., 1] > 8)
    middle = clip.motion[1][int(rows.mean()), int(columns.mean())]
    seen = np.array([np.ptp(columns), np.ptp(rows)]) + 1
    assert seen - 8 == pytest.approx(np.abs(middle), abs=3)


def test_integrated_gradients_are_complete_and_agree_with_ablation_without_interaction(
    tmp_path: Path, random: str
) -> None:
    found, _, _ = steps_of(str(footage(tmp_path / "clip.mp4", frames=8)), random, views=1)
    check = found.check
    assert found.focus == 4
    assert abs(check.gap) < 0.05
    assert sum(check.ablation.values()) == pytest.approx(1, abs=1e-4)
    assert sum(check.gradients.values()) == pytest.approx(1 - check.gap)
    assert all(check.gradients[s] == pytest.approx(check.ablation[s], abs=0.25) for s in SOURCES)


def moments(network: Any, count: int, future: bool = True) -> History:
    rng = torch.Generator().manual_seed(0)
    frames = [torch.rand(1, 6, 80, 80, generator=rng) for _ in range(count + 1)]
    still = Motion(torch.zeros(1, 2, 80, 80), torch.zeros(1, 2, 80, 80))
    history, state = History(), None
    for k in range(count):
        after = frames[k + 1] if future else None
        history.add(Moment(frames[k], after, still, state))
        with torch.no_grad():
            seen = [None if frame is None else network.encoded(frame) for frame in (frames[k], after)]
            _, state = network.restore(*seen, still, state)
    return history


def test_the_influence_of_a_pixel_is_the_effect_of_a_small_change_of_it() -> None:
    network = tiny("convlstm").requires_grad_(False)
    history = moments(network, 4)
    found = history.reach(network, (80, 80))
    assert sorted(found.maps) == [-1, 0, 1, 2, 3]
    assert sum(found.influence.values()) == pytest.approx(1)
    assert found.half_life is not None
    assert found.half_life > 0

    def answer(lag: int, y: int, x: int, step: float) -> float:
        """The last residual about the point after one pixel of one frame was changed, wherever that frame is seen."""
        state = None
        taken = list(history._moments)
        assert taken[-1].future is not None
        frames = [moment.centre.clone() for moment in taken] + [taken[-1].future.clone()]
        frames[len(taken) - 1 - lag][0, (y % 2) * 2 + x % 2, y // 2, x // 2] += step
        for index, moment in enumerate(taken):
            now, ahead = map(network.encoded, frames[index : index + 2])
            residual, state = network.restore(now, ahead, moment.motion, state)
        return float(residual[0, :4, 40, 40].mean())

    for lag in (-1, 0, 1):
        y, x = np.unravel_index(found.maps[lag].argmax(), found.maps[lag].shape)
        slope = abs(answer(lag, int(y), int(x), 1e-3) - answer(lag, int(y), int(x), -1e-3)) / 2e-3
        assert found.maps[lag][y, x] == pytest.approx(slope, rel=0.1)


def test_reach_ends_where_the_network_does() -> None:
    network = tiny("convlstm").requires_grad_(False)
    found = moments(network, 1, future=False).reach(network, (80, 80))
    own = found.maps[0]
    rows, columns = np.nonzero(own)
    far = max(np.abs(rows + found.corner[1] - 80).max(), np.abs(columns + found.corner[0] - 80).max())
    assert 16 < far <= (sum(network.reach) + 1) * 16
    assert 0 < found.radius < far


def test_rank_correlation_is_spearmans() -> None:
    a, b = np.array([10, 20, 20, 90]), np.array([-1, 7, 3, 8])
    assert rank_correlation(a, b) == pytest.approx(4.5 / np.sqrt(4.5 * 5))  # ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4
    assert rank_correlation(a, np.exp(a / 10)) == pytest.approx(1)
    assert rank_correlation(a, -(a**3)) == pytest.approx(-1)
    assert rank_correlation(a, np.ones(4)) == 0


def test_calibration_distinguishes_a_useful_spread_from_a_useless_one() -> None:
    rng = np.random.default_rng(0)
    deviation = rng.gamma(2, 1, 50_000).astype(np.float32)
    good = calibrated(deviation, rng.normal(0, deviation).astype(np.float32))
    assert good.rank_correlation > 0.4
    assert list(good.error) == sorted(good.error)
    assert good.error == pytest.approx([0.8 * s for s in good.spread], rel=0.1)
    assert abs(calibrated(deviation, rng.normal(0, 1, 50_000).astype(np.float32)).rank_correlation) < 0.02


def test_marked_pixels_are_visible_and_uncertain() -> None:
    change = np.array([0.5, 10, -10, 3], np.float32)
    deviation = np.array([5, 1, 6, 2], np.float32)
    assert list(beyond_evidence(change, deviation)) == [False, False, True, True]


@pytest.mark.parametrize("first_pts", [0, 125])
def test_a_frame_has_the_same_explanation_in_a_range_at_a_time_and_in_the_whole_input(
    tmp_path: Path, random: str, first_pts: int
) -> None:
    """Times are counted from the first frame, whenever the file says that it is shown."""
    path = str(footage(tmp_path / "clip.mkv", frames=30, first_pts=first_pts))
    _, _, facts = steps_of(path, random, views=1)
    part, _, some = steps_of(path, random, views=1, frames=(20, 22))
    assert [fact.frame for fact in some] == [20, 21, 22]
    assert part.focus == 21
    at, _, about = steps_of(path, random, views=1, at=0.85)  # 25 frames a second: 0.84 is frame 21
    assert at.focus == 21
    for other in (some[1], next(fact for fact in about if fact.frame == 21)):
        assert other.seconds == pytest.approx(0.84)
        assert other.change == pytest.approx(facts[21].change, rel=0.02)
        assert other.shares == pytest.approx(facts[21].shares, abs=0.02)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"at": 99.0}, InputError, "no frame is shown at 99 s"),
        ({"at": 0.3}, InputError, "no frame is shown at 0.3 s"),
        ({"frames": (7, 9)}, InputError, "no frame 7; it has 6"),
        ({"point": (64, 0)}, InputError, "is outside the frames of 64x48"),
        ({"at": 0.1, "frames": (0, 1)}, UsageError, "give one of them"),
        ({"frames": (3, 1)}, UsageError, "the first and the last"),
        ({"views": 9}, UsageError, "choose 1 to 8"),
        ({"exposure": 1.5}, UsageError, "above 0 and at most 1"),
    ],
)
def test_invalid_requests_are_one_line_errors(
    tmp_path: Path, random: str, settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    path = footage(tmp_path / "clip.mp4", frames=6)
    with pytest.raises(error, match=words) as caught:
        vdeblur.explain(str(path), random, replace(ExplainOptions(device="cpu", views=1), **settings))
    assert "\n" not in str(caught.value)


def test_of_a_filter_only_the_change_is_explained(tmp_path: Path) -> None:
    found, _, facts = steps_of(str(footage(tmp_path / "clip.mp4", frames=3)), "unsharp")
    assert all(fact.change > 0 for fact in facts)
    assert all(fact.shares is None and fact.cell is None and fact.spread is None for fact in facts)
    assert set(found.shown[0].layers) == {"change"}
    found.write_page(tmp_path / "page.html")
    assert found.certainty is None


def test_a_result_that_is_not_finite_is_reported_and_resets_the_state(tmp_path: Path) -> None:
    network: Any = tiny("convlstm", residual=0.3)
    with torch.no_grad():
        network.decoder.head.bias[0] = float("inf")
    with pytest.raises(Exception, match="finite"):
        vdeblur.explain(
            str(footage(tmp_path / "clip.mp4", frames=3)), write_model(tmp_path / "bad.safetensors", network)
        )
    with torch.no_grad():
        network.decoder.head.bias[0] = 3e38  # finite weights whose sums are not
    model = write_model(tmp_path / "huge.safetensors", network)
    _, steps, facts = steps_of(str(footage(tmp_path / "clip.mp4", frames=3)), model, views=1)
    assert all(fact.is_fallback and fact.shares is None and fact.change == 0 for fact in facts)
    assert all(step.restored is step.window.centre for step in steps)


def test_the_figures_are_json_with_the_settings(tmp_path: Path, random: str) -> None:
    path = str(footage(tmp_path / "clip.mp4", frames=8, size=(208, 200)))
    found, _, _ = steps_of(path, random, views=3, point=(100, 90))
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert len(told["frames"]) == 8
    assert set(told["frames"][3]["shares"]) == set(SOURCES)
    assert told["reach"]["point"] == [100, 90]
    assert told["motion"]["median_error_px"] >= 0
    assert len(told["certainty"]["spread"]) == 10
    assert told["views"] == 3
    assert "halved" in told["calibrated_on"]


def test_images_are_kept_of_some_frames_and_figures_of_all(tmp_path: Path, random: str) -> None:
    path = str(footage(tmp_path / "clip.mp4", frames=40))
    found, _, facts = steps_of(path, random, views=2, most_shown=5)
    assert len(facts) == 40
    assert 5 <= len(found.shown) <= 11
    assert found.focus in {shown.facts.frame for shown in found.shown}
    found.write_images(tmp_path / "maps")
    names = {file.name for file in (tmp_path / "maps").iterdir()}
    first = found.shown[0].facts.frame
    assert {f"{first:06}-{name}.png" for name in ("before", "after", "sources", "motion", "uncertainty", "f")} <= names


def test_certainty_is_calibrated_on_pairs_that_are_given(tmp_path: Path, random: str) -> None:
    sharp = [np.roll(scribble(), 3 * i, axis=1) for i in range(3)]
    write_frames(tmp_path / "pairs" / "clip" / "sharp", sharp)
    write_frames(tmp_path / "pairs" / "clip" / "blur", [smeared(picture) for picture in sharp])
    path = str(footage(tmp_path / "clip.mp4", frames=4))
    found, _, _ = steps_of(path, random, views=2, pairs=str(tmp_path / "pairs"))
    assert found.calibrated_on.endswith("pairs")
    assert found.certainty.pixels > 0
    with pytest.raises(InputError, match="no such folder"):
        steps_of(path, random, views=2, pairs=str(tmp_path / "nowhere"))
