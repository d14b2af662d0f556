"""Cuts are found, also between shots of one place; whatever happens within a shot is none."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from support.needs import SHARED
from vdeblur.frames import Color, Frame, Layout
from vdeblur.scenes import SceneCuts

SIZE = (320, 180)
FOOTAGE = SHARED / "data" / "video"


def place(seed: int) -> NDArray[np.float64]:
    """A large picture of shapes at every scale, 0..255; pictures of all seeds share one palette."""
    rng = np.random.default_rng(seed)
    canvas = np.full((540, 960), 110.0)
    ys, xs = np.mgrid[: canvas.shape[0], : canvas.shape[1]]
    for radius in np.geomspace(160, 6, 160):
        y, x = rng.uniform(0, canvas.shape[0]), rng.uniform(0, canvas.shape[1])
        level = rng.choice([40, 80, 120, 160, 200])
        if rng.random() < 0.5:
            inside = (ys - y) ** 2 + (xs - x) ** 2 < radius**2
        else:
            inside = (np.abs(ys - y) < radius) & (np.abs(xs - x) < radius * rng.uniform(0.3, 1))
        canvas[inside] = level + 10 * rng.standard_normal()
    return canvas.clip(0, 255)


def view(canvas: NDArray[np.float64], x: float = 300, y: float = 180, blur: int = 1) -> NDArray[np.float64]:
    """What a camera sees at (x, y); `blur` is how many pixels it moves to the right during the exposure."""
    steps = [
        canvas[round(y) : round(y) + SIZE[1], round(x) + step : round(x) + step + SIZE[0]]
        for step in range(-(blur // 2), blur - blur // 2)
    ]
    mean: NDArray[np.float64] = np.mean(steps, axis=0)
    return mean


def cuts_between(*shots: NDArray[np.float64], bits: int = 8) -> list[int]:
    """Indices of the pictures that start a scene."""
    layout = Layout("gray", bits)
    planes = [np.clip(np.rint(shot * 2 ** (bits - 8)), 0, 2**bits - 1).astype(layout.dtype) for shot in shots]
    frames = [Frame((plane,), layout, Color(), index, Fraction(1, 25)) for index, plane in enumerate(planes)]
    is_cut = SceneCuts()
    return [following.pts for previous, following in itertools.pairwise(frames) if is_cut(previous, following)]


PLACES = [place(seed) for seed in range(4)]
over_places = pytest.mark.parametrize("canvas", PLACES, ids=range(len(PLACES)))


@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(range(4), 2)))
def test_a_cut_to_another_place_of_the_same_palette_is_found(one: int, other: int, bits: int) -> None:
    first, second = PLACES[one], PLACES[other]
    shots = [view(first, 300 + step) for step in range(3)] + [view(second, 300 + step) for step in range(3)]
    assert cuts_between(*shots, bits=bits) == [3]


@over_places
def test_a_cut_to_another_view_of_the_same_place_is_found(canvas: NDArray[np.float64]) -> None:
    assert cuts_between(view(canvas, 0, 0), view(canvas, 2, 0), view(canvas, 600, 300), view(canvas, 602, 300)) == [2]


@over_places
@pytest.mark.parametrize("speed", [10, 40, 60])
@pytest.mark.parametrize("blurred", [False, True])
def test_a_fast_pan_is_not_a_cut(canvas: NDArray[np.float64], speed: int, blurred: bool) -> None:
    assert cuts_between(*(view(canvas, 100 + speed * step, blur=speed if blurred else 1) for step in range(6))) == []


@over_places
def test_a_shaking_camera_is_not_a_cut(canvas: NDArray[np.float64]) -> None:
    rng = np.random.default_rng(5)
    assert (
        cuts_between(
            *(view(canvas, rng.uniform(180, 210), rng.uniform(180, 210), int(rng.integers(1, 20))) for _ in range(8))
        )
        == []
    )


@over_places
def test_noise_is_not_a_cut(canvas: NDArray[np.float64]) -> None:
    rng = np.random.default_rng(6)
    for gain, noise in ((1.0, 25), (0.15, 6)):
        assert cuts_between(*(view(canvas) * gain + rng.normal(0, noise, SIZE[::-1]) for _ in range(5))) == []


@over_places
def test_flashes_and_fades_are_not_cuts(canvas: NDArray[np.float64]) -> None:
    still = view(canvas)
    assert cuts_between(still, still, np.clip(still * 2.5 + 20, 0, 255), still, still) == []
    assert cuts_between(still, np.full_like(still, 255), still) == []
    assert cuts_between(*(still * gain for gain in (1, 0.8, 0.5, 0.3, 0.1, 0.03, 0, 0, 0.03, 0.1, 0.3, 0.6, 1))) == []


def test_a_new_scene_after_black_is_a_cut_once_it_is_visible() -> None:
    black = np.zeros(SIZE[::-1])
    found = cuts_between(view(PLACES[0]), black, black, view(PLACES[1]) * 0.5, view(PLACES[1]))
    assert found == [3]
    assert cuts_between(black, black, view(PLACES[0])) == []


@over_places
def test_a_passer_by_is_not_a_cut(canvas: NDArray[np.float64]) -> None:
    passer_by = place(9)
    shots = []
    for step in range(8):
        shot = view(canvas)
        where = shot[40:, 40 * step : 40 * step + 90]
        where[:] = passer_by[: where.shape[0], : where.shape[1]]
        shots.append(shot)
    assert cuts_between(*shots) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (7, 7), (9, 200), (64, 64), (65, 17)])
def test_any_size_is_taken(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    layout = Layout("yuv", 8, (1, 1))
    frames = [
        Frame((rng.integers(0, 256, size).astype(np.uint8),), layout, Color(), index, Fraction(1)) for index in range(3)
    ]
    assert SceneCuts()(frames[0], frames[1]) in (True, False)


def test_streams_do_not_touch() -> None:
    black = np.zeros(SIZE[::-1])
    shots = [view(PLACES[0]), black, view(PLACES[1])]
    assert cuts_between(*shots) == cuts_between(*shots) == [2]


@pytest.mark.needs("shared")
def test_real_footage() -> None:
    """A third of a film has two cuts; every splice of two films is one more."""
    import av

    def luma(name: str, count: int) -> list[NDArray[np.float64]]:
        with av.open(str(FOOTAGE / name)) as container:
            frames = itertools.islice(container.decode(video=0), count)
            return [frame.reformat(320, 180, format="gray").to_ndarray().astype(np.float64) for frame in frames]

    bikes = luma("bikes.mp4", 90)
    assert cuts_between(*bikes) == [30, 76]
    cups, juggle = luma("02_cups.mp4", 12), luma("05_default_juggle.mp4", 12)
    assert cuts_between(*cups, *juggle, *bikes[:12], *cups) == [12, 24, 36]
