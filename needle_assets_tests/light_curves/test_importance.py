import numpy as np
import pytest

from needle_assets.light_curves.importance import correlation_matrix, permutation_ranking


def test_equal_and_opposite_features_correlate_by_one(rng):
    x = rng.normal(size=50)
    matrix = correlation_matrix(np.column_stack([x, -2 * x + 1, rng.normal(size=50)]))
    assert (matrix[0, 1], matrix[0, 0]) == (pytest.approx(-1), pytest.approx(1))
    assert abs(matrix[0, 2]) < 0.4


def test_only_objects_with_both_values_count_and_too_few_are_nan(rng):
    values = rng.normal(size=(30, 3))
    values[:15, 1], values[15:, 0] = np.nan, np.nan
    matrix = correlation_matrix(values)
    assert np.isnan(matrix[0, 1])
    assert matrix[0, 2] == pytest.approx(np.corrcoef(values[:15, 0], values[:15, 2])[0, 1])


def test_the_feature_that_tells_the_classes_apart_comes_first(rng):
    labels = np.repeat(["SN", "TDE"], 60)
    values = rng.normal(size=(120, 3))
    values[labels == "TDE", 1] += 4.0
    values[::7, 2] = np.nan
    mean, scatter = permutation_ranking(values, labels, seed=1, n_repeats=3)
    assert np.argmax(mean) == 1
    assert mean[1] > 0.2
    assert (scatter >= 0).all()


def test_a_single_class_or_a_rare_one_ranks_nothing(rng):
    mean, _ = permutation_ranking(rng.normal(size=(20, 2)), np.array(["SN"] * 18 + ["TDE"] * 2), seed=1)
    assert mean.tolist() == [0.0, 0.0]


def test_being_missing_tells_nothing(rng):
    labels = np.repeat(["SN", "TDE"], 80)
    values = rng.normal(size=(160, 2))
    values[labels == "TDE", 0] = np.where(rng.random(80) < 0.9, np.nan, 0.0)
    values[:, 1] += 2.0 * (labels == "TDE")
    mean, _ = permutation_ranking(values, labels, seed=3)
    assert np.argmax(mean) == 1
    assert abs(mean[0]) < 0.15


def test_a_feature_that_nobody_has_matters_nothing(rng):
    labels = np.repeat(["SN", "TDE"], 20)
    values = np.column_stack([np.full(40, np.nan), np.arange(40.0)])
    assert permutation_ranking(values, labels, seed=3)[0][0] == 0.0
