"""A restorer of one's own stands for a name wherever a model is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.averaging import WARM_UP, Averaging
from vdeblur.errors import ModelError, UsageError
from vdeblur.jobs.fingerprints import model_identity
from vdeblur.loading import LEAST_WARM_UP, ModelOptions, load_restorer, warm_up_of
from vdeblur.restorers.made import MADE, register

OPTIONS = ModelOptions("averaging")


@pytest.fixture(autouse=True)
def _forgotten_afterwards() -> Iterator[None]:
    before = dict(MADE)
    yield
    MADE.clear()
    MADE.update(before)


def test_a_registered_name_is_a_model() -> None:
    with pytest.raises(ModelError, match="unknown model 'averaging'"):
        load_restorer("averaging")
    register("averaging", Averaging, warm_up=WARM_UP + LEAST_WARM_UP)
    assert isinstance(load_restorer("averaging"), Averaging)
    assert load_restorer("averaging") is not load_restorer("averaging")
    assert warm_up_of(OPTIONS) == WARM_UP + LEAST_WARM_UP
    with pytest.raises(ModelError, match='did you mean "averaging"'):
        load_restorer("avraging")


def test_another_version_is_another_model() -> None:
    register("averaging", Averaging, version="1")
    first = model_identity(OPTIONS)
    del MADE["averaging"]
    register("averaging", Averaging, version="2")
    assert model_identity(OPTIONS) != first


@pytest.mark.parametrize("name", ["fast", "unsharp"])
def test_names_that_are_taken_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' is already a model"):
        register(name, Averaging)


@pytest.mark.parametrize("name", ["", "mine.safetensors", "models/mine"])
def test_names_of_files_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="choose a name without dots and slashes"):
        register(name, Averaging)
