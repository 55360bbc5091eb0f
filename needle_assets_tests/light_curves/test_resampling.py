import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from needle_assets.light_curves.gaussian_process import predict
from needle_assets.light_curves.light_curve import LightCurve, mag_from_flux
from needle_assets.light_curves.resampling import interpolated, resample
from needle_assets.settings import GaussianProcessSettings
from needle_assets_tests.ztf import fit, magnitude_error, observe_at_redshift, perturb, sample_epochs

from .bazin import bazin_light_curve

OBSERVED = LightCurve.of([0, 3, 7, 9, 30, 2, 8, 40], ["g"] * 5 + ["r"] * 3, 18.0, 0.1)


@pytest.fixture
def light_curve(rng):
    return bazin_light_curve(rng, n=50)


@pytest.fixture
def fitted(light_curve):
    return fit(light_curve, GaussianProcessSettings())


def test_errors_are_those_of_equation_a7():
    np.testing.assert_allclose(magnitude_error([16, 18, 20, 20.5]), [0.0378, 0.0949, 0.2383, 0.3], atol=1e-4)
    assert magnitude_error(18.0) == pytest.approx(0.3 / 10**4.1 * 10**3.6)
    assert magnitude_error(24.5, limit_mag=24.5) == pytest.approx(0.3)


def test_each_point_is_scattered_on_its_own_and_by_at_most_its_error(rng):
    plain = LightCurve.of(np.arange(500.0), "g", 19.0, np.nan)
    scattered = perturb(plain, rng)
    shift = (scattered.mag - 19.0) / scattered.mag_err
    assert np.abs(shift).max() <= 1
    assert shift.std() == pytest.approx(1 / np.sqrt(3), abs=0.05)
    np.testing.assert_allclose(scattered.mag_err, magnitude_error(19.0))


@settings(max_examples=60)
@given(st.integers(0, 2**31), st.sampled_from(["observed", "daily"]), st.integers(1, 3))
def test_each_band_gets_from_the_fewest_to_the_observed_number_within_the_phase(seed, cadence, min_points):
    epochs = sample_epochs(OBSERVED, 12.0, np.random.default_rng(seed), min_points=min_points, cadence=cadence)
    assert min_points <= len(epochs.in_band("g")) <= 4
    assert min(min_points, 2) <= len(epochs.in_band("r")) <= 2
    assert ((epochs.mjd >= 0) & (epochs.mjd <= 12)).all()
    assert (np.diff(epochs.mjd) >= 0).all()


def test_a_single_point_and_all_points_both_occur():
    counts = {len(sample_epochs(OBSERVED.in_band("g"), 12.0, np.random.default_rng(seed))) for seed in range(60)}
    assert counts == {1, 2, 3, 4}


def test_the_cadence_keeps_the_objects_own_gaps(rng):
    epochs = sample_epochs(OBSERVED.in_band("g"), 12.0, rng, min_points=4)
    gaps = np.diff(np.append(epochs.mjd, epochs.mjd[0] + 12.0))
    assert sorted(np.round(gaps, 9)) == [2.0, 3.0, 3.0, 4.0]


def test_the_daily_cadence_of_the_authors_is_of_whole_days(rng):
    epochs = sample_epochs(OBSERVED, 12.0, rng, cadence="daily")
    assert (epochs.mjd == np.round(epochs.mjd)).all()


def test_one_epoch_at_the_end_of_the_phase_and_none_at_all(rng):
    assert sample_epochs(OBSERVED[np.array([4])], 30.0, rng).mjd.tolist() == [30.0]
    assert len(sample_epochs(OBSERVED, -1.0, rng)) == 0


