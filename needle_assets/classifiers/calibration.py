"""Whether probabilities mean what they say: reliability curves, and one temperature fitted on validation scores. numpy only."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from needle_assets.classifiers.intervals import FloatArray, clopper_pearson
from needle_assets.classifiers.metrics import Measure
from needle_assets.shapes import require_lengths

N_BINS = 10
_TEMPERATURES = np.exp(np.linspace(np.log(0.1), np.log(10.0), 401))


def with_temperature(p: FloatArray, temperature: float) -> FloatArray:
    """Probabilities whose logits are divided by ``temperature``: above 1 softer, below 1 sharper; the preferred class stays."""
    logits = np.log(np.maximum(p, 1e-12)) / temperature
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def fit_temperature(p: FloatArray, y: NDArray[np.integer], weights: FloatArray | None = None) -> float:
    """
    Temperature that makes the true classes likeliest (Guo et al. 2017), between 0.1 and 10.

    Parameters
    ----------
    p : ndarray, shape (n, k)
        Probabilities of validation objects, never of untouched ones.
    y : ndarray of int, shape (n,)
        True classes.
    weights : ndarray, shape (n,), optional
        Weight of each object; all alike if left out.

    Notes
    -----
    A grid of 401 temperatures, 1.2 % apart: the likelihood is convex in 1/T and flat at its top, a finer search changes nothing.
    """
    require_lengths(p=p, y=y)
    weights = np.ones(len(y)) if weights is None else weights
    rows = np.arange(len(y))
    losses = [-(weights * np.log(np.maximum(with_temperature(p, t)[rows, y], 1e-300))).sum() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def reliability(p: FloatArray, y: NDArray[np.integer], *, n_bins: int = N_BINS) -> Iterator[Measure]:
    """
    Share of objects whose preferred class is right, by confidence; ``threshold`` is the lower edge of the bin.

    Yields ``accuracy_of_confident`` with its exact interval and ``mean_confidence`` for every bin that holds an object.
    """
    require_lengths(p=p, y=y)
    confidence, is_right = p.max(axis=1, initial=0.0), p.argmax(axis=1) == y if len(y) else np.zeros(0, dtype=bool)
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    for k in range(n_bins):
        inside = bins == k
        n, hits = int(inside.sum()), int(is_right[inside].sum())
        if n:
            edge = k / n_bins
            yield Measure("accuracy_of_confident", hits / n, n, *clopper_pearson(hits, n), threshold=edge)
            yield Measure("mean_confidence", float(confidence[inside].mean()), n, threshold=edge)


def expected_calibration_error(p: FloatArray, y: NDArray[np.integer], *, n_bins: int = N_BINS) -> float:
    """Mean over objects of |accuracy - confidence| of their bin; 0 for perfect calibration, NaN without objects."""
    found = list(reliability(p, y, n_bins=n_bins))
    pairs = zip(found[::2], found[1::2], strict=True)
    total = sum(abs((right.value or 0.0) - (mean.value or 0.0)) * right.n for right, mean in pairs)
    return total / len(y) if len(y) else float("nan")
