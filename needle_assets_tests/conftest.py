"""Fixtures shared by all tests."""

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    """A fixed generator, new for every test."""
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def survey() -> Path:
    """The landing folder of real data that NEEDLE_TEST_SURVEY names; tests that need it are skipped without it."""
    folder = os.environ.get("NEEDLE_TEST_SURVEY")
    if not folder:
        pytest.skip("NEEDLE_TEST_SURVEY is not set: it names a landing folder of real ZTF data")
    return Path(folder)
