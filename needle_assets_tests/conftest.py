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


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where every test must run (NEEDLE_FAIL_ON_SKIP), a skipped one is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("NEEDLE_FAIL_ON_SKIP") and reporter is not None and reporter.stats.get("skipped") and exitstatus == 0:
        session.exitstatus = 1
