"""All measures of one ablation, kind and set: ensemble, each model, mean and scatter over models, calibration, attention."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from needle_assets.classifiers import calibration
from needle_assets.classifiers.intervals import (
    FloatArray,
    bootstrap_weights,
    mean_interval,
    percentile_interval,
)
from needle_assets.classifiers.metrics import (
    RARE,
    Measure,
    closest_to_mean,
    confidences,
    measures,
    pr_area,
    precision_recall,
    threshold_measures,
)
from needle_assets.labels import LABELS
from needle_assets.settings import MetricSettings
from needle_assets.shapes import require_columns

CURVE_THRESHOLDS = tuple(round(0.02 * step, 2) for step in range(1, 50))
# Metrics whose value is a rate of one class, withheld where the untouched set holds too few of it.
COUNTS = ("n_covered", "n_as_")


@dataclass(frozen=True)
class Scores:
    """Ids, shape (n,), probabilities (n, 3) and true classes (n,) of the objects that one model may judge."""

    object_id: NDArray[np.str_]
    p: FloatArray
    y: NDArray[np.int64]


@dataclass(frozen=True)
class Aggregated:
    """A measure and what it is of: the ensemble, one model (``fold``), or mean or standard deviation over models."""

    measure: Measure
    aggregate: Literal["ensemble", "model", "mean", "std"]
    fold: int | None = None


def all_measures(
    by_model: Mapping[int, Scores],
    attention: Mapping[str, FloatArray],
    temperature: float | None,
    part: str,
    rng: np.random.Generator,
    settings: MetricSettings,
) -> list[Aggregated]:
    """
    Everything that is reported of one set.

    Parameters
    ----------
    by_model : mapping of int to Scores
        What each model says of the objects it may judge.
    attention : mapping of class to ndarray, shape (n, 2)
        Attention on transient and host of each object and the share of the stamp they cover.
    temperature : float or None
        Fitted on validation scores, applied to this set for the calibration error.
    part : {"validation", "untouched"}
        The set. Rates of a class with fewer than ``min_untouched`` untouched objects are withheld.
    rng : numpy.random.Generator
        Draws the bootstrap.
    settings : MetricSettings
        Number of resamples, least number of untouched objects.
    """
    together = ensemble(by_model)
    found = [Aggregated(m, "ensemble") for m in measures(together.p, together.y, rng, n_bootstrap=settings.n_bootstrap)]
    found += [Aggregated(m, "ensemble") for m in _curves(together)]
    found += [Aggregated(m, "ensemble") for m in _calibration(together, temperature, rng, settings)]
    found += [Aggregated(m, "ensemble") for m in _attention_measures(attention, rng)]
    found += _over_models(by_model)
    if part == "untouched":
        n_of_class = {label: int((together.y == k).sum()) for k, label in enumerate(LABELS)}
        found = [replace(a, measure=_withheld(a.measure, n_of_class, settings.min_untouched)) for a in found]
    return [_explained(a, len(by_model)) for a in found]


def _explained(found: Aggregated, n_models: int) -> Aggregated:
    """The same, with a reason where there is a value and no interval."""
    measure = found.measure
    ends = [end for end in (measure.ci_low, measure.ci_high) if end is not None and np.isfinite(end)]
    if measure.reason or len(ends) == 2:
        return found
    return replace(found, measure=replace(measure, ci_low=None, ci_high=None, reason=f"no interval: {_why(found, n_models)}"))


def _why(found: Aggregated, n_models: int) -> str:
    if found.aggregate == "std":
        return f"it says itself how much {found.measure.n} models differ"
    if found.aggregate == "mean" and found.measure.n < 2:
        return f"only {found.measure.n} of {n_models} models has a value, so that nothing says how much models differ"
    if found.aggregate == "mean":
        return "the standard deviation beside it says how much models differ"
    if found.aggregate == "model":
        return "it is asked of the ensemble and of the scatter over models, not of one model"
    if found.measure.metric.startswith(COUNTS):
        return "it is a count of these very objects"
    if found.measure.ci_low is not None or found.measure.ci_high is not None:
        return "no resample of the objects gives a finite value"
    return "it describes these very objects, or what was fitted to them"


def ensemble(by_model: Mapping[int, Scores]) -> Scores:
    """Mean probabilities of all models that may judge an object; objects sorted by id."""
    ids = np.concatenate([scores.object_id for scores in by_model.values()])
    p = np.concatenate([scores.p for scores in by_model.values()])
    y = np.concatenate([scores.y for scores in by_model.values()])
    names, first, where, counts = np.unique(ids, return_index=True, return_inverse=True, return_counts=True)
    total = np.zeros((len(names), p.shape[1]))
    np.add.at(total, where, p)
    return Scores(names, total / counts[:, None], y[first])


def _withheld(measure: Measure, n_of_class: Mapping[str, int], least: int) -> Measure:
    """Section 6.3 rests rates on 10 and 15 objects; below ten a rate says nothing but its interval."""
    if measure.value is None or measure.metric.startswith(COUNTS):
        return measure
    concerned = [measure.label] if measure.label else [LABELS[k] for k in RARE] if measure.metric.startswith("b_") else []
    if measure.metric.startswith("macro_"):
        concerned = list(LABELS)
    few = [label for label in concerned if n_of_class[label] < least]
    if not few:
        return measure
    named = " and ".join(f"{n_of_class[label]} {label}" for label in few)
    return measure.withheld(f"only {named} in the untouched set, {least} needed; see validation")


def _curves(scores: Scores) -> Iterator[Measure]:
    """Purity and completeness of "class, if its probability is at least s" on a grid of s."""
    for k, label in enumerate(LABELS):
        threshold, purity, completeness = precision_recall(scores.p[:, k], scores.y == k)
        n = int((scores.y == k).sum())
        for wanted in CURVE_THRESHOLDS:
            reached = np.flatnonzero(threshold >= wanted)
            if len(reached):
                yield Measure("curve_purity", float(purity[reached[-1]]), n, label=label, threshold=wanted)
                yield Measure("curve_completeness", float(completeness[reached[-1]]), n, label=label, threshold=wanted)


def _calibration(
    scores: Scores, temperature: float | None, rng: np.random.Generator, settings: MetricSettings
) -> Iterator[Measure]:
    yield from calibration.reliability(scores.p, scores.y)
    yield _calibration_error("calibration_error", scores.p, scores.y, rng, settings)
    if temperature is not None:
        yield Measure("temperature", temperature, len(scores.y))
        softened = calibration.with_temperature(scores.p, temperature)
        yield _calibration_error("calibration_error_with_temperature", softened, scores.y, rng, settings)


def _calibration_error(
    metric: str, p: FloatArray, y: NDArray[np.int64], rng: np.random.Generator, settings: MetricSettings
) -> Measure:
    weights = bootstrap_weights(y, min(settings.n_bootstrap, 200), rng)
    drawn = []
    for row in weights:
        chosen = np.repeat(np.arange(len(y)), row.astype(int))
        drawn.append(calibration.expected_calibration_error(p[chosen], y[chosen]))
    return Measure(metric, calibration.expected_calibration_error(p, y), len(y), *percentile_interval(np.array(drawn)))


def _attention_measures(attention: Mapping[str, FloatArray], rng: np.random.Generator) -> Iterator[Measure]:
    """Figure 12 as numbers: mean share of attention on transient and host, and how far it exceeds their share of pixels."""
    for label, values in attention.items():
        share, area = values[:, 0], values[:, 1]
        yield Measure("attention_on_source", float(share.mean()), len(values), *mean_interval(share, rng), label=label)
        gain = share - area
        yield Measure("attention_above_area", float(gain.mean()), len(values), *mean_interval(gain, rng), label=label)


def _over_models(by_model: Mapping[int, Scores]) -> Iterator[Aggregated]:
    """Table 7: scores of each model, their mean and standard deviation, and which model is closest to the mean."""
    rows = {fold: [*_scalars(scores)] for fold, scores in by_model.items()}
    for fold, found in rows.items():
        yield from (Aggregated(measure, "model", fold) for measure in found)
    for column in zip(*rows.values(), strict=True):
        yield from _mean_and_std(column)
    table = np.array([[np.nan if m.value is None else m.value for m in found] for found in rows.values()], dtype=float)
    index, distance = closest_to_mean(table)
    for k, fold in enumerate(rows):
        name = "is_closest_to_mean" if k == index else "distance_to_mean"
        yield Aggregated(Measure(name, float(distance[k]), len(by_model[fold].y)), "model", fold)


def _scalars(scores: Scores) -> Iterator[Measure]:
    for metric, value in confidences(scores.p, scores.y).items():
        n = len(scores.y)
        empty = "a class it averages over has no object"
        yield Measure(metric, value, n) if np.isfinite(value) else Measure(metric, None, n, reason=empty)
    for k in RARE:
        n, area = int((scores.y == k).sum()), pr_area(scores.p[:, k], scores.y == k)
        yield Measure("pr_area", area if n else None, n, label=LABELS[k], reason=None if n else "no object of the class")
    for threshold in (0.5, 0.8):
        none = np.zeros((0, len(scores.y)))
        kept = ("purity", "completeness_of_covered", "completeness_all", "coverage", "f1")
        for measure in threshold_measures(scores.p, scores.y, none, threshold):
            if measure.metric in kept and measure.label in [LABELS[k] for k in RARE]:
                yield replace(measure, ci_low=None, ci_high=None)


def _mean_and_std(column: Sequence[Measure]) -> Iterator[Aggregated]:
    values = np.array([m.value for m in column if m.value is not None])
    like = replace(column[0], ci_low=None, ci_high=None, n=len(values), reason=None)
    if len(values) == 0:
        yield Aggregated(replace(like, value=None, reason=column[0].reason), "mean")
        return
    yield Aggregated(replace(like, value=float(values.mean())), "mean")
    if len(values) > 1:
        yield Aggregated(replace(like, value=float(values.std(ddof=1))), "std")


def association(labels: Sequence[str], sources: Sequence[str]) -> float:
    """
    Cramer's V between two properties of the same objects: 0 = independent, 1 = one gives the other away.

    Corrected for its bias (Bergsma 2013), without which a handful of objects looks associated by chance.
    """
    require_columns(labels=labels, sources=sources)
    rows, row_of = np.unique(labels, return_inverse=True)
    columns, column_of = np.unique(sources, return_inverse=True)
    if len(rows) < 2 or len(columns) < 2:
        return 0.0
    table = np.zeros((len(rows), len(columns)))
    np.add.at(table, (row_of, column_of), 1)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    chi2 = ((table - expected) ** 2 / expected).sum()
    n = table.sum()
    (n_rows, n_columns), spare = table.shape, max(n - 1.0, 1.0)
    shared = max(chi2 / n - (n_rows - 1) * (n_columns - 1) / spare, 0.0)
    largest = min(n_rows - (n_rows - 1) ** 2 / spare, n_columns - (n_columns - 1) ** 2 / spare) - 1.0
    return float(np.sqrt(shared / largest)) if largest > 0.0 else 0.0
