"""What is none of the classes: scores by trees that did not see an object, what they are calibrated to, and areas."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from needle_assets.classifiers.metrics import weighted_roc_areas
from needle_assets.classifiers.others import OtherModel, areas, fit_others


def sample(rng: np.random.Generator, n: int = 240, shift: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, one object in six none of the classes, four folds; the first feature tells most of them."""
    is_other = np.arange(n) % 6 == 0
    features = rng.normal(size=(n, 3))
    features[:, 0] += shift * is_other
    features[rng.random((n, 3)) < 0.1] = np.nan
    return features, is_other, np.arange(n) // 6 % 4


def test_an_object_is_judged_by_the_trees_of_its_fold_and_a_stranger_by_all(rng):
    features, is_other, fold = sample(rng)
    model, p = fit_others(features, 3 * is_other, fold, prior=0.5, seed=1)
    np.testing.assert_array_equal(model.held_out(features, fold), p)
    strangers = model.held_out(features, np.full(len(fold), -1))
    assert areas(strangers, is_other, rng, n_bootstrap=2)["roc_area"] > areas(p, is_other, rng, n_bootstrap=2)["roc_area"] + 0.02


def test_the_trees_of_a_fold_do_not_change_with_what_is_in_it(rng):
    features, is_other, fold = sample(rng)
    once = fit_others(features, 3 * is_other, fold, prior=0.5, seed=1)[0]
    features[fold == 2] += 5.0
    again = fit_others(features, 3 * is_other, fold, prior=0.5, seed=1)[0]
    assert [one == other for one, other in zip(once.trees, again.trees, strict=True)] == [False, False, True, False]


@pytest.mark.parametrize("prior", [0.1, 0.5, 0.9])
def test_probabilities_are_those_of_the_stated_prior(rng, prior):
    features, is_other, fold = sample(rng, n=480)
    p = fit_others(features, 3 * is_other, fold, prior=prior, seed=1)[1]
    weights = np.where(is_other, prior / is_other.sum(), (1.0 - prior) / (~is_other).sum())
    assert (weights * p).sum() == pytest.approx(prior, abs=0.02)


def test_trees_that_know_nothing_say_the_prior(rng):
    features, is_other, fold = sample(rng, n=480, shift=0.0)
    p = fit_others(features, 3 * is_other, fold, prior=0.5, seed=1)[1]
    assert np.ptp(p) < 0.2
    assert p.mean() == pytest.approx(0.5, abs=0.05)


def test_a_rare_class_is_not_taken_for_something_else(rng):
    features, is_other, fold = sample(rng, n=240)
    is_rare = np.arange(240) % 40 == 1
    features[is_rare, 1] += 3.0
    p = fit_others(features, np.where(is_other, 3, is_rare), fold, prior=0.5, seed=1)[1]
    assert p[is_rare].mean() < 0.5 < p[is_other].mean()


def test_trees_that_are_sure_say_a_probability():
    p = OtherModel((), 1.0, 0.0).probability(np.array([0.0, 0.5, 1.0]))
    assert 0.0 < p[0] < p[1] == 0.5 < p[2] < 1.0


def test_the_area_below_the_roc_is_that_of_scikit_learn_with_ties_and_weights(rng):
    score, is_other, weights = rng.integers(0, 9, 80) / 8.0, rng.random(80) < 0.3, rng.integers(0, 4, (3, 80)).astype(float)
    expected = [roc_auc_score(is_other, score, sample_weight=drawn) for drawn in weights]
    np.testing.assert_allclose(weighted_roc_areas(score, is_other, weights), expected)
    assert np.isnan(weighted_roc_areas(score[:0], is_other[:0], weights[:, :0])).all()
