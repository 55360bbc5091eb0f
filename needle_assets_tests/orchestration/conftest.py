"""Fixtures of the tests of what the UI shows and starts."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from needle_assets.home import Home
from needle_assets_tests.fetch.conftest import all_services, services
from needle_assets_tests.orchestration.ui import Ui, opened

__all__ = ["all_services", "services"]


@pytest.fixture(scope="module")
def ui(filled: tuple[Path, Home], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """The UI of one filled home for all tests of a module, as people use it: one click after another."""
    path = tmp_path_factory.mktemp("ui") / "home"
    shutil.copytree(filled[1].path, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEEDLE_HOME", str(path))
        patch.setenv("DAGSTER_HOME", str(path / ".state" / "dagster"))
        patch.setattr("needle_assets.orchestration.records.pictures.OBJECTS_PER_RUN", 0)
        with opened(path) as ui:
            yield ui
