"""A band that was not observed, from the Gaussian process through the others."""

import numpy as np
import pytest

from needle_assets.light_curves.completing import completed
from needle_assets.light_curves.light_curve import LightCurve, mag_from_flux
from needle_assets.surveys.lsst import LSST
from needle_assets.surveys.ztf import ZTF

TARGET = ZTF.fit_wavelength_angstrom


def observed(bands: str, *, n: int = 12, seed: int = 1) -> LightCurve:
    """A flux that rises and falls, a little fainter to the red, in some bands."""
    rng = np.random.default_rng(seed)
    parts = []
    for band in bands:
        days = np.sort(rng.uniform(0.0, 40.0, n))
        parts.append((61000.0 + days, [band] * n, *mag_from_flux(true(days, band) + rng.normal(0, 1.0, n), np.full(n, 1.0))))
    return LightCurve.of(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def true(days: np.ndarray, band: str) -> np.ndarray:
    wavelength = TARGET.get(band) or LSST.fit_wavelength_angstrom[band]
    return 60.0 * np.exp(-0.5 * ((days - 20.0) / 10.0) ** 2) * (1.2 - 0.2 * wavelength / 6000.0)


def complete(points: LightCurve):
    return completed(points, ("g", "r"), fit_wavelength_angstrom=LSST.fit_wavelength_angstrom, target_wavelength_angstrom=TARGET)


def test_what_was_observed_stays_as_it_was():
    points = observed("gr")
    assert complete(points) == (points, ())


@pytest.mark.parametrize(("bands", "added"), [("gi", ("r",)), ("riz", ("g",)), ("iz", ("g", "r"))])
def test_a_missing_band_comes_from_at_least_two_others(bands, added):
    points, from_fit = complete(observed(bands))
    assert from_fit == added
    for band in added:
        own = points.in_band(band)
        near = np.abs(own.mjd - 61020.0) < 8.0
        miss = own.mag - mag_from_flux(true(own.mjd - 61000.0, band), 0.0)[0]
        assert np.abs(miss[near]).max() < 3.0 * own.mag_err[near].max()


def test_a_band_between_two_others_is_right_to_a_twentieth_of_a_magnitude():
    own = complete(observed("gi"))[0].in_band("r")
    near = np.abs(own.mjd - 61020.0) < 10.0
    assert np.median(np.abs(own.mag - mag_from_flux(true(own.mjd - 61000.0, "r"), 0.0)[0])[near]) < 0.05


@pytest.mark.parametrize("bands", ["i", "g", ""])
def test_one_band_tells_nothing_of_another(bands):
    points = observed(bands) if bands else LightCurve.of([], [], [], [])
    assert complete(points) == (points, ())


def test_two_points_of_a_band_are_needed():
    points = observed("iz")
    alone = points[(points.band == "i") | (np.arange(len(points)) == len(points) - 1)]
    assert complete(alone)[1] == ()
