import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from needle_assets.light_curves.cleaning import (
    _deviation_left_out,
    _smoothed,
    clean,
    merge,
    merge_clusters,
    precedes_gap,
    spline_outliers,
)
from needle_assets.light_curves.light_curve import LightCurve
from needle_assets.settings import LightCurveSettings
from needle_assets_tests.instruments import BAND, MAG, MAG_ERR, days, whole_mjd
from needle_assets_tests.ztf import is_usable

from .bazin import bazin_light_curve

DEFAULT = LightCurveSettings()
LETTER = LightCurveSettings(outlier_method="residual", merge_in_flux=False)

rows = st.lists(st.tuples(days(400), BAND, MAG, MAG_ERR), min_size=0, max_size=40)
points = st.tuples(whole_mjd(400), rows).map(
    lambda drawn: LightCurve.of([drawn[0] + row[0] for row in drawn[1]], *([row[k] for row in drawn[1]] for k in range(1, 4)))
)


def cleaned(light_curve, settings=DEFAULT):
    return clean(light_curve, np.ones(len(light_curve), dtype=bool), settings)


@settings(max_examples=60)
@given(points, st.sampled_from([DEFAULT, LETTER]))
def test_every_detection_is_kept_merged_or_accounted_for(light_curve, setting):
    result = cleaned(light_curve, setting)
    n_groups = len(np.unique(merge_clusters(light_curve, 0.5)))
    assert len(result.points) + len(result.outliers) + len(result.before_gap) == n_groups
    assert result.n_merged.sum() <= len(light_curve)
    assert np.isfinite(result.points.mag).all()
    assert (result.points.mag_err > 0).all()


@settings(max_examples=40)
@given(points, st.randoms(use_true_random=False))
def test_the_order_of_the_detections_does_not_matter(light_curve, random):
    order = np.array(random.sample(range(len(light_curve)), len(light_curve)), dtype=int)
    first, second = cleaned(light_curve).points, cleaned(light_curve[order]).points
    np.testing.assert_allclose(first.mag, second.mag, rtol=1e-9)
    np.testing.assert_allclose(first.mjd, second.mjd, rtol=1e-12)


@settings(max_examples=60)
@given(points)
def test_no_group_spans_more_than_the_window_or_two_bands(light_curve):
    groups = merge_clusters(light_curve, 0.5)
    for group in np.unique(groups):
        members = light_curve[groups == group]
        assert np.ptp(members.mjd) <= 0.5
        assert len(set(members.band)) == 1


def test_a_chain_of_close_detections_is_not_swallowed_whole():
    chain = LightCurve.of([0.0, 0.4, 0.8, 1.2], "g", 18.0, 0.1)
    assert merge_clusters(chain, 0.5).tolist() == [0, 0, 1, 1]


def test_two_equal_errors_merge_to_the_mean_flux_with_the_error_over_root_two():
    pair = LightCurve.of([1.0, 1.2], "g", [18.0, 18.0], 0.1)
    merged = merge(pair, np.array([0, 0]))
    assert (merged.mjd[0], merged.mag[0]) == (pytest.approx(1.1), pytest.approx(18.0))
    assert merged.mag_err[0] == pytest.approx(0.1 / np.sqrt(2))


def test_the_better_of_two_detections_counts_more():
    merged = merge(LightCurve.of([1.0, 1.4], "g", [18.0, 18.2], [0.01, 0.1]), np.array([0, 0]))
    assert merged.mag[0] == pytest.approx(18.0, abs=0.01)
    assert merged.mjd[0] == pytest.approx(1.0, abs=0.01)


def test_plain_means_are_plain_means():
    merged = merge(LightCurve.of([1.0, 1.4], "g", [18.0, 18.2], [0.1, 0.1]), np.array([0, 0]), in_flux=False)
    assert (merged.mjd[0], merged.mag[0], merged.mag_err[0]) == (pytest.approx(1.2), pytest.approx(18.1), pytest.approx(0.1))


def test_identical_times_and_duplicated_epochs_merge_to_one_point():
    same = LightCurve.of([5.0] * 4 + [9.0], ["r", "r", "g", "r", "r"], [18.0, 18.0, 19.0, 18.0, 18.5], 0.1)
    result = cleaned(same)
    assert result.points.band.tolist() == ["g", "r", "r"]
    assert sorted(result.n_merged.tolist()) == [1, 1, 3]


def test_an_outlier_on_a_smooth_light_curve_is_removed(rng):
    light_curve = bazin_light_curve(rng, n=40).in_band("g").sorted()
    mag = light_curve.mag.copy()
    mag[8] += 1.2
    spoilt = LightCurve(light_curve.mjd, light_curve.band, mag, light_curve.mag_err)
    assert np.flatnonzero(spline_outliers(spoilt, DEFAULT)).tolist() == [8]


