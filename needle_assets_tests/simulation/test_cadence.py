"""Nights, depth and the 5 sigma rule."""

import numpy as np
import pytest

from needle_assets.labels import SN
from needle_assets.simulation.cadence import (
    DETECTION_SNR,
    FIRST_NIGHT_MJD,
    N_NIGHTS,
    Exposures,
    draw_exposures,
    is_in_season,
    limit_mag,
    measure,
    survey_nights,
)
from needle_assets.simulation.objects import SimulatedObject
from needle_assets.simulation.transients import draw_transient


def exposures(seed: int = 1, *, has_i: bool = False) -> Exposures:
    return draw_exposures(survey_nights(seed), (150.0, 20.0), (58600.0, 59400.0), np.random.default_rng(seed), has_i=has_i)


def test_nothing_is_observed_on_cloudy_nights_or_near_the_sun() -> None:
    seen = exposures()
    night = (seen.mjd - FIRST_NIGHT_MJD).astype(int)
    assert survey_nights(1).is_clear[night].all()
    assert is_in_season(seen.mjd, 150.0, 20.0).all()


def test_a_field_near_the_equator_has_a_season_and_one_near_the_pole_has_none() -> None:
    year = np.arange(58600.0, 58965.0)
    assert 0.5 < is_in_season(year, 150.0, 0.0).mean() < 0.75
    assert is_in_season(year, 150.0, 80.0).all()


def test_there_are_weather_gaps_of_several_nights() -> None:
    clear = np.flatnonzero(survey_nights(1).is_clear)
    assert np.diff(clear).max() >= 5
    assert 0.6 < len(clear) / N_NIGHTS < 0.8


def test_g_and_r_are_unequally_sampled_and_i_only_where_wanted() -> None:
    counts = {band: np.sum(exposures().band == band) for band in "gri"}
    assert counts["g"] != counts["r"]
    assert counts["i"] == 0 < np.sum(exposures(has_i=True).band == "i")


def test_exposures_are_in_time_order() -> None:
    assert (np.diff(exposures().mjd) > 0).all()


def test_the_limit_of_known_noise_worked_by_hand() -> None:
    # FWHM 2.355 px: the PSF's area is 4 pi px; noise 10 DN x 3.0 x 0.93 x sqrt(4 pi) = 98.9 DN, five times that at zero point 26.
    limit = limit_mag(np.array([10.0]), np.array([2.355]), np.array([26.0]))
    assert limit[0] == pytest.approx(26.0 - 2.5 * np.log10(5.0 * 10.0 * 3.0 * 0.93 * np.sqrt(4.0 * np.pi)), abs=1e-9)


def test_every_detection_is_above_five_sigma_and_every_limit_below(objects: list[SimulatedObject]) -> None:
    for one in objects:
        photometry = one.photometry
        assert (np.abs(photometry.snr[photometry.is_detected]) >= DETECTION_SNR).all()
        assert (np.abs(photometry.snr[photometry.is_limit]) < DETECTION_SNR).all()
        assert not (photometry.is_detected & photometry.is_limit).any()


def test_no_detection_is_fainter_than_its_exposures_limit(objects: list[SimulatedObject]) -> None:
    for one in objects:
        found = one.photometry.is_detected
        assert (one.photometry.mag[found] <= one.exposures.limit_mag[found] + 1e-9).all()


def test_magnitudes_scatter_around_the_truth_by_less_than_stated() -> None:
    rng = np.random.default_rng(8)
    transient, pulls = draw_transient(SN, 0.1, rng), []
    for _ in range(30):
        seen = draw_exposures(survey_nights(2), (200.0, 40.0), (58900.0, 59000.0), rng, has_i=False)
        measured = measure(transient, seen, 58950.0, {}, rng)
        bright = measured.is_detected & (measured.true_mag < seen.limit_mag - 1.2)
        pulls += list((measured.mag - measured.true_mag)[bright] / measured.mag_err[bright])
    assert abs(np.median(pulls)) < 0.1
    assert 0.4 < np.std(pulls) < 1.0


def test_a_reference_that_holds_the_transient_turns_late_differences_negative() -> None:
    rng = np.random.default_rng(4)
    transient = draw_transient(SN, 0.0, rng)
    seen = draw_exposures(survey_nights(2), (200.0, 70.0), (58900.0, 59250.0), rng, has_i=False)
    measured = measure(transient, seen, 58930.0, {"g": transient.peak_mag + 0.2, "r": transient.peak_mag + 0.2}, rng)
    late = measured.is_detected & (seen.mjd > 59100.0)
    assert late.any()
    assert not measured.is_positive[late].any()
