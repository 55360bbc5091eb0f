"""How early a model finds rare classes: the same objects judged as of several moments, against age and number of epochs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from needle_assets.classifiers.intervals import FloatArray, bootstrap_weights, clopper_pearson, percentile_interval
from needle_assets.classifiers.metrics import RARE, Measure, area_measures, precision_recall, threshold_measures
from needle_assets.labels import LABELS

THRESHOLD = 0.8
PURITY = 0.5
# Clean epochs in both bands: the first of each part.
EPOCHS = ((1, "1"), (2, "2"), (3, "3 and 4"), (5, "5 to 8"), (9, "9 to 16"), (17, "17 or more"))


@dataclass(frozen=True)
class Judgements:
    """
    Objects as of moments, arrays of shape (n,) sorted by object and time, and ``p`` (n, 3) in the order SN, SLSN-I, TDE.

    ``days_to_peak`` is negative after the peak and NaN where no peak is known.
    """

    object_id: NDArray[np.str_]
    moment: NDArray[np.str_]
    age_days: FloatArray
    n_epochs: NDArray[np.int64]
    days_to_peak: FloatArray
    p: FloatArray
    y: NDArray[np.int64]

    def __getitem__(self, rows: NDArray) -> "Judgements":
        return Judgements(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Part:
    """A measure and which judgements it is of."""

    measure: Measure
    grouped_by: str
    name: str
    position: int


def early_measures(judged: Judgements, rng: np.random.Generator, *, n_bootstrap: int) -> list[Part]:
    """
    Areas, purity and completeness at 0.8 of both rare classes at each age and number of epochs, and the days gained.

    Within a number of epochs an object counts once, as of the latest moment that has it.
    """
    found = []
    for position, (name, rows) in enumerate(_by_age(judged)):
        found += [Part(measure, "age", name, position) for measure in _of_part(judged[rows], rng, n_bootstrap)]
    for position, (name, rows) in enumerate(_by_epochs(judged)):
        found += [Part(measure, "detections", name, position) for measure in _of_part(judged[rows], rng, n_bootstrap)]
    for k in RARE:
        found += [Part(measure, "all", "every moment", 0) for measure in days_gained(judged, k, rng, n_bootstrap=n_bootstrap)]
    return found


def _by_age(judged: Judgements) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Parts by moment, the classification epoch last."""
    names = np.unique(judged.moment)
    mean_age = {name: judged.age_days[judged.moment == name].mean() for name in names}
    for name in sorted(names, key=lambda name: ("+" in name, mean_age[name])):
        yield str(name), np.flatnonzero(judged.moment == name)


def _by_epochs(judged: Judgements) -> Iterator[tuple[str, NDArray[np.intp]]]:
    starts = [start for start, _ in EPOCHS]
    of_part = np.searchsorted(starts, judged.n_epochs, side="right") - 1
    for part, (_, name) in enumerate(EPOCHS):
        rows = np.flatnonzero(of_part == part)
        if len(rows):
            is_last = np.append(judged.object_id[rows][1:] != judged.object_id[rows][:-1], True)
            yield name, rows[is_last]


def _of_part(judged: Judgements, rng: np.random.Generator, n_bootstrap: int) -> Iterator[Measure]:
    rare, none = [LABELS[k] for k in RARE], np.zeros((0, len(judged.y)))
    areas = area_measures(judged.p, judged.y, bootstrap_weights(judged.y, n_bootstrap, rng))
    rates = [m for m in threshold_measures(judged.p, judged.y, none, THRESHOLD) if m.metric in ("purity", "completeness_all")]
    yield from (measure for measure in (*areas, *rates) if measure.label in rare)


def days_gained(judged: Judgements, k: int, rng: np.random.Generator, *, n_bootstrap: int) -> list[Measure]:
    """
    When class ``k`` is called first, against the peak, at the lowest threshold from which on half of all calls are right.

    An object is called so at the first moment at which the probability reaches the threshold.

    Returns
    -------
    list of Measure
        - ``days_before_peak``: median over the called objects of the class whose peak is known [d], positive before it.
        - ``found_before_peak``: share of all objects of the class that are called before their peak.
        None where no threshold makes half of the calls right.
    """
    first = np.flatnonzero(np.append(True, judged.object_id[1:] != judged.object_id[:-1]))
    is_class = judged.y[first] == k
    best = np.maximum.reduceat(judged.p[:, k], first)
    threshold, purity, _ = precision_recall(best, is_class)
    enough = np.flatnonzero(purity >= PURITY)
    names, label = ("days_before_peak", "found_before_peak"), LABELS[k]
    if len(enough) == 0:
        reason = "at no threshold half of the calls are right" if is_class.any() else "no object of the class"
        return [Measure(name, None, int(is_class.sum()), label=label, reason=reason) for name in names]
    least = float(threshold[enough[-1]])
    days = _days_at_first_call(judged, judged.p[:, k] >= least, first)[is_class]
    return _told(days, label, least, rng, n_bootstrap)


def _told(days: FloatArray, label: str, least: float, rng: np.random.Generator, n_bootstrap: int) -> list[Measure]:
    """Median and rate from the days before the peak of all objects of a class, NaN where not called or without a peak."""
    names, known = ("days_before_peak", "found_before_peak"), days[np.isfinite(days)]
    early = int((known > 0.0).sum())
    rate = Measure(names[1], early / len(days), len(days), *clopper_pearson(early, len(days)), label, least)
    if len(known) == 0:
        return [Measure(names[0], None, 0, label=label, threshold=least, reason="no called object has a peak"), rate]
    drawn = [
        np.median(np.repeat(known, row.astype(int))) for row in bootstrap_weights(np.zeros(len(known), int), n_bootstrap, rng)
    ]
    median = Measure(names[0], float(np.median(known)), len(known), *percentile_interval(np.array(drawn)), label, least)
    return [median, rate]


def _days_at_first_call(judged: Judgements, is_called: NDArray[np.bool_], first: NDArray[np.intp]) -> FloatArray:
    """Days to the peak when each object was called first; NaN if never, or where no peak is known."""
    n = len(judged.y)
    row = np.minimum.reduceat(np.where(is_called, np.arange(n), n), first)
    return np.append(judged.days_to_peak, np.nan)[row]
