"""Stamps shared by the tests of images."""

from pathlib import Path

import numpy as np
import pytest

from needle_assets_tests.images.examples import RealPair, good_pairs, real_pairs


@pytest.fixture(scope="session")
def every_real_pair(survey: Path) -> list[RealPair]:
    """Science and reference of every packet of the real survey."""
    return real_pairs(survey)


@pytest.fixture(scope="session")
def good_real_pairs(every_real_pair: list[RealPair]) -> list[RealPair]:
    """Those that no rule objects to: more than 400."""
    return good_pairs(every_real_pair)


@pytest.fixture
def blank(rng: np.random.Generator) -> np.ndarray:
    """Gaussian sky of level 100 and scatter 5."""
    return rng.normal(100.0, 5.0, (60, 60))
