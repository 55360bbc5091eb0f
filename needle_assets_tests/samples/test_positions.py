"""Right ascension is a circle."""

import numpy as np
import pytest

from needle_assets.images.stamps import sky_offset_arcsec
from needle_assets.samples.positions import mean_position_deg


@pytest.mark.parametrize(
    ("ra", "dec", "expected"),
    [
        ([359.99995, 0.00005], [10.0, 10.0], (0.0, 10.0)),
        ([359.9999, 359.9999, 0.0002], [-30.0] * 3, (0.0, -30.0)),
        ([0.0, 180.0], [89.9999, 89.9999], (None, 90.0)),
        ([90.0, 180.0, 270.0, 0.0], [-89.999] * 4, (None, -90.0)),
        ([123.456789], [-12.345678], (123.456789, -12.345678)),
        ([360.0], [5.0], (0.0, 5.0)),
    ],
)
def test_a_mean_position_knows_neither_seam_nor_pole(ra, dec, expected):
    mean_ra, mean_dec = mean_position_deg(np.array(ra), np.array(dec))
    assert 0.0 <= mean_ra < 360.0
    assert mean_dec == pytest.approx(expected[1], abs=1e-6)
    if expected[0] is not None:
        assert (mean_ra - expected[0] + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=1e-6)


def test_the_mean_lies_among_its_positions_wherever_they_are(rng):
    for ra, dec in zip(rng.uniform(0, 360, 50), np.degrees(np.arcsin(rng.uniform(-1, 1, 50))), strict=True):
        near = np.array([(ra + step) % 360.0 for step in (-1e-4, 0.0, 1e-4)])
        offset = sky_offset_arcsec(ra, dec, *mean_position_deg(near, np.full(3, dec)))
        assert np.hypot(*offset) < 1e-3


def test_no_position_has_no_mean():
    assert np.isnan(mean_position_deg(np.array([]), np.array([]))).all()
