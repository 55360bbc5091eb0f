"""What leaves the warehouse; with a training set that is exported once from the small home."""

from pathlib import Path

import pytest

from needle_assets.exports.training_set import export_training_set
from needle_assets.home import Home


@pytest.fixture(scope="session")
def exported(filled: tuple[Path, Home], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small home's training set. Nobody may change it."""
    folder = tmp_path_factory.mktemp("exported") / "set"
    export_training_set(filled[1].published, filled[1].settings(), folder)
    return folder
