"""Scaling is fitted once and applied to anything; the realism test tells what can be told."""

import json

import numpy as np
import pytest
from scipy.special import ndtri

from needle_assets.classifiers.fitting import turned
from needle_assets.errors import Rejection
from needle_assets.images.augmentation import Pair
from needle_assets.light_curves.features import NO_HOST
from needle_assets.samples.crossmatch import ImageParent, _orientation, rendered_pair
from needle_assets.samples.pixel_statistics import PIXEL_STATISTICS, pixel_statistics
from needle_assets.samples.realism import area, recognisability
from needle_assets.samples.scaling import LARGEST_SIGMA, Scaler, feature_weights, normalised_pair
from needle_assets.settings import SyntheticSettings
from needle_assets.surveys.ztf import ZTF

NAMES = ("a", "b")


def test_scaled_features_have_mean_0_and_scatter_1_and_missing_ones_are_the_median(rng):
    x = np.column_stack([rng.normal(5.0, 2.0, 500), rng.exponential(3.0, 500)])
    scaler = Scaler.fit(NAMES, x)
    scaled = scaler.apply(x)
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(scaled[:, 0].std(), 1.0, atol=1e-3)
    missing = scaler.apply(np.full((1, 2), np.nan))
    np.testing.assert_allclose(missing[0], (np.median(x, axis=0) - x.mean(axis=0)) / x.std(axis=0), atol=1e-5)


@pytest.mark.parametrize("by_rank", [False, True])
def test_what_lies_far_from_the_training_part_is_outside_and_what_is_missing_is_not(rng, by_rank):
    scaler = Scaler.fit(NAMES, rng.normal(5.0, 1.0, (500, 2)), by_rank=by_rank)
    found = scaler.outside(np.array([[5.0, 20.0], [-9.0, np.nan], [7.0, 3.0]]))
    assert found.tolist() == [[False, True], [True, False], [False, False]]


def test_a_feature_that_is_never_there_or_never_changes_harms_nothing():
    never = np.array([[np.nan, 3.0], [np.nan, 3.0]])
    assert Scaler.fit(NAMES, never, by_rank=True).apply(np.array([[1.0, 9.0]])).tolist() == [[0.0, 0.0]]
    scaler = Scaler.fit(NAMES, never)
    assert np.isfinite(scaler.apply(np.array([[1.0, 1e30], [np.nan, np.inf]]))).all()
    assert np.abs(scaler.apply(np.array([[0.0, 1e30]]))).max() <= LARGEST_SIGMA


@pytest.mark.parametrize("by_rank", [False, True])
def test_a_scaler_survives_json(rng, by_rank):
    scaler = Scaler.fit(NAMES, rng.normal(size=(20, 2)), by_rank=by_rank, has_mask=by_rank)
    assert Scaler.from_dict(json.loads(json.dumps(scaler.as_dict()))) == scaler


def test_a_scaler_stored_before_there_were_ranks_still_standardises():
    stored = {"names": ["a"], "median": [2.0], "mean": [1.0], "std": [4.0]}
    np.testing.assert_allclose(Scaler.from_dict(stored).apply(np.array([[9.0], [np.nan]])), [[2.0], [0.25]])


def test_ranks_make_a_heavy_tail_gaussian_and_any_monotonic_change_of_it_the_same(rng):
    offsets = np.exp(rng.normal(0.0, 3.0, (2000, 1)))
    seen = np.sort(np.exp(rng.normal(0.0, 3.0, (50, 1))), axis=0)
    scaler, logarithms = (Scaler.fit(("a",), x, by_rank=True) for x in (offsets, np.log(offsets)))
    scaled = scaler.apply(offsets)[:, 0]
    assert abs(scaled.mean()) < 0.02
    assert scaled.std() == pytest.approx(1.0, abs=0.03)
    assert (np.diff(scaler.apply(seen)[:, 0]) >= 0).all()
    np.testing.assert_allclose(scaler.apply(seen), logarithms.apply(np.log(seen)), atol=0.06)


def test_equal_values_share_their_middle_rank_and_what_lies_beyond_the_training_part_ends_with_it():
    scaler = Scaler.fit(("a",), np.array([[0.0]] * 6 + [[1.0], [2.0], [3.0], [4.0]]), by_rank=True)
    scaled = scaler.apply(np.array([[0.0], [np.nan], [4.0], [1e9], [-1e9]]))[:, 0]
    assert scaled[0] == scaled[1] == scaled[4] == pytest.approx(ndtri(0.3))
    assert scaled[2] == scaled[3] == pytest.approx(ndtri(0.95))


