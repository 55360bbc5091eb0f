"""One object seen by two surveys: found by position and its errors, wherever it lies."""

import numpy as np
import pytest

from needle_assets.samples.cross_survey import matches, mean_position

ARCSEC = 1.0 / 3600.0


def found(*rows: tuple[str, float, float], err: float = 0.15, radius: float = 1.5, sigma: float = 5.0):
    surveys, ra, dec = zip(*rows, strict=True)
    errors = np.full(len(rows), err)
    told = matches(surveys, np.array(ra), np.array(dec), errors, radius_arcsec=radius, largest_sigma=sigma)
    return [(match.first, match.second, match.is_ambiguous) for match in told]


@pytest.mark.parametrize(("ra", "dec"), [(150.0, 2.0), (0.0, -5.0), (359.99999, 89.9), (62.5, -47.75)])
def test_a_pair_of_two_surveys_is_found_wherever_it_lies(ra, dec):
    shifted = (ra + 0.6 * ARCSEC / np.cos(np.deg2rad(dec))) % 360.0
    assert found(("ztf", ra, dec), ("lsst", shifted, dec), ("lsst", ra, dec - 0.01)) == [(0, 1, False)]


@pytest.mark.parametrize(("apart", "err", "is_one"), [(1.4, 0.3, True), (1.6, 0.3, False), (0.6, 0.05, False), (0.3, 0.05, True)])
def test_both_the_radius_and_the_errors_must_allow_it(apart, err, is_one):
    assert bool(found(("ztf", 10.0, 0.0), ("lsst", 10.0, apart * ARCSEC), err=err)) is is_one


def test_two_candidates_of_one_survey_make_both_pairs_ambiguous():
    rows = (
        ("ztf", 10.0, 0.0),
        ("lsst", 10.0, 0.3 * ARCSEC),
        ("lsst", 10.0, -0.4 * ARCSEC),
        ("lsst", 20.0, 0.0),
        ("ztf", 20.0, 0.0),
    )
    assert found(*rows) == [(0, 1, True), (0, 2, True), (3, 4, False)]


def test_ids_of_one_survey_and_rows_without_a_place_match_nothing():
    assert found(("ztf", 10.0, 0.0), ("ztf", 10.0, 0.0)) == []
    assert found(("ztf", np.nan, 0.0), ("lsst", np.nan, 0.0)) == []


def test_the_place_of_many_detections_is_known_better_but_no_better_than_the_survey(rng):
    ra, dec = 359.99995 + rng.normal(0, 0.3 * ARCSEC, 400), rng.normal(0, 0.3 * ARCSEC, 400)
    place = mean_position(ra % 360.0, dec, 0.3)
    assert place[:2] == pytest.approx((359.99995, 0.0), abs=0.1 * ARCSEC)
    assert place[2] == pytest.approx(0.1, abs=0.01)
    assert mean_position(ra[:1], dec[:1], 0.3)[2] == pytest.approx(np.hypot(0.3, 0.1))
