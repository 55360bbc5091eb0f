"""How the features correlate and which of them tell the classes apart (paper, figures 1 and 2). No pictures here."""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split

from needle_assets.light_curves.light_curve import FloatArray
from needle_assets.shapes import require_lengths

MIN_COMMON_VALUES = 10


def correlation_matrix(values: FloatArray) -> FloatArray:
    """
    Pearson correlation of each pair of features over the objects that have both.

    Parameters
    ----------
    values : ndarray, shape (n_objects, n_features)
        Features; NaN = missing.

    Returns
    -------
    ndarray, shape (n_features, n_features)
        NaN where fewer than ten objects have both, or one of the two does not vary.
    """
    present = (~np.isnan(values)).astype(float)
    mean = np.nansum(values, axis=0) / np.maximum(present.sum(axis=0), 1)
    filled = np.nan_to_num(values - mean)  # a missing value adds nothing to a sum; what is counted is in ``present``
    n = present.T @ present
    total, squares = filled.T @ present, (filled**2).T @ present  # of the first feature over the objects that have both
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = squares - total**2 / n
        matrix = (filled.T @ filled - total * total.T / n) / np.sqrt(spread * spread.T)
    return np.where((n >= MIN_COMMON_VALUES) & (spread > 0) & (spread.T > 0), np.clip(matrix, -1.0, 1.0), np.nan)


def permutation_ranking(
    values: FloatArray, labels: NDArray[np.str_], *, seed: int, n_repeats: int = 5
) -> tuple[FloatArray, FloatArray]:
    """
    Loss of balanced accuracy when one feature is shuffled among held-out objects.

    Parameters
    ----------
    values : ndarray, shape (n_objects, n_features)
        Features of training objects only; NaN = missing. Each is replaced by the value of another object, drawn at random, so that
        being missing tells nothing: in real data it gives the class away.
    labels : ndarray, shape (n_objects,)
        Classes; those with fewer than four objects are left out.
    seed : int
        Seed of the replacements, the split, the trees and the shuffles.
    n_repeats : int
        Shuffles of each feature.

    Returns
    -------
    mean, scatter : ndarray, shape (n_features,)
        Over the shuffles; zero where fewer than two classes are left.

    Notes
    -----
    Figure 2 ranks the features by the gain in a boosted ensemble, which favours features with many distinct values and counts
    correlated ones twice; shuffling held-out objects does not. A quarter of the objects, by class, is held out.
    """
    require_lengths(values=values, labels=labels)
    names, counts = np.unique(labels, return_counts=True)
    kept = np.isin(labels, names[counts >= 4])
    if len(np.unique(labels[kept])) < 2:
        return np.zeros(values.shape[1]), np.zeros(values.shape[1])
    complete = _with_drawn_values(values[kept], np.random.default_rng(seed))
    parts = train_test_split(complete, labels[kept], test_size=0.25, stratify=labels[kept], random_state=seed)
    trees = HistGradientBoostingClassifier(max_iter=60, class_weight="balanced", random_state=seed).fit(parts[0], parts[2])
    found = permutation_importance(
        trees, parts[1], parts[3], scoring="balanced_accuracy", n_repeats=n_repeats, random_state=seed, n_jobs=1
    )
    return found.importances_mean, found.importances_std


def _with_drawn_values(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Missing values replaced by those of other objects; a feature that nobody has becomes zero."""
    complete = values.copy()
    for column in complete.T:
        missing = np.isnan(column)
        known = column[~missing]
        column[missing] = rng.choice(known, missing.sum()) if len(known) else 0.0
    return complete
