import numpy as np
import pytest
from hypothesis import given, settings

from needle_assets.light_curves.light_curve import LightCurve, classification_mjd, flux_from_mag, mag_from_flux, n_rising
from needle_assets_tests.instruments import MAG, MAG_ERR
from needle_assets_tests.ztf import peak_mjd

BOTH = LightCurve.of([10, 12, 14, 11, 13, 15], ["g", "g", "g", "r", "r", "r"], [19, 18, 18.5, 19, 18.2, 17.9], 0.1)


@settings(max_examples=30)
@given(MAG, MAG_ERR)
def test_magnitudes_survive_the_way_through_flux(mag, mag_err):
    assert mag_from_flux(*flux_from_mag(mag, mag_err)) == (pytest.approx(mag), pytest.approx(mag_err))


def test_a_flux_of_one_millijansky_is_16_4_mag_and_ten_percent_of_it_0_109_mag():
    assert mag_from_flux(1000.0, 100.0) == (pytest.approx(16.4), pytest.approx(0.10857, abs=1e-5))


def test_negative_flux_becomes_the_faintest_magnitude_and_never_nan():
    mag, mag_err = mag_from_flux(np.array([-5.0, 0.0, 1.0]), np.array([1.0, 1.0, 1.0]), faintest_mag=25.0)
    assert np.isfinite(mag_err).all()
    np.testing.assert_allclose(mag, [25.0, 25.0, 23.9])


def test_the_peak_is_the_earlier_of_the_two_bands():
    assert peak_mjd(BOTH) == 12.0


def test_the_first_of_equally_bright_points_is_the_peak():
    assert peak_mjd(LightCurve.of([5, 3, 4], "r", 18.0, 0.1)) == 3.0


def test_the_i_band_alone_has_no_peak():
    assert np.isnan(peak_mjd(LightCurve.of([1.0], "i", 18.0, 0.1)))


def test_a_training_object_is_classified_five_days_after_its_peak_or_at_its_newest_detection():
    assert classification_mjd(12.0, 40.0, is_training=True) == 17.0
    assert classification_mjd(12.0, 15.0, is_training=True) == 15.0
    assert classification_mjd(float("nan"), 15.0, is_training=True) == 15.0


def test_a_candidate_is_classified_at_its_newest_detection():
    assert classification_mjd(12.0, 40.0, is_training=False) == 40.0


def test_rising_points_are_counted_up_to_five_days_after_the_peak():
    late = LightCurve.of([10, 12, 17, 17.1], "g", [19, 18, 18.5, 18.6], 0.1)
    assert n_rising(late, "g", 12.0) == 3
    assert n_rising(late, "r", 12.0) == 0
    assert n_rising(late, "g", float("nan")) == 0
