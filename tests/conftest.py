"""What holds for every test: a clean environment, and marks that say what a test needs of the machine."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from support import needs

settings.register_profile("promises", deadline=None)  # how long an example takes is not what these tests are about
settings.load_profile("promises")


def pytest_configure() -> None:
    """Settings of the person who runs the tests are not those of the command line under test."""
    needs.required()  # a name that is misspelt is told before the first test
    for name in os.environ:
        if name.startswith("VDEBLUR_") and name != needs.VARIABLE:
            del os.environ[name]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the fixtures of a test are made."""
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            needs.require(name)
