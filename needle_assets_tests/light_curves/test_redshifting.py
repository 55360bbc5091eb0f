import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from hypothesis import given, settings

from needle_assets.light_curves.light_curve import LightCurve
from needle_assets.light_curves.redshifting import bandwidth_mag, distance_modulus, shift_redshift, wavelength_factor
from needle_assets_tests.instruments import REDSHIFT
from needle_assets_tests.ztf import within_limit

LIGHT_CURVE = LightCurve.of([0.0, 10.0, 25.5], ["g", "r", "g"], [18.0, 17.5, 19.0], 0.1)


@pytest.mark.parametrize("redshift", [0.01, 0.1, 0.45, 1.2])
def test_distance_moduli_are_those_of_the_papers_cosmology(redshift):
    distance = FlatLambdaCDM(H0=67.7, Om0=0.31).luminosity_distance(redshift).to_value("pc")
    assert distance_modulus(redshift) == pytest.approx(5 * np.log10(distance / 10), abs=1e-10)


@settings(max_examples=30)
@given(REDSHIFT)
def test_a_light_curve_at_its_own_redshift_is_the_same_to_the_bit(redshift):
    moved = shift_redshift(LIGHT_CURVE, redshift, redshift)
    assert np.array_equal(moved.mjd, LIGHT_CURVE.mjd)
    assert np.array_equal(moved.mag, LIGHT_CURVE.mag)


@settings(max_examples=30)
@given(REDSHIFT, REDSHIFT)
def test_there_and_back_is_the_identity(redshift, new_redshift):
    back = shift_redshift(shift_redshift(LIGHT_CURVE, redshift, new_redshift), new_redshift, redshift)
    np.testing.assert_allclose(back.mjd, LIGHT_CURVE.mjd, rtol=1e-12)
    np.testing.assert_allclose(back.mag, LIGHT_CURVE.mag, rtol=1e-12)


def test_twice_the_stretch_is_twice_as_long_from_where_it_starts():
    moved = shift_redshift(LIGHT_CURVE, 0.1, 1.2, since=10.0)
    np.testing.assert_allclose(moved.mjd, [-10.0, 10.0, 41.0])


def test_farther_is_fainter_by_the_difference_of_the_moduli():
    moved = shift_redshift(LIGHT_CURVE, 0.1, 0.3)
    np.testing.assert_allclose(moved.mag - LIGHT_CURVE.mag, distance_modulus(0.3) - distance_modulus(0.1), rtol=1e-12)


def test_a_farther_object_is_looked_at_in_bluer_light():
    assert wavelength_factor(0.1, 0.32) == pytest.approx(1.1 / 1.32)
    assert bandwidth_mag(0.1, 0.32) == pytest.approx(-2.5 * np.log10(1.2))
    assert wavelength_factor(0.2, 0.2) == 1.0
    assert bandwidth_mag(0.2, 0.2) == 0.0


def test_what_is_fainter_than_the_limit_is_gone():
    assert within_limit(LIGHT_CURVE, limit_mag=18.0).mag.tolist() == [18.0, 17.5]
    assert len(within_limit(LIGHT_CURVE, limit_mag=15.0)) == 0
