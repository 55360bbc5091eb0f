"""95 % intervals: exact ones for rates, bootstrap over objects for everything else."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

FloatArray = NDArray[np.float64]
CONFIDENCE = 0.95


def clopper_pearson(n_hits: int, n: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact interval of a rate of ``n_hits`` in ``n`` (Clopper & Pearson 1934); (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if n_hits == 0 else float(betaincinv(n_hits, n - n_hits + 1, tail))
    high = 1.0 if n_hits == n else float(betaincinv(n_hits + 1, n - n_hits, 1.0 - tail))
    return low, high


def bootstrap_weights(strata: NDArray[np.integer], n_bootstrap: int, rng: np.random.Generator) -> FloatArray:
    """
    How often each object is drawn in each of ``n_bootstrap`` resamples, shape (n_bootstrap, n).

    Objects are drawn with replacement within their stratum (their class), so that a rare class never vanishes.
    """
    weights = np.zeros((n_bootstrap, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        weights[:, members] = rng.multinomial(len(members), np.full(len(members), 1.0 / len(members)), size=n_bootstrap)
    return weights


def percentile_interval(values: FloatArray, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Middle ``confidence`` of resampled values; those that are not finite are left out. (NaN, NaN) without any."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return float("nan"), float("nan")
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(finite, [tail, 100.0 - tail])
    return float(low), float(high)


def mean_interval(values: FloatArray, rng: np.random.Generator, *, n_bootstrap: int = 1000) -> tuple[float, float]:
    """Bootstrap interval of the mean of ``values``, shape (n,)."""
    if len(values) == 0:
        return float("nan"), float("nan")
    drawn = values[rng.integers(0, len(values), (n_bootstrap, len(values)))].mean(axis=1)
    return percentile_interval(drawn)