def test_a_mask_says_beside_the_values_what_is_missing():
    scaler = Scaler.fit(NAMES, np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 4.0]]), by_rank=True, has_mask=True)
    seen = scaler.apply(np.array([[1.0, np.nan], [np.nan, 4.0]]))
    assert seen.shape == (2, scaler.n_columns) == (2, 4)
    assert seen[:, 2:].tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_a_telling_feature_weighs_more_and_weights_average_1(rng):
    y = rng.integers(0, 2, 400)
    weights = feature_weights(np.column_stack([y + rng.normal(0, 0.3, 400), rng.normal(size=400)]), y, 1)
    assert weights[0] > 3 * weights[1]
    assert weights.mean() == pytest.approx(1.0, abs=1e-5)
    assert feature_weights(np.zeros((4, 2)), np.array([0, 0, 0, 0]), 1).tolist() == [1.0, 1.0]


def test_a_pair_is_scaled_together_and_holes_are_filled(rng):
    science, reference = rng.normal(100, 1, (60, 60)), rng.normal(50, 1, (60, 60))
    science[3, 4] = np.nan
    pair = normalised_pair(science, reference)
    assert pair.shape == (2, 60, 60)
    assert pair.min() == 0.0
    assert pair.max() == 1.0
    assert pair[0].mean() > 0.8 > 0.2 > pair[1].mean()


def test_area_by_hand():
    assert area(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == 0.75
    assert area(np.array([1.0, 1.0]), np.array([False, True])) == 0.5
    assert np.isnan(area(np.array([1.0]), np.array([True])))


def test_samples_of_one_kind_are_not_told_apart_and_shifted_ones_are(rng):
    real, same = rng.normal(size=(60, 4)), rng.normal(size=(200, 4))
    groups = (np.array([f"h{i}" for i in range(60)]), np.array([f"h{i % 60}" for i in range(200)]))
    names = ("a", "b", "c", "d")
    assert recognisability(real, same, groups, names, rng).auc < 0.65
    told = recognisability(real, same + np.array([0, 0, 3, 0]), groups, names, rng)
    assert told.is_failed
    assert told.telling[0] == "c"
    assert told.ci_low < told.auc < told.ci_high


def test_too_few_samples_are_not_compared(rng):
    with pytest.raises(Rejection, match="3 real"):
        recognisability(np.zeros((3, 1)), np.zeros((30, 1)), (np.array(["a"] * 3), np.array(["a"] * 30)), ("a",), rng)


def test_a_feature_that_is_never_there_is_nought_with_a_scatter_of_one():
    scaler = Scaler.fit(NAMES, np.array([[np.nan, 3.0], [np.nan, 5.0]]))
    assert (scaler.median, scaler.mean, scaler.std) == ((0.0, 4.0), (0.0, 4.0), (1.0, 1.0))


def test_features_without_two_values_in_a_part_are_left_out_of_the_comparison(rng):
    groups = (np.array([f"h{i}" for i in range(40)]), np.array([f"h{i % 40}" for i in range(80)]))
    real, made = (np.column_stack([rng.normal(size=n), np.full(n, np.nan), np.full(n, 3.0)]) for n in (40, 80))
    assert recognisability(real, made, groups, ("a", "b", "c"), rng).auc < 0.7


@pytest.mark.parametrize(("turns", "is_same"), [("quarter", True), ("any", False)])
def test_a_synthetic_stamp_turned_by_quarters_has_the_pixels_of_a_real_one_and_one_turned_by_any_angle_has_not(
    rng, turns, is_same
):
    y, x = np.mgrid[:60, :60]
    source = np.exp(-(((x - 30) / 6) ** 2) - ((y - 30) / 3) ** 2)
    images = [rng.normal(0, 1, (60, 60)) + 40 * source for _ in range(2)]
    pair, parent = Pair(*images, source > 0.05, (30.0, 30.0), None), ImageParent("a", 0.1, ZTF, NO_HOST, is_complete=True)
    noise = {"science_noise": images[0][source < 0.05], "reference_noise": images[1][source < 0.05]}
    turn = _orientation(parent, rng, SyntheticSettings(turns=turns))
    made = rendered_pair(pair, turn, 1, **noise)
    seen = [
        pixel_statistics(np.moveaxis(normalised_pair(*both), 0, -1)[None]) for both in (images, (made.science, made.reference))
    ]
    assert np.allclose(*seen, atol=1e-6) == is_same


def test_pixel_statistics_do_not_change_with_the_orientation_that_training_gives(rng):
    pairs = rng.random((6, 60, 60, 2))
    np.testing.assert_allclose(pixel_statistics(turned(pairs, rng)), pixel_statistics(pairs), atol=1e-9)
    assert pixel_statistics(pairs).shape == (6, len(PIXEL_STATISTICS))
