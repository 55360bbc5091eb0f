"""The published matrices give the published rates, and the metrics obey their laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from needle_assets.classifiers import calibration, intervals, metrics
from needle_assets.report.paper_numbers import FIGURE_19

N_OF_CLASS = (2350, 10, 15)


def rate(threshold: float, metric: str, label: str) -> metrics.Measure:
    found = metrics.rates(np.array(FIGURE_19[threshold]), N_OF_CLASS)
    return next(measure for measure in found if (measure.metric, measure.label) == (metric, label))


@pytest.mark.parametrize(
    ("threshold", "metric", "label", "hits", "n"),
    [
        (0.8, "purity", "SLSN-I", 3, 4),
        (0.8, "purity", "TDE", 6, 14),
        (0.8, "completeness_of_covered", "SLSN-I", 3, 4),
        (0.8, "completeness_of_covered", "TDE", 6, 9),
        (0.8, "completeness_all", "SLSN-I", 3, 10),
        (0.8, "completeness_all", "TDE", 6, 15),
        (0.8, "coverage", "SN", 1785, 2350),
        (0.5, "purity", "SLSN-I", 5, 32),
        (0.5, "purity", "TDE", 10, 105),
        (0.5, "completeness_of_covered", "SLSN-I", 5, 9),
        (0.5, "completeness_of_covered", "TDE", 10, 14),
        (0.0, "purity", "SLSN-I", 5, 39),
        (0.0, "purity", "TDE", 11, 130),
        (0.0, "completeness_all", "SLSN-I", 5, 10),
        (0.0, "completeness_all", "TDE", 11, 15),
    ],
)
def test_figure_19_gives_the_published_rates_exactly(threshold, metric, label, hits, n):
    found = rate(threshold, metric, label)
    assert found.value == hits / n
    assert found.n == n


@pytest.mark.parametrize(
    ("metric", "label", "low", "high"),
    [
        ("purity", "SLSN-I", 0.194, 0.994),
        ("purity", "TDE", 0.177, 0.711),
        ("completeness_all", "SLSN-I", 0.067, 0.652),
        ("completeness_all", "TDE", 0.163, 0.677),
    ],
)
def test_figure_19_at_0_8_has_the_intervals_of_so_few_objects(metric, label, low, high):
    found = rate(0.8, metric, label)
    assert (found.ci_low, found.ci_high) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


def test_scores_that_make_figure_19_give_it_back():
    p, y = [], []
    for row, counts in enumerate(FIGURE_19[0.8]):
        for column, n in enumerate(counts):
            p += [np.roll([0.9, 0.06, 0.04], column)] * n
            y += [row] * n
    assert (metrics.confusion_matrix(np.array(p), np.array(y), 0.8) == FIGURE_19[0.8]).all()
    assert metrics.confusion_matrix(np.array(p), np.array(y), 0.95).sum() == 0


def test_confidences_of_three_objects_by_hand():
    p = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])
    found = metrics.confidences(p, np.array([0, 1, 2]))
    assert found["macro_confidence"] == pytest.approx((0.7 + 0.5 + 0.8) / 3)
    assert found["macro_confidence_true"] == pytest.approx((0.7 + 0.4 + 0.8) / 3)
    assert found["b_confidence"] == pytest.approx((0.4 + 0.8) / 2)
    assert found["b_confidence_preferred"] == pytest.approx((0.5 + 0.8) / 2)
    assert found["b_entropy"] == pytest.approx(-(np.log(0.4) + np.log(0.8)) / 2)
    assert found["b_entropy_l1"] == pytest.approx(2 * (1 - found["b_confidence"]))


def test_confidences_do_not_depend_on_how_many_objects_a_class_has():
    p = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])
    once = metrics.confidences(p, np.array([0, 1, 2]))
    often = metrics.confidences(p.repeat([50, 1, 3], axis=0), np.array([0, 1, 2]).repeat([50, 1, 3]))
    assert once == pytest.approx(often)


scores = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, 2**32 - 1)))


@settings(max_examples=30)
@given(scores, st.floats(0.0, 1.0, allow_subnormal=False))
def test_counts_add_up_and_coverage_falls_with_the_threshold(drawn, threshold):
    n, seed = drawn
    rng = np.random.default_rng(seed)
    p, y = rng.dirichlet([1, 1, 1], n), rng.integers(0, 3, n)
    matrix = metrics.confusion_matrix(p, y, threshold)
    assert matrix.sum() == (p.max(axis=1) >= threshold).sum()
    assert (matrix <= metrics.confusion_matrix(p, y, threshold / 2)).all()
    assert metrics.confusion_matrix(p, y).sum() == n


@settings(max_examples=8)
@given(scores)
def test_every_value_lies_in_its_interval_and_rates_between_0_and_1(drawn):
    n, seed = drawn
    rng = np.random.default_rng(seed)
    found = metrics.measures(rng.dirichlet([1, 1, 1], n), rng.integers(0, 3, n), rng, n_bootstrap=20)
    for measure in found:
        if measure.value is None:
            assert measure.reason
        elif measure.metric in ("purity", "completeness_all", "completeness_of_covered", "coverage"):
            assert 0.0 <= measure.ci_low <= measure.value <= measure.ci_high <= 1.0


def test_pr_area_agrees_with_scikit_learn(rng):
    from sklearn.metrics import average_precision_score

    score, positive = rng.integers(0, 20, 200) / 20.0, rng.random(200) < 0.2
    assert metrics.pr_area(score, positive) == pytest.approx(average_precision_score(positive, score))


def test_precision_and_recall_by_hand():
    threshold, purity, completeness = metrics.precision_recall(
        np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, False, True, False])
    )
    assert threshold.tolist() == [0.9, 0.8, 0.1]
    assert purity.tolist() == pytest.approx([1.0, 2 / 3, 0.5])
    assert completeness.tolist() == [0.5, 1.0, 1.0]


def test_exact_intervals_cover_as_often_as_they_say(rng):
    hits = rng.binomial(20, 0.3, 2000)
    covered = [low <= 0.3 <= high for low, high in (intervals.clopper_pearson(int(h), 20) for h in hits)]
    assert np.mean(covered) >= 0.95
    assert intervals.clopper_pearson(0, 0) == (0.0, 1.0)


def test_a_bootstrap_keeps_every_class_as_large_as_it_is(rng):
    y = np.array([0] * 50 + [1] * 3)
    weights = intervals.bootstrap_weights(y, 100, rng)
    assert (weights[:, y == 1].sum(axis=1) == 3).all()
    assert (weights[:, y == 0].sum(axis=1) == 50).all()


def test_the_model_closest_to_the_mean_is_the_middle_one():
    index, distance = metrics.closest_to_mean(np.array([[0.1, 5.0], [0.5, np.nan], [0.6, 2.0], [0.9, 1.0]]))
    assert index == 1
    assert distance[1] < distance[2] < distance[3]


def test_a_temperature_undoes_what_a_temperature_did(rng):
    p = rng.dirichlet([2, 2, 2], 4000)
    y = np.array([rng.choice(3, p=row) for row in p])
    sharpened = calibration.with_temperature(p, 0.5)
    assert calibration.fit_temperature(sharpened, y) == pytest.approx(2.0, rel=0.1)
    assert (sharpened.argmax(axis=1) == p.argmax(axis=1)).all()
    assert calibration.expected_calibration_error(p, y) < 0.03 < calibration.expected_calibration_error(sharpened, y)


def test_without_a_positive_object_there_is_no_curve():
    assert [len(part) for part in metrics.precision_recall(np.array([0.5, 0.2]), np.array([False, False]))] == [0, 0, 0]


def test_the_first_of_a_list_are_counted_by_score_and_a_short_list_has_no_precision():
    is_rare = np.arange(30) < 8
    found = {measure.metric: measure for measure in metrics.precisions(-np.arange(30.0), is_rare)}
    assert (found["precision_at_10"].value, found["precision_at_20"].value) == (0.8, 0.4)
    assert found["precision_at_10"].ci_low == pytest.approx(0.444, abs=1e-3)
    assert (found["precision_at_50"].value, found["precision_at_50"].reason) == (None, "there are only 30 objects")
