"""Temperatures and reliability curves by hand."""

import numpy as np
import pytest

from needle_assets.classifiers.calibration import (
    expected_calibration_error,
    fit_temperature,
    reliability,
    with_temperature,
)
from needle_assets.classifiers.intervals import clopper_pearson

P = np.array([[0.62, 0.28, 0.1], [0.1, 0.66, 0.24], [0.97, 0.02, 0.01], [1.0, 0.0, 0.0], [0.05, 0.05, 0.9]])
Y = np.array([0, 2, 0, 0, 1])


def test_a_temperature_of_one_changes_nothing_and_of_two_takes_roots():
    np.testing.assert_allclose(with_temperature(P[:3], 1.0), P[:3])
    roots = np.sqrt(P[:3])
    np.testing.assert_allclose(with_temperature(P[:3], 2.0), roots / roots.sum(axis=1, keepdims=True))


def test_impossible_classes_stay_nearly_so():
    np.testing.assert_allclose(with_temperature(P[3:4], 1.0), [[1.0, 1e-12, 1e-12]], rtol=1e-6)


def test_the_temperature_is_between_a_tenth_and_ten():
    right, wrong = np.tile([0.9, 0.05, 0.05], (20, 1)), np.tile([0.05, 0.05, 0.9], (20, 1))
    assert fit_temperature(right, np.zeros(20, dtype=int)) == pytest.approx(0.1)
    assert fit_temperature(wrong, np.zeros(20, dtype=int)) == pytest.approx(10.0)


def test_the_temperature_makes_confidence_the_share_of_the_right_ones_also_by_weight():
    p = np.tile([0.9, 0.1], (4, 1))
    assert with_temperature(p, fit_temperature(p, np.array([0, 0, 0, 1])))[0, 0] == pytest.approx(0.75, abs=0.005)
    weights = np.array([1.0, 0.0, 0.0, 1.0])
    found = fit_temperature(np.tile([0.9, 0.1], (4, 1)), np.array([0, 0, 0, 1]), np.array([1.0, 1.0, 1.0, 2.0]))
    assert with_temperature(p, found)[0, 0] == pytest.approx(0.6, abs=0.005)
    assert fit_temperature(p, np.array([0, 0, 0, 1]), weights) == pytest.approx(10.0)


def test_each_bin_that_holds_an_object_tells_its_share_of_right_ones_and_its_mean_confidence():
    found = [(m.metric, m.threshold, m.n, m.value) for m in reliability(P, Y)]
    assert found == [
        ("accuracy_of_confident", 0.6, 2, 0.5),
        ("mean_confidence", 0.6, 2, pytest.approx(0.64)),
        ("accuracy_of_confident", 0.9, 3, pytest.approx(2 / 3)),
        ("mean_confidence", 0.9, 3, pytest.approx((0.97 + 1.0 + 0.9) / 3)),
    ]
    first = next(reliability(P, Y))
    assert (first.ci_low, first.ci_high) == clopper_pearson(1, 2)


def test_the_number_of_bins_can_be_chosen():
    assert [m.threshold for m in reliability(P, Y, n_bins=2)] == [0.5, 0.5]
    assert [m.n for m in reliability(P, Y, n_bins=20)][::2] == [1, 1, 1, 2]


def test_the_calibration_error_weighs_bins_by_their_objects():
    expected = (2 * abs(0.5 - 0.64) + 3 * abs(2 / 3 - 2.87 / 3)) / 5
    assert expected_calibration_error(P, Y) == pytest.approx(expected)
    assert expected_calibration_error(P, Y, n_bins=1) == pytest.approx(abs(0.6 - (0.62 + 0.66 + 2.87) / 5))


def test_without_objects_nothing_is_told():
    assert list(reliability(np.zeros((0, 3)), np.zeros(0, dtype=int))) == []
    assert np.isnan(expected_calibration_error(np.zeros((0, 3)), np.zeros(0, dtype=int)))
