"""Forced photometry: what is believed, what becomes of a night, and what the Gaussian process makes of it."""

from dataclasses import replace

import numpy as np
import pytest

from needle_assets.light_curves.extinction import extinction_factors
from needle_assets.light_curves.forced import Fluxes, is_lost_visit, nightly
from needle_assets.light_curves.gaussian_process import fit, fit_points, flux_points, predict
from needle_assets.light_curves.light_curve import LightCurve, mag_from_flux
from needle_assets.settings import Settings
from needle_assets.surveys.ztf import ZTF

PROCESS = replace(Settings().gaussian_process, points="forced")
WAVELENGTH = ZTF.fit_wavelength_angstrom


def test_a_visit_that_lost_the_reference_is_seen_and_a_faded_source_is_not():
    flux, reference = np.array([-14.8, -3.0, 5.0, -14.8, np.nan]), np.array([15.0, 15.0, 15.0, 1.0, 15.0])
    assert is_lost_visit(flux, np.full(5, 0.4), reference).tolist() == [True, False, False, False, False]


def test_a_night_is_the_weighted_mean_of_each_band_without_its_outlier():
    night = nightly(Fluxes.of([1.0, 1.1, 1.2, 1.3, 1.0], list("ggggr"), [10.0, 12.0, 11.0, -90.0, 5.0], [1.0] * 5), 0.5)
    assert night.band.tolist() == ["g", "r"]
    assert night.flux == pytest.approx([11.0, 5.0])
    assert night.mjd == pytest.approx([1.1, 1.0])
    assert night.flux_err == pytest.approx([3**-0.5, 1.0])


def test_the_error_of_a_night_is_what_it_scatters_by():
    night = nightly(Fluxes.of([1.0, 1.1], list("gg"), [10.0, 20.0], [1.0, 1.0]), 0.5)
    assert night.flux_err == pytest.approx([5.0])
    assert len(nightly(Fluxes.of([], [], [], []), 0.5)) == 0


def test_fluxes_are_freed_of_extinction_as_magnitudes_are():
    factor, is_corrected = extinction_factors(np.array(["g", "r"]), 1.0, ZTF.extinction_wavelength_angstrom)
    assert is_corrected
    assert factor == pytest.approx([10 ** (0.4 * 1.18), 10 ** (0.4 * 0.78)], rel=0.03)
    assert extinction_factors(np.array(["g"]), None, ZTF.extinction_wavelength_angstrom) == (1.0, False)


def rising(rng: np.random.Generator) -> tuple[LightCurve, Fluxes]:
    """Detections from day 0 on of a flux that rises from day -20; nightly fluxes of it from day -40 on."""
    days = np.arange(-40.0, 31.0, 2.0)
    true = np.clip(days + 20.0, 0.0, None) * 4.0
    forced = Fluxes.of(days, np.tile(["g", "r"], 18), true + rng.normal(0.0, 5.0, len(days)), np.full(len(days), 5.0))
    seen = days >= 0
    mag, mag_err = mag_from_flux(true[seen], np.full(seen.sum(), 5.0))
    return LightCurve.of(days[seen], forced.band[seen], mag, mag_err), forced


def test_forced_points_stand_for_detections_of_their_night_and_reach_before_the_first(rng):
    light_curve, forced = rising(rng)
    points = flux_points(light_curve, PROCESS, WAVELENGTH, forced)
    assert len(points.days) == len(forced)
    assert points.is_forced.all()
    short = flux_points(light_curve, replace(PROCESS, forced_days_before=11.0), WAVELENGTH, forced)
    assert short.days.min() == -10.0
    assert (~points.is_seen)[points.days < -18].all()


def test_a_fit_to_forced_points_knows_that_nothing_was_there_before(rng):
    light_curve, forced = rising(rng)
    before = np.array([-30.0, -24.0])
    with_forced = fit_points(flux_points(light_curve, PROCESS, WAVELENGTH, forced), 6000.0)
    flux, flux_err = predict(with_forced, before, "g")
    assert np.abs(flux).max() < 8.0
    assert flux_err.max() < 0.5 * predict(fit(light_curve, PROCESS, WAVELENGTH), before, "g")[1].min()
