"""Can a classifier tell synthetic samples from real ones of the same class? If so, "synthetic" stands for "rare" in training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from needle_assets.errors import Rejection
from needle_assets.shapes import require_columns, require_lengths

FAILED_FROM = 0.65
MIN_REAL = 10
N_PARTS = 5


@dataclass(frozen=True)
class Recognisability:
    """
    How well real and synthetic samples of a class are told apart.

    Parameters
    ----------
    auc : float
        Area under the ROC curve of held-out scores: 0.5 = not at all, 1 = always.
    ci_low, ci_high : float
        95 % interval, bootstrap over hosts.
    n_real, n_synthetic : int
        Samples compared.
    telling : tuple of str
        The three features that alone tell most, most telling first.
    """

    auc: float
    ci_low: float
    ci_high: float
    n_real: int
    n_synthetic: int
    telling: tuple[str, ...] = ()

    @property
    def is_failed(self) -> bool:
        """Whether the samples are told apart too well."""
        return self.auc >= FAILED_FROM


def recognisability(
    real: NDArray[np.floating],
    synthetic: NDArray[np.floating],
    groups: tuple[NDArray[np.str_], NDArray[np.str_]],
    names: tuple[str, ...],
    rng: np.random.Generator,
) -> Recognisability:
    """
    Train on some hosts, judge on the others, and see how often real and synthetic are told apart.

    Parameters
    ----------
    real, synthetic : ndarray, shape (n, k), (m, k)
        Features; NaN = missing, which the classifier sees too.
    groups : tuple of ndarray of str, shape (n,), (m,)
        Host of each sample; samples on one host stay together, as a host is its own giveaway.
    names : tuple of str, length k
        Names of the features.
    rng : numpy.random.Generator
        Seeds the classifier and draws the bootstrap.

    Raises
    ------
    Rejection
        With fewer than 10 real samples: the answer would mean nothing.
    """
    require_lengths(real=real, groups_of_real=groups[0])
    require_lengths(synthetic=synthetic, groups_of_synthetic=groups[1])
    if len(real) < MIN_REAL or len(synthetic) < MIN_REAL:
        raise Rejection(
            f"{len(real)} real and {len(synthetic)} synthetic samples; {MIN_REAL} of each are needed to compare them.",
            n_real=len(real),
            n_synthetic=len(synthetic),
        )
    x, host = np.concatenate([real, synthetic]), np.concatenate(groups)
    is_synthetic = np.arange(len(x)) >= len(real)
    score = _held_out_scores(x, is_synthetic, host, int(rng.integers(2**31)))
    low, high = _bootstrap(score, is_synthetic, host, rng)
    single = [abs(area(_ranked(column), is_synthetic) - 0.5) for column in x.T]
    telling = tuple(names[k] for k in np.argsort(single)[::-1][:3])
    return Recognisability(area(score, is_synthetic), low, high, len(real), len(synthetic), telling)


def area(score: NDArray[np.floating], is_positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties counting half; NaN without both."""
    require_columns(score=score, is_positive=is_positive)
    n_positive, n_negative = int(is_positive.sum()), int((~is_positive).sum())
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return float((ranks[is_positive].sum() - n_positive * (n_positive + 1) / 2.0) / (n_positive * n_negative))


def _held_out_scores(
    x: NDArray[np.floating], is_synthetic: NDArray[np.bool_], host: NDArray[np.str_], seed: int
) -> NDArray[np.float64]:
    from sklearn.ensemble import HistGradientBoostingClassifier  # two seconds, and the other stages of samples do without
    from sklearn.model_selection import GroupKFold

    score = np.zeros(len(x))
    parts = min(N_PARTS, len(np.unique(host)))
    for train, test in GroupKFold(parts).split(x, is_synthetic, host):
        model = HistGradientBoostingClassifier(
            max_iter=60, max_leaf_nodes=8, learning_rate=0.1, class_weight="balanced", early_stopping=False, random_state=seed
        )
        # scikit-learn cannot bin a feature without two values, such as every host feature of hostless objects
        varies = np.array([len(np.unique(column[np.isfinite(column)])) > 1 for column in x[train].T])
        if not varies.any() or len(np.unique(is_synthetic[train])) < 2:
            continue
        score[test] = model.fit(x[train][:, varies], is_synthetic[train]).predict_proba(x[test][:, varies])[:, 1]
    return score


def _ranked(column: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.where(np.isfinite(column), column, -1e9)


def _bootstrap(
    score: NDArray[np.float64], is_synthetic: NDArray[np.bool_], host: NDArray[np.str_], rng: np.random.Generator
) -> tuple[float, float]:
    names, of_host = np.unique(host, return_inverse=True)
    members = [np.flatnonzero(of_host == k) for k in range(len(names))]
    drawn = []
    for _ in range(200):
        chosen = np.concatenate([members[k] for k in rng.integers(0, len(names), len(names))])
        drawn.append(area(score[chosen], is_synthetic[chosen]))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)
