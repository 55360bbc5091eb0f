"""Whether an object is none of the classes: boosted trees on the features, judged and calibrated by objects they did not see."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from needle_assets.classifiers.intervals import FloatArray, bootstrap_weights, percentile_interval
from needle_assets.classifiers.metrics import BoolArray, weighted_pr_areas, weighted_roc_areas
from needle_assets.classifiers.needle import SCORE_DECIMALS
from needle_assets.classifiers.trees import fit_trees, score_trees
from needle_assets.labels import LABELS
from needle_assets.shapes import require_lengths

# Trees that are sure say 0 or 1, whose logarithm nothing can be fitted to.
_SUREST = 1e-4
OTHER = len(LABELS)
# Of the weight of a training: SN, SLSN-I, TDE, and what is none of them.
SHARES = (0.2, 0.15, 0.15, 0.5)


@dataclass(frozen=True)
class OtherModel:
    """
    Trees of every fold, and the straight line between the logarithms of their odds and those of the probability.

    Attributes
    ----------
    trees : tuple of bytes
        Of each fold; they did not see its objects.
    slope, intercept : float
        Of the line.
    """

    trees: tuple[bytes, ...]
    slope: float
    intercept: float

    def probability(self, score: FloatArray) -> FloatArray:
        """Probabilities, shape (n,), of what trees say, shape (n,), at the prior that the line was fitted for."""
        return np.round(1.0 / (1.0 + np.exp(-self.slope * _log_odds(score) - self.intercept)), SCORE_DECIMALS)

    def held_out(self, features: FloatArray, fold: NDArray[np.integer]) -> FloatArray:
        """Probabilities, shape (n,), by the trees of each object's own fold; by the mean of all where it has none (-1)."""
        require_lengths(features=features, fold=fold)
        scores = np.array([score_trees(trees, features)[:, -1] for trees in self.trees]).reshape(len(self.trees), len(features))
        own = scores[np.maximum(fold, 0), np.arange(len(features))]
        return self.probability(np.where(fold >= 0, own, scores.mean(axis=0)))


def fit_others(
    features: FloatArray, y: NDArray[np.integer], fold: NDArray[np.integer], *, prior: float, seed: int
) -> tuple[OtherModel, FloatArray]:
    """
    Trees for every fold on the objects of all others, and a calibration by what they say of those they did not see.

    Parameters
    ----------
    features : ndarray, shape (n, k)
        As they are; NaN = missing.
    y : ndarray of int, shape (n,)
        Class of each as its place in :data:`LABELS`, :data:`OTHER` for none of them. At least two of these, and of the classes, in
        different folds.
    fold : ndarray of int, shape (n,)
        From 0 on; each holds an object.
    prior : float
        Share of objects that are none of the classes, which the probabilities are for.
    seed : int
        Of the trees.

    Returns
    -------
    OtherModel
        To score with.
    ndarray, shape (n,)
        Probability of each object by the trees that did not see it. The two numbers of the calibration saw all.

    Notes
    -----
    What is none of the classes has half of the weight in training, the classes share the other half as :data:`SHARES` says: with all of
    them as one, trees take rare classes for something else. The line is Platt's (1999), weighted to the prior, with as much
    evidence as there are objects of the rarer kind.
    """
    require_lengths(features=features, y=y, fold=fold)
    is_other = y == OTHER
    trees = tuple(_fit(features[fold != k], y[fold != k], seed) for k in range(int(fold.max()) + 1))
    raw = OtherModel(trees, 1.0, 0.0)
    score = np.empty(len(fold))
    for k, grown in enumerate(trees):
        score[fold == k] = score_trees(grown, features[fold == k])[:, -1]
    model = OtherModel(raw.trees, *_line(score, is_other, prior))
    return model, model.probability(score)


def _fit(features: FloatArray, y: NDArray[np.integer], seed: int) -> bytes:
    there, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    shares = np.array(SHARES)[there]
    return fit_trees(features, codes, (len(y) * shares / shares.sum() / counts).tolist(), seed)


def _line(score: FloatArray, is_other: BoolArray, prior: float) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegression  # which whoever scores does without

    n = min(is_other.sum(), (~is_other).sum())
    weights = np.where(is_other, prior * 2.0 * n / is_other.sum(), (1.0 - prior) * 2.0 * n / (~is_other).sum())
    fitted = LogisticRegression().fit(_log_odds(score)[:, np.newaxis], is_other, sample_weight=weights)
    return max(float(fitted.coef_[0, 0]), 0.0), float(fitted.intercept_[0])


def _log_odds(score: FloatArray) -> FloatArray:
    kept = np.clip(score, _SUREST, 1.0 - _SUREST)
    return np.log(kept / (1.0 - kept))


def areas(score: FloatArray, is_other: BoolArray, rng: np.random.Generator, *, n_bootstrap: int) -> dict[str, float]:
    """``roc_area`` and ``pr_area`` of a score, each with ``_low`` and ``_high``: 95 % intervals over objects."""
    drawn = bootstrap_weights(is_other.astype(np.int64), n_bootstrap, rng)
    once = np.ones((1, len(score)))
    found: dict[str, float] = {}
    for name, measure in (("roc_area", weighted_roc_areas), ("pr_area", weighted_pr_areas)):
        low, high = percentile_interval(measure(score, is_other, drawn))
        found |= {name: float(measure(score, is_other, once)[0]), f"{name}_low": low, f"{name}_high": high}
    return found