def test_the_same_generator_gives_the_same_epochs():
    first, second = (sample_epochs(OBSERVED, 12.0, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.mjd, second.mjd)


def test_without_a_generator_the_mean_is_taken_and_with_one_the_draws_differ(fitted, rng):
    epochs = LightCurve.of([0.0, 5.0], ["g", "r"], np.nan, np.nan)
    mean = resample(fitted, epochs, None)
    assert mean.mag[1] == pytest.approx(mag_from_flux(predict(fitted, np.array([5.0]), "r")[0], 0.0)[0][0])
    assert len({resample(fitted, epochs, rng).mag[0] for _ in range(5)}) == 5


def test_a_daily_curve_is_read_between_its_days_in_the_bands_it_has():
    epochs = LightCurve.of([0.5, 1.0, 1.5], ["g", "r", "g"], np.nan, np.nan)
    seen = interpolated(np.array([0.0, 1.0, 2.0]), {"g": np.array([18.0, 17.0, 17.5])}, epochs)
    assert (seen.mjd.tolist(), seen.mag.tolist()) == ([0.5, 1.5], [17.5, 17.25])


def test_epochs_without_positive_flux_are_not_seen(fitted):
    rising = fit(LightCurve.of([0.0, 5.0, 9.0], "g", [19.0, 18.0, 18.2], 0.1), GaussianProcessSettings())
    flux = predict(rising, np.array([-20.0, 5.0]), "g")[0]
    assert flux[0] < 0 < flux[1]
    seen = resample(rising, LightCurve.of([-20.0, 5.0], "g", np.nan, np.nan), None)
    assert (seen.mjd.tolist(), seen.mag[0]) == ([5.0], pytest.approx(18.0, abs=0.1))


def test_at_its_own_redshift_only_noise_is_added(fitted, rng):
    epochs = LightCurve.of([0.0, 5.0, 9.0], ["g", "r", "g"], np.nan, np.nan)
    seen = observe_at_redshift(fitted, epochs, (0.1, 0.1), rng, is_posterior_drawn=False)
    mean = resample(fitted, epochs, None)
    assert (np.abs(seen.mag - mean.mag) <= seen.mag_err).all()
    assert seen.mjd.tolist() == [0.0, 5.0, 9.0]


def test_nothing_fainter_than_the_limit_is_left_and_far_away_nothing_is(fitted, rng, light_curve):
    epochs = sample_epochs(light_curve, 10.0, rng, min_points=8)
    assert (observe_at_redshift(fitted, epochs, (0.1, 0.25), rng).mag <= 20.5).all()
    assert len(observe_at_redshift(fitted, epochs, (0.1, 1.5), rng)) == 0
    assert len(observe_at_redshift(fitted, epochs, (0.1, 1.5), rng, limit_mag=30.0)) > 0


def test_the_shifted_spectrum_changes_the_colour_but_not_at_the_same_redshift(fitted, light_curve):
    epochs = sample_epochs(light_curve, 10.0, np.random.default_rng(1), min_points=8)
    options = {"is_posterior_drawn": False, "limit_mag": 40.0}
    for new_redshift, is_same in ((0.1, True), (0.6, False)):
        plain, shifted = (
            observe_at_redshift(
                fitted, epochs, (0.1, new_redshift), np.random.default_rng(2), is_spectrum_shifted=is_shifted, **options
            )
            for is_shifted in (False, True)
        )
        assert np.allclose(plain.mag, shifted.mag) is is_same


def test_points_far_below_the_limit_do_not_scatter_into_view(fitted, light_curve):
    epochs = sample_epochs(light_curve, 10.0, np.random.default_rng(1), min_points=8)
    drawn = [observe_at_redshift(fitted, epochs, (0.1, 8.0), np.random.default_rng(seed)) for seed in range(50)]
    assert sum(len(seen) for seen in drawn) == 0


def test_a_phase_shorter_than_a_day_is_moved_through_too(rng):
    night = LightCurve.of([0.0, 0.25, 0.5], "g", 18.0, 0.1)
    drawn = [sample_epochs(night, 0.75, np.random.default_rng(seed), min_points=3).mjd for seed in range(5)]
    assert all(((times >= 0) & (times <= 0.75)).all() for times in drawn)
    assert len({float(times.min()) for times in drawn}) == 5
