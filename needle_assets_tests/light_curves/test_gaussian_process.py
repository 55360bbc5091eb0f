from dataclasses import replace

import george
import numpy as np
import pytest
from george import kernels

from needle_assets.errors import Rejection
from needle_assets.light_curves.gaussian_process import draw, fit_points, predict, rescaled, standardised_residuals
from needle_assets.light_curves.light_curve import LightCurve, flux_from_mag, mag_from_flux
from needle_assets.settings import GaussianProcessSettings, preset_settings
from needle_assets.surveys.ztf import ZTF
from needle_assets_tests.ztf import fit, flux_points, restored_fit

from .bazin import bazin_flux, bazin_light_curve, bazin_mag

DEFAULT = GaussianProcessSettings()
AUTHORS = preset_settings("needle2").gaussian_process
GRID = np.arange(-10.0, 60.0)


@pytest.fixture
def fitted(rng):
    return fit(bazin_light_curve(rng), DEFAULT)


def test_the_likelihood_is_that_of_a_normal_distribution(fitted):
    points = fitted.points
    covariance = fitted.kernel(points.days, points.wavelength_angstrom, points.days, points.wavelength_angstrom)
    covariance += np.diag(points.flux_err**2)
    chi2, log_det = points.flux @ np.linalg.solve(covariance, points.flux), np.linalg.slogdet(covariance)[1]
    assert fitted.log_likelihood == pytest.approx(-0.5 * (chi2 + log_det + len(points.flux) * np.log(2 * np.pi)), rel=1e-9)


def test_the_prediction_is_that_of_george(fitted):
    points = fitted.points
    kernel = fitted.amplitude**2 * kernels.Matern32Kernel([fitted.length_scale_days**2, 6000.0**2], ndim=2)
    process = george.GP(kernel)
    process.compute(np.column_stack([points.days, points.wavelength_angstrom]), points.flux_err)
    mean, variance = process.predict(points.flux, np.column_stack([GRID, np.full(len(GRID), 6421.8)]), return_var=True)
    flux, flux_err = predict(fitted, GRID, "r")
    np.testing.assert_allclose(flux, mean, rtol=1e-6)
    np.testing.assert_allclose(flux_err, np.sqrt(variance), rtol=1e-4)


def test_no_other_amplitude_or_time_scale_nearby_is_likelier(rng):
    found = fit(bazin_light_curve(rng), replace(DEFAULT, is_error_scale_fitted=False))
    points = found.points
    for factor in (0.98, 1.02):
        for change in ({"amplitude": found.amplitude * factor}, {"length_scale_days": found.length_scale_days * factor}):
            other = replace(found, **change)
            covariance = other.kernel(points.days, points.wavelength_angstrom, points.days, points.wavelength_angstrom)
            covariance += np.diag(points.flux_err**2)
            chi2, log_det = points.flux @ np.linalg.solve(covariance, points.flux), np.linalg.slogdet(covariance)[1]
            assert -0.5 * (chi2 + log_det + len(points.flux) * np.log(2 * np.pi)) <= found.log_likelihood


def test_without_noise_the_process_passes_through_the_points():
    days = np.arange(0.0, 50.0, 5.0)
    flux = bazin_flux(days - 10.0, "g")
    found = fit(LightCurve.of(days, "g", *mag_from_flux(flux, 1e-4 * flux)), replace(AUTHORS, background="zero"))
    np.testing.assert_allclose(predict(found, days, "g")[0], flux, rtol=1e-3)


def against_truth(rng, settings, *, n_objects=40):
    """Predicted minus true magnitude, and in predicted sigmas of flux, on days within two of a point, for random shapes."""
    misses, sigmas = [], []
    for _ in range(n_objects):
        shape = {"rise": rng.uniform(3, 8), "fall": rng.uniform(20, 50)}
        light_curve = bazin_light_curve(rng, n=30, error=0.08, **shape)
        found = fit(light_curve, settings)
        for band in "gr":
            days = GRID[np.abs(GRID[:, None] - light_curve.in_band(band).mjd).min(axis=1) < 2]
            flux, flux_err = predict(found, days, band)
            misses.append(mag_from_flux(flux, 0.0)[0] - bazin_mag(days, band, **shape))
            sigmas.append((flux - bazin_flux(days, band, **shape)) / flux_err)
    return np.concatenate(misses), np.concatenate(sigmas)


