"""Fixtures shared by all tests."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from needle_assets.home import Home
from needle_assets_tests.exports import exported
from needle_assets_tests.folders import filled, own

__all__ = ["exported", "filled", "own"]

# Property tests try the same inputs in every run; `make test-random` draws others, from a seed that it prints.
# How fast inputs are made or a test runs is a matter of the machine: no run may fail by it.
settings.register_profile("fixed", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("random", settings.get_profile("fixed"), derandomize=False, print_blob=True)
settings.load_profile("fixed")


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


@pytest.fixture(scope="session")
def cases() -> Path:
    """The folder of public faults, one folder each, that NEEDLE_TEST_CASES names; read-only. Tests that need it are skipped without it."""
    folder = os.environ.get("NEEDLE_TEST_CASES")
    if not folder:
        pytest.skip("NEEDLE_TEST_CASES is not set: it names a folder of landing folders with known faults")
    return Path(folder)


@pytest.fixture(scope="session")
def rubin() -> Path:
    """
    The folder of real Rubin packets and published schemas that NEEDLE_TEST_RUBIN names, or that lies as ``rubin`` beside the real
    survey; read-only. Tests that need it are skipped without it.
    """
    beside = os.environ.get("NEEDLE_TEST_SURVEY")
    folder = Path(os.environ.get("NEEDLE_TEST_RUBIN") or (Path(beside).parent / "rubin" if beside else "nowhere"))
    if not folder.is_dir():
        pytest.skip("NEEDLE_TEST_RUBIN is not set: it names a folder of real Rubin packets")
    return folder


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where every test must run (NEEDLE_FAIL_ON_SKIP), a skipped one is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("NEEDLE_FAIL_ON_SKIP") and reporter is not None and reporter.stats.get("skipped") and exitstatus == 0:
        session.exitstatus = 1


@pytest.fixture
def home(filled: tuple[Path, Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the filled home, Dagster's records included, named by NEEDLE_HOME; its landing folder may not be changed."""
    path = tmp_path / "home"
    shutil.copytree(filled[1].path, path)
    monkeypatch.setenv("NEEDLE_HOME", str(path))
    monkeypatch.setenv("DAGSTER_HOME", str(path / ".state" / "dagster"))
    monkeypatch.setattr("needle_assets.orchestration.records.pictures.OBJECTS_PER_RUN", 0)
    return path
