"""Trees stored as plain arrays say what scikit-learn's say, missing values and weights of classes included."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from needle_assets.classifiers import trees
from needle_assets.classifiers.trees import fit_trees, score_trees


def sample(rng: np.random.Generator, n: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(n) % n_classes
    x = rng.normal(size=(n, 5)) + y[:, None] * [2.0, 0.0, 1.0, 0.0, 0.0]
    x[rng.random(x.shape) < 0.2] = np.nan
    x[:, 3] = np.nan  # a feature that nothing has
    return x, y


@pytest.mark.parametrize("n_classes", [2, 3])
def test_stored_trees_say_what_scikit_learn_says(rng, monkeypatch, n_classes):
    grown, to_bytes = [], trees._to_bytes
    monkeypatch.setattr(trees, "_to_bytes", lambda model, varies: grown.append((model, varies)) or to_bytes(model, varies))
    stored = fit_trees(*sample(rng, 120, n_classes), (1.0, 2.0, 3.0)[:n_classes], 1)
    seen = sample(rng, 50, n_classes)[0]
    (model, varies) = grown[0]
    assert isinstance(model, HistGradientBoostingClassifier)
    np.testing.assert_allclose(score_trees(stored, seen), model.predict_proba(seen[:, varies]), atol=1e-6)


def test_the_same_seed_grows_the_same_bytes_and_a_class_that_weighs_more_is_more_likely(rng):
    x, y = sample(rng, 120, 2)
    x[:, 0] = x[:, 2] = rng.normal(size=120)
    once, again, heavier = (fit_trees(x, y, alpha, 1) for alpha in ((1.0, 1.0), (1.0, 1.0), (1.0, 9.0)))
    assert once == again
    assert score_trees(heavier, x)[:, 1].mean() > score_trees(once, x)[:, 1].mean() + 0.1
    assert score_trees(once, x[:0]).shape == (0, 2)