def test_simulated_light_curves_come_back_within_five_hundredths_of_a_magnitude_and_intervals_cover(rng):
    misses, sigmas = against_truth(rng, DEFAULT)
    assert np.median(np.abs(misses)) < 0.05
    assert 0.60 <= np.mean(np.abs(sigmas) < 1) <= 0.76


def test_errors_stated_twice_too_large_are_found_out(rng):
    light_curve = bazin_light_curve(rng, n=60)
    doubled = LightCurve(light_curve.mjd, light_curve.band, light_curve.mag, 2 * light_curve.mag_err)
    settings = replace(DEFAULT, flux_error_floor=0.0)
    assert fit(doubled, settings).points.error_scale < 0.8
    assert 0.8 < fit(light_curve, settings).points.error_scale < 1.2
    assert fit(doubled, replace(settings, is_error_scale_fitted=False)).points.error_scale == 1.0


def test_long_before_the_first_detection_there_is_no_plateau(rng):
    light_curve = bazin_light_curve(rng, n=60)
    before = np.array([-200.0])
    assert predict(fit(light_curve, DEFAULT), before, "g")[0][0] < 0.02 * bazin_flux(0.0, "g")
    assert predict(fit(light_curve, AUTHORS), before, "g")[0][0] > 0.1 * bazin_flux(0.0, "g")


def test_a_band_that_starts_late_does_not_rise_from_a_plateau(rng):
    for _ in range(15):
        light_curve = bazin_light_curve(rng, n=40, error=0.08)
        late = light_curve[(light_curve.band == "r") | (light_curve.mjd > -3.0)]
        flux, _ = predict(fit(late, DEFAULT), np.array([late.mjd.min(), late.in_band("g").mjd[0]]), "g")
        assert flux[0] < flux[1]


def test_one_band_predicts_itself_and_is_the_only_background(rng):
    found = fit(bazin_light_curve(rng, n=40).in_band("r"), DEFAULT)
    assert list(found.points.background) == ["r"]
    assert np.isfinite(predict(found, GRID, "r")).all()


@pytest.mark.parametrize("light_curve", [LightCurve.of([1.0], "g", 18, 0.1), LightCurve.of([1.0, 2.0, 3.0], "i", 18, 0.1)])
def test_one_detection_or_the_i_band_alone_is_refused_with_the_number(light_curve):
    with pytest.raises(Rejection, match="needed to fit") as refusal:
        fit(light_curve, DEFAULT)
    assert refusal.value.measured["n_points"] == len(light_curve.in_bands(ZTF.fit_bands))


@pytest.mark.parametrize("settings", [DEFAULT, AUTHORS])
def test_identical_times_and_two_points_are_fitted(settings):
    for days in ([5.0, 5.0, 5.0], [1.0, 2.0]):
        found = fit(LightCurve.of(days, ["g", "r", "g"][: len(days)], 18.0, 0.1), settings)
        assert np.isfinite([*predict(found, GRID, "g")]).all()
        assert np.isfinite(found.log_likelihood)


def test_forced_photometry_of_three_hundred_points_is_fitted_near_its_peak_only(rng):
    days = np.concatenate([bazin_light_curve(rng, n=150).mjd, rng.uniform(200, 1500, 150)])
    faint = LightCurve.of(days, rng.choice(["g", "r"], 300), np.where(days < 100, bazin_mag(days, "g"), 22.0), 0.1)
    found = fit(faint, DEFAULT)
    assert found.points.days.max() < 200
    assert fit(faint, preset_settings("paper").gaussian_process).points.days.max() > 1000


