from dataclasses import replace

import numpy as np
import pytest

from needle_assets.light_curves.gaussian_process import predict
from needle_assets.light_curves.light_curve import LightCurve, mag_from_flux
from needle_assets.light_curves.usability import daily_curve, judge
from needle_assets.settings import GaussianProcessSettings
from needle_assets_tests.ztf import fit, peak_mjd

from .bazin import bazin_light_curve, bazin_mag

DEFAULT = GaussianProcessSettings()


def judged(light_curve, settings=DEFAULT):
    found = fit(light_curve, settings)
    return judge(found, daily_curve(found, faintest_mag=25.0), peak_mjd(light_curve) + 5.0, settings)


@pytest.fixture
def light_curve(rng):
    return bazin_light_curve(rng, n=60)


def test_a_well_sampled_rise_is_usable(light_curve):
    found = judged(light_curve)
    assert found.reasons == ()
    assert 0.1 < found.left_out_chi2 < 3


def test_the_daily_curve_covers_every_day_from_first_to_last_point(light_curve):
    curve = daily_curve(fit(light_curve, DEFAULT), faintest_mag=25.0)
    assert curve.days_since_first[0] == np.floor(light_curve.mjd.min())
    assert curve.days_since_first[-1] == np.ceil(light_curve.mjd.max())
    assert (np.diff(curve.days_since_first) == 1).all()


def test_the_daily_curve_is_finite_and_no_fainter_than_the_limit_even_where_the_flux_is_negative(light_curve):
    dipping = LightCurve.of([0.0, 1.0, 200.0, 201.0], "g", [17.0, 17.0, 24.0, 24.5], 0.02)
    curve = daily_curve(fit(dipping, replace(DEFAULT, max_days_after_peak=1e4)), faintest_mag=25.0)
    assert np.isfinite([curve.mag["g"], curve.mag_err["g"]]).all()
    assert curve.mag["g"].max() <= 25.0


def test_a_band_without_points_has_no_curve(light_curve):
    assert list(daily_curve(fit(light_curve.in_band("g"), DEFAULT), faintest_mag=25.0).mag) == ["g"]


def test_a_decline_alone_has_no_rise(light_curve):
    assert any(reason.startswith("no rise") for reason in judged(light_curve[light_curve.mjd > 12.0]).reasons)


def test_two_rising_points_are_too_few():
    declining = LightCurve.of([0.0, 3.0, 12.0, 16.0, 20.0], "g", [19.0, 18.0, 18.3, 18.5, 18.7], 0.05)
    assert judged(declining).reasons[0] == "2 rising epochs"


def test_one_rising_point_in_each_band_is_too_few():
    pairs = LightCurve.of([0.0, 1.0, 60.0, 61.0], ["g", "r", "g", "r"], [18.0, 18.0, 19.0, 19.0], 0.1)
    assert "2 rising epochs" in judged(pairs).reasons


def test_scatter_far_beyond_the_errors_is_unpredictable(rng):
    light_curve = bazin_light_curve(rng, n=60, error=0.4)
    wild = LightCurve(light_curve.mjd, light_curve.band, light_curve.mag, np.full(60, 0.01))
    settings = replace(DEFAULT, is_error_scale_fitted=False, flux_error_floor=0.0)
    assert any("chi2" in reason or "length scale" in reason for reason in judged(wild, settings).reasons)


def test_reasons_begin_right_above_the_limits_of_the_settings(light_curve):
    found = judged(light_curve)
    exact = {
        "max_left_out_chi2": found.left_out_chi2,
        "max_chi2": found.reduced_chi2,
        "max_rise_err_mag": found.median_rise_err_mag,
    }
    assert judged(light_curve, replace(DEFAULT, **exact)).reasons == ()
    tight = replace(DEFAULT, **{name: 0.99 * value for name, value in exact.items()})
    first_words = [reason.split(",")[0].split(" by")[0] for reason in judged(light_curve, tight).reasons]
    assert first_words == ["under-fitted", "unpredictable", "rise uncertain"]


def test_the_number_of_rising_points_and_the_rise_asked_for_are_enough(light_curve):
    rising = light_curve.mjd <= peak_mjd(light_curve) + 5.0
    n_rising, n_best = int(rising.sum()), max(int((rising & (light_curve.band == band)).sum()) for band in "gr")
    enough = replace(DEFAULT, min_rising_points=n_rising, min_rising_points_in_a_band=n_best)
    assert judged(light_curve, enough).reasons == ()
    for more in ({"min_rising_points": n_rising + 1}, {"min_rising_points_in_a_band": n_best + 1}):
        assert judged(light_curve, replace(enough, **more)).reasons == (f"{n_rising} rising epochs",)


def test_a_length_scale_must_lie_between_the_usable_ones_and_a_fit_must_have_converged(light_curve):
    scale = fit(light_curve, DEFAULT).length_scale_days
    for limits in ((scale, 500.0), (2.0, scale)):
        [reason] = judged(light_curve, replace(DEFAULT, usable_length_scale_days=limits)).reasons
        assert reason == f"length scale {scale:.3g} d"
    stuck = replace(fit(light_curve, DEFAULT), is_converged=False)
    curve = daily_curve(stuck, faintest_mag=25.0)
    assert judge(stuck, curve, peak_mjd(light_curve) + 5.0, DEFAULT).reasons == ("optimiser did not converge",)


def test_a_dip_between_detections_is_not_believed():
    days = np.array([0.0, 2.0, 4.0, 80.0, 82.0, 84.0, 90.0])
    bumps = LightCurve.of(days, "g", [18.5, 18.4, 18.5, 18.4, 18.0, 17.9, 18.2], 0.03)
    assert any(reason.startswith("dip") for reason in judged(bumps).reasons)


def test_an_uncertain_rise_is_not_used():
    sparse = LightCurve.of([0.0, 2.0, 40.0, 42.0, 44.0], "g", [20.0, 19.9, 18.1, 18.0, 18.1], 0.05)
    assert judged(sparse, replace(DEFAULT, max_rise_err_mag=0.05)).median_rise_err_mag > 0.05
    assert any(reason.startswith("rise uncertain") for reason in judged(sparse, replace(DEFAULT, max_rise_err_mag=0.05)).reasons)


def test_a_flat_light_curve_runs_to_the_longest_scale_and_is_refused():
    flat = LightCurve.of(np.arange(0.0, 40.0, 4.0), "r", 18.0, 0.1)
    assert any(reason.startswith("length scale") for reason in judged(flat).reasons)


def test_usable_fits_of_simulated_objects_are_near_the_truth(rng):
    for _ in range(10):
        light_curve = bazin_light_curve(rng, n=25, error=0.1)
        found = fit(light_curve, DEFAULT)
        if judged(light_curve).reasons == ():
            days = np.arange(-5.0, 20.0)
            mag = mag_from_flux(predict(found, days, "r")[0], 0.0)[0]
            assert np.median(np.abs(mag - bazin_mag(days, "r"))) < 0.15


def test_a_phase_that_ends_before_the_first_point_is_judged_unusable_and_no_error(light_curve):
    found = fit(light_curve, DEFAULT)
    judgement = judge(found, daily_curve(found, faintest_mag=25.0), found.points.days.min() - 10.0, DEFAULT)
    assert judgement.reasons[:2] == ("0 rising epochs", "no rise, 0 mag")
    assert np.isnan([judgement.reduced_chi2, judgement.left_out_chi2, judgement.median_rise_err_mag]).all()