def test_few_points_of_clean_light_curves_are_taken_for_outliers(rng):
    flagged = [cleaned(bazin_light_curve(rng, n=40)).outliers for _ in range(25)]
    assert sum(map(len, flagged)) <= 0.01 * 25 * 40


@pytest.mark.parametrize("setting", [DEFAULT, LETTER])
def test_a_lone_bright_point_may_be_the_peak_and_stays(setting):
    days = np.array([0, 5, 10, 15, 20, 25, 30, 35.0])
    lone = LightCurve.of(days, "g", [19, 19, 19, 17.0, 19, 19, 19, 19], 0.05)
    assert not spline_outliers(lone, setting)[3]


def test_a_bright_point_that_its_neighbours_contradict_is_removed():
    days = np.array([0, 4, 8, 12, 13, 14, 18, 22, 26, 30.0])
    contradicted = LightCurve.of(days, "g", [19, 19, 19, 19, 17.0, 19, 19, 19, 19, 19], 0.05)
    assert spline_outliers(contradicted, DEFAULT)[4]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_a_band_of_few_points_is_never_clipped(n, rng):
    few = LightCurve.of(np.arange(n) * 3.0, "r", rng.uniform(15, 21, n), 0.01)
    assert len(cleaned(few).points) == n


def test_what_precedes_the_last_long_gap_before_the_peak_goes():
    light_curve = LightCurve.of([0, 150, 300, 310, 320, 600], "g", [19, 19, 19, 17, 18, 19.5], 0.1)
    assert precedes_gap(light_curve, 100.0).tolist() == [True, True, False, False, False, False]


def test_a_gap_is_one_in_both_bands_together():
    light_curve = LightCurve.of([0, 60, 120, 180], ["g", "r", "g", "r"], [19, 19, 18, 18.5], 0.1)
    assert not precedes_gap(light_curve, 100.0).any()


def test_a_gap_after_the_peak_removes_nothing():
    assert not precedes_gap(LightCurve.of([0, 10, 500], "r", [18, 17, 19], 0.1), 100.0).any()


def test_unusable_are_negative_differences_missing_values_and_unknown_bands():
    light_curve = LightCurve.of(
        [1, 2, 3, 4, np.nan, 6], ["g", "g", "g", "x", "g", "g"], [18, np.nan, 18, 18, 18, 18], [0.1, 0.1, 0, 0.1, 0.1, 0.1]
    )
    assert is_usable(light_curve, np.array([True, True, True, True, True, False])).tolist() == [True] + [False] * 5


def test_two_hundred_points_and_more_are_cleaned(rng):
    assert len(cleaned(bazin_light_curve(rng, n=400)).points) > 150


def test_a_merged_point_is_corrected_only_if_all_its_detections_are():
    pair = LightCurve.of([1.0, 1.1, 5.0], "g", 18.0, 0.1)
    assert clean(pair, np.array([True, False, True]), DEFAULT).is_mw_corrected.tolist() == [False, True]


def test_an_outlier_in_the_only_band_goes_and_one_in_three_bands_goes_from_its_own(rng):
    smooth = bazin_light_curve(rng, n=40).in_band("g").sorted()
    mag = smooth.mag.copy()
    mag[8] += 1.2
    spoilt = LightCurve(smooth.mjd, smooth.band, mag, smooth.mag_err)
    assert cleaned(spoilt).outliers.mjd.tolist() == [smooth.mjd[8]]
    rows = [(t, band, m, 0.05) for band in "ri" for t, m in zip(smooth.mjd, smooth.mag, strict=True)]
    both = LightCurve.of(
        *(
            np.concatenate([getattr(spoilt, name), column])
            for name, column in zip(("mjd", "band", "mag", "mag_err"), zip(*rows, strict=True), strict=True)
        )
    )  # fmt: skip - one sentence
    assert list(zip(cleaned(both).outliers.mjd, cleaned(both).outliers.band, strict=True)) == [(smooth.mjd[8], "g")]


def test_a_stray_is_measured_in_the_scatter_of_the_others_where_that_exceeds_their_errors():
    days, others = np.arange(21.0), np.delete(np.arange(21), 10)
    noisy = 18.0 + 0.2 * (-1.0) ** np.arange(21)
    noisy[10] = 19.5
    weight = np.full(21, 10.0)
    found = _deviation_left_out(days, noisy, weight, 10, others)
    spline = _smoothed(days[others], noisy[others], weight[others], 10.0)
    scatter = np.sqrt(np.mean((noisy[others] - spline(days[others])) ** 2))
    assert found == pytest.approx(abs(19.5 - spline(10.0)) / max(scatter, 0.1))
    calm = np.where(np.arange(21) == 10, 19.5, 18.0)
    assert _deviation_left_out(days, calm, weight, 10, others) == pytest.approx(15.0, rel=1e-3)
