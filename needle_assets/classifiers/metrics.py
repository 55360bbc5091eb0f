"""The metrics of Table 6 under exact names, and what they become at a threshold (paper, section 6.4). numpy only.

p has shape (n, 3), y shape (n,): probabilities and true classes in the order SN, SLSN-I, TDE. The *preferred* class of an object
is the one with the largest probability, its *confidence* that probability. An object is *covered* at a threshold if its
confidence reaches it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from needle_assets.classifiers.intervals import (
    FloatArray,
    bootstrap_weights,
    clopper_pearson,
    percentile_interval,
)
from needle_assets.labels import LABELS
from needle_assets.shapes import require_columns, require_lengths

IntArray = NDArray[np.integer]
BoolArray = NDArray[np.bool_]

RARE = (1, 2)
# 0 is "maximum" of Figure 19: every object is covered.
THRESHOLDS = (0.0, *(round(0.35 + 0.05 * step, 2) for step in range(13)))
MATRIX_THRESHOLDS = (0.0, 0.5, 0.8)
# Lengths of the lists that people follow up.
FIRST = (10, 20, 50)


@dataclass(frozen=True)
class Measure:
    """
    One number with its 95 % interval.

    ``n`` is the number of objects it rests on (for a rate, the denominator). Where ``value`` is None, or the interval, ``reason`` says why.
    """

    metric: str
    value: float | None
    n: int
    ci_low: float | None = None
    ci_high: float | None = None
    label: str | None = None
    threshold: float | None = None
    reason: str | None = None

    def withheld(self, reason: str) -> "Measure":
        """The same without its value."""
        return replace(self, value=None, ci_low=None, ci_high=None, reason=reason)


def confidences(p: FloatArray, y: IntArray) -> dict[str, float]:
    """
    Table 6: how sure a model is, averaged within each class first and then over classes, so that rare ones count as much.

    Returns
    -------
    dict of str to float
        - ``macro_confidence``: probability of the preferred class, over all three classes.
        - ``macro_confidence_true``: probability of the true class instead (the other reading).
        - ``b_confidence``: probability of the true class, over SLSN-I and TDE.
        - ``b_confidence_preferred``: of the preferred class instead.
        - ``b_entropy``: -ln of the probability of the true class, over SLSN-I and TDE.
        - ``b_entropy_l1``: sum over classes of |probability - truth|, which is 2 (1 - probability of the true class).
        NaN where a class has no object.

    Notes
    -----
    Table 6 is ambiguous. The paper's printed b-entropies lie within 7 % of 2 (1 - b-confidence), far from -ln(b-confidence): its
    b-confidence behaves like the true class and its b-entropy like the L1 distance. Probabilities are bounded below by 1e-12.
    """
    require_lengths(p=p, y=y)
    weights = np.ones((1, len(y)))
    return {name: float(values[0]) for name, values in _confidences(p, y, weights).items()}


def _confidences(p: FloatArray, y: IntArray, weights: FloatArray) -> dict[str, FloatArray]:
    """The same for resamples, shape (n_bootstrap,) each."""
    of_true = p[np.arange(len(y)), y] if len(y) else np.zeros(0)
    preferred = p.max(axis=1, initial=0.0)
    surprise = -np.log(np.maximum(of_true, 1e-12))
    everyone = range(len(LABELS))
    return {
        "macro_confidence": _class_mean(preferred, y, weights, everyone),
        "macro_confidence_true": _class_mean(of_true, y, weights, everyone),
        "b_confidence": _class_mean(of_true, y, weights, RARE),
        "b_confidence_preferred": _class_mean(preferred, y, weights, RARE),
        "b_entropy": _class_mean(surprise, y, weights, RARE),
        "b_entropy_l1": _class_mean(2.0 * (1.0 - of_true), y, weights, RARE),
    }


def _class_mean(values: FloatArray, y: IntArray, weights: FloatArray, classes: Sequence[int] | range) -> FloatArray:
    means = []
    for k in classes:
        chosen = weights[:, y == k]
        with np.errstate(invalid="ignore", divide="ignore"):
            means.append(chosen @ values[y == k] / chosen.sum(axis=1))
    return np.mean(means, axis=0)


def confusion_matrix(p: FloatArray, y: IntArray, threshold: float = 0.0) -> NDArray[np.int64]:
    """Objects of true class (row) and preferred class (column) among those covered at ``threshold`` (Figure 19), shape (3, 3)."""
    require_lengths(p=p, y=y)
    matrix = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
    covered = p.max(axis=1, initial=0.0) >= threshold
    np.add.at(matrix, (y[covered], p.argmax(axis=1)[covered] if len(y) else y), 1)
    return matrix


def rates(matrix: NDArray[np.integer], n_of_class: Sequence[int]) -> list[Measure]:
    """
    Purity, completeness and coverage of every class from a confusion matrix of covered objects, with exact intervals.

    Parameters
    ----------
    matrix : ndarray of int, shape (3, 3)
        Rows true, columns preferred class.
    n_of_class : sequence of int
        All objects of each class, covered or not.

    Returns
    -------
    list of Measure
        - ``purity``: TP / (TP + FP) among covered objects.
        - ``completeness_of_covered``: TP / covered objects of the class; the abstract's 75 % and 66 %.
        - ``completeness_all``: TP / all objects of the class; 30 % and 40 % for the same matrices.
        - ``coverage``: covered objects of the class / all of them. Its numerator is the paper's "coverage".
        A rate without a denominator is None.
    """
    found = []
    for k, label in enumerate(LABELS):
        hits, covered = int(matrix[k, k]), int(matrix[k].sum())
        found += [
            _rate("purity", hits, int(matrix[:, k].sum()), label),
            _rate("completeness_of_covered", hits, covered, label),
            _rate("completeness_all", hits, int(n_of_class[k]), label),
            _rate("coverage", covered, int(n_of_class[k]), label),
            Measure("n_covered", float(covered), int(n_of_class[k]), label=label),
        ]
    return found


def _rate(metric: str, n_hits: int, n: int, label: str | None) -> Measure:
    if n == 0:
        return Measure(metric, None, 0, label=label, reason="no object to count among")
    low, high = clopper_pearson(n_hits, n)
    return Measure(metric, n_hits / n, n, low, high, label)


def threshold_measures(p: FloatArray, y: IntArray, weights: FloatArray, threshold: float) -> list[Measure]:
    """Everything of Figures 17 to 20 at one threshold: rates, F1 (with completeness over covered and over all), matrix counts."""
    n_of_class = [int((y == k).sum()) for k in range(len(LABELS))]
    matrix = confusion_matrix(p, y, threshold)
    found = rates(matrix, n_of_class)
    for k in range(len(LABELS)):
        found += _f1_measures(p, y, weights, threshold, k)
    if threshold in MATRIX_THRESHOLDS:
        found += [
            Measure(f"n_as_{LABELS[column]}", float(matrix[row, column]), n_of_class[row], label=LABELS[row])
            for row in range(len(LABELS))
            for column in range(len(LABELS))
        ]
    return [replace(measure, threshold=threshold) for measure in found]


def _f1_measures(p: FloatArray, y: IntArray, weights: FloatArray, threshold: float, k: int) -> list[Measure]:
    """F1 = 2 TP / (TP + FP + denominator of the completeness): defined wherever one of them is."""
    covered = p.max(axis=1, initial=0.0) >= threshold
    chosen = covered & (p.argmax(axis=1) == k) if len(y) else covered
    measures = []
    for metric, among in (("f1", covered & (y == k)), ("f1_all", y == k)):
        denominator = chosen.astype(float) + among
        n = int((chosen | among).sum())
        if n == 0:
            measures.append(Measure(metric, None, 0, label=LABELS[k], reason="no object to count among"))
            continue
        hits = (chosen & (y == k)).astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = 2.0 * (weights @ hits) / (weights @ denominator)
        low, high = percentile_interval(drawn)
        measures.append(Measure(metric, 2.0 * hits.sum() / denominator.sum(), n, low, high, LABELS[k]))
    return measures


def precision_recall(score: FloatArray, is_positive: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """
    Purity and completeness (over all objects) of "class, if its probability is at least s", for every distinct s, descending.

    Returns
    -------
    threshold, purity, completeness : ndarray, shape (m,)
        Empty without a positive object.
    """
    require_columns(score=score, is_positive=is_positive)
    if not is_positive.any():
        return np.zeros(0), np.zeros(0), np.zeros(0)
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    hits = np.cumsum(is_positive[order])[last_of_tie]
    chosen = np.flatnonzero(last_of_tie) + 1.0
    return ranked[last_of_tie], hits / chosen, hits / is_positive.sum()


def pr_area(score: FloatArray, is_positive: BoolArray) -> float:
    """Average precision: purity summed over the steps in completeness, the area below their curve; NaN without positives."""
    require_columns(score=score, is_positive=is_positive)
    return float(weighted_pr_areas(score, is_positive, np.ones((1, len(score))))[0])


def weighted_pr_areas(score: FloatArray, is_positive: BoolArray, weights: FloatArray) -> FloatArray:
    """The same for objects that count several times or in part: weights (m, n), areas (m,)."""
    if not is_positive.any():
        return np.full(len(weights), np.nan)
    order = np.argsort(-score, kind="stable")
    drawn, positive = weights[:, order], is_positive[order]
    ends = np.flatnonzero(np.append(score[order][1:] != score[order][:-1], True))
    hits = np.cumsum(drawn * positive, axis=1)[:, ends]
    chosen = np.cumsum(drawn, axis=1)[:, ends]
    steps = np.diff(hits, axis=1, prepend=0.0)
    return (steps * hits / np.maximum(chosen, 1e-300)).sum(axis=1) / hits[:, -1]


def weighted_roc_areas(score: FloatArray, is_positive: BoolArray, weights: FloatArray) -> FloatArray:
    """
    Chance that a positive object scores above another one, ties counting half, where objects count several times or in part.

    Weights have shape (m, n), areas (m,); NaN without an object of either kind.
    """
    order = np.argsort(score, kind="stable")
    drawn, positive = weights[:, order], is_positive[order]
    starts = np.flatnonzero(np.append(True, score[order][1:] != score[order][:-1])) if len(score) else np.zeros(0, dtype=np.intp)
    hits, misses = (np.add.reduceat(drawn * chosen, starts, axis=1) for chosen in (positive, ~positive))
    below = np.cumsum(misses, axis=1) - misses / 2.0
    total = hits.sum(axis=1) * misses.sum(axis=1)
    return np.divide((hits * below).sum(axis=1), total, out=np.full(len(weights), np.nan), where=total > 0)


def measures(p: FloatArray, y: IntArray, rng: np.random.Generator, *, n_bootstrap: int = 500) -> list[Measure]:
    """
    Every measure of one set of scores, with intervals.

    Parameters
    ----------
    p : ndarray, shape (n, 3)
        Probabilities.
    y : ndarray of int, shape (n,)
        True classes.
    rng : numpy.random.Generator
        Draws the resamples.
    n_bootstrap : int
        Number of resamples; they are the same for all measures.
    """
    require_lengths(p=p, y=y)
    weights = bootstrap_weights(y, n_bootstrap, rng)
    found = [*_confidence_measures(p, y, weights), *area_measures(p, y, weights), *precisions(p[:, RARE].max(axis=1), y > 0)]
    for threshold in THRESHOLDS:
        found += threshold_measures(p, y, weights, threshold)
    return found


def precisions(score: FloatArray, is_rare: BoolArray) -> list[Measure]:
    """
    Share of rare objects among the first 10, 20 and 50 by score, as whoever follows up a list would find; with exact intervals.

    Parameters
    ----------
    score : ndarray, shape (n,)
        Larger first; objects of equal score in the order in which they come.
    is_rare : ndarray of bool, shape (n,)
        Whether they are what is looked for.
    """
    ranked = is_rare[np.argsort(-score, kind="stable")]
    found = []
    for k in FIRST:
        name = f"precision_at_{k}"
        short = f"there are only {len(ranked)} objects"
        found.append(
            _rate(name, int(ranked[:k].sum()), k, None) if len(ranked) >= k else Measure(name, None, len(ranked), reason=short)
        )
    return found


def _confidence_measures(p: FloatArray, y: IntArray, weights: FloatArray) -> Iterator[Measure]:
    drawn = _confidences(p, y, weights)
    for metric, value in confidences(p, y).items():
        n = int(np.isin(y, RARE).sum()) if metric.startswith("b_") else len(y)
        if np.isfinite(value):
            yield Measure(metric, value, n, *percentile_interval(drawn[metric]))
        else:
            yield Measure(metric, None, n, reason="a class it averages over has no object")


def area_measures(p: FloatArray, y: IntArray, weights: FloatArray) -> Iterator[Measure]:
    """``pr_area`` of every class, with its interval from resamples; None without an object of the class."""
    for k, label in enumerate(LABELS):
        n = int((y == k).sum())
        if n == 0:
            yield Measure("pr_area", None, 0, label=label, reason="no object of the class")
            continue
        value = pr_area(p[:, k], y == k)
        yield Measure("pr_area", value, n, *percentile_interval(weighted_pr_areas(p[:, k], y == k, weights)), label=label)


def closest_to_mean(scores: FloatArray) -> tuple[int, FloatArray]:
    """
    Which model performs most like the average one, and how far each is (section 6.2 deploys that one; here all score together).

    Parameters
    ----------
    scores : ndarray, shape (n_models, n_scores)
        Scores of each model; columns that are not finite for all are left out.

    Returns
    -------
    index : int
        Of the closest model.
    distance : ndarray, shape (n_models,)
        Root mean square of the deviations from the mean in units of the standard deviation over models.
    """
    usable = scores[:, np.isfinite(scores).all(axis=0)]
    spread = usable.std(axis=0)
    deviations = (usable - usable.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    distance = np.sqrt((deviations**2).mean(axis=1)) if usable.shape[1] else np.zeros(len(scores))
    return int(np.argmin(distance)), distance