def test_the_fluxes_of_the_authors_have_no_typical_level_and_ours_keep_theirs(rng):
    light_curve = bazin_light_curve(rng)
    ours, theirs = flux_points(light_curve, DEFAULT), flux_points(light_curve, AUTHORS)
    assert set(ours.background.values()) == {0.0}
    np.testing.assert_allclose(theirs.flux + [theirs.background[b] for b in theirs.band], ours.flux)
    np.testing.assert_allclose(ours.flux_err, np.hypot(theirs.flux_err, 0.02 * ours.flux))


def test_leaving_a_point_out_is_what_it_says(fitted):
    one = 7
    others = replace(
        fitted.points,
        **{name: np.delete(getattr(fitted.points, name), one) for name in ("days", "band", "flux", "flux_err")},
    )
    flux, flux_err = predict(replace(fitted, points=others), fitted.points.days[one : one + 1], str(fitted.points.band[one]))
    expected = (fitted.points.flux[one] - flux) / np.hypot(flux_err, fitted.points.flux_err[one])
    assert standardised_residuals(fitted)[1][one] == pytest.approx(expected[0], rel=1e-6)


def test_draws_scatter_about_the_prediction_as_it_says(fitted, rng):
    days, band = np.array([0.0, 1.0, 30.0]), np.array(["g", "r", "g"])
    draws = np.array([draw(fitted, days, band, rng) for _ in range(400)])
    expected = np.array([[x[0] for x in predict(fitted, days[k : k + 1], band[k])] for k in range(3)])
    np.testing.assert_allclose(draws.mean(axis=0), expected[:, 0], atol=4 * (expected[:, 1] / 20).max())
    np.testing.assert_allclose(draws.std(axis=0), expected[:, 1], rtol=0.2)


def test_a_stored_fit_predicts_as_the_fit_did(rng):
    light_curve = bazin_light_curve(rng)
    found = fit(light_curve, DEFAULT)
    numbers = {
        "amplitude": found.amplitude,
        "length_scale_days": found.length_scale_days,
        "error_scale": found.points.error_scale,
    }
    np.testing.assert_allclose(predict(restored_fit(light_curve, DEFAULT, **numbers), GRID, "g"), predict(found, GRID, "g"))


def test_a_wavelength_between_the_bands_lies_between_their_light_curves(fitted):
    between = predict(fitted, np.array([10.0]), "g", wavelength_factor=1.15)[0][0]
    g, r = (predict(fitted, np.array([10.0]), band)[0][0] for band in "gr")
    assert min(g, r) < between < max(g, r)


def test_few_points_hardly_change_the_errors():
    points = flux_points(LightCurve.of([0.0, 5.0, 9.0], "g", [18.0, 18.0, 18.0], 0.1), DEFAULT)
    assert 0.75 < rescaled(fit_points(points, 6000.0)).error_scale < 1.0


def test_a_fit_is_what_the_preset_says():
    authors, ours = (fit(LightCurve.of([0.0, 5.0], "g", 18.0, 0.1), settings) for settings in (AUTHORS, DEFAULT))
    flux, flux_err = flux_from_mag(18.0, 0.1)
    assert (authors.points.background, ours.points.background) == ({"g": pytest.approx(flux)}, {"g": 0.0})
    assert (authors.points.error_scale, ours.points.error_scale) == (1.0, pytest.approx(0.85, abs=0.15))
    assert authors.points.flux_err[0] == pytest.approx(flux_err)


def test_no_point_counts_more_than_three_sigma_for_the_errors():
    flat = LightCurve.of(np.arange(8.0), "g", 18.0, 0.02)
    blind = restored_fit(flat, DEFAULT, amplitude=1e-3, length_scale_days=20.0, error_scale=1.0)
    assert np.abs(standardised_residuals(blind)[1]).min() > 3.0
    assert rescaled(blind).error_scale == pytest.approx(np.sqrt((8 * 9 + 5) / 13))
