"""Features and stamps as a network wants them: imputed, standardised, weighted; between 0 and 1 (paper, section 2.2, Eq. 1).

Everything that is fitted is fitted to the real objects of one training part and kept with the model.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from needle_assets.shapes import require_images, require_lengths

FloatArray = NDArray[np.floating]
# A slope between two points of one night can lie hundreds of standard deviations out; it must not drown a sample.
LARGEST_SIGMA = 8.0
N_QUANTILES = 200


@dataclass(frozen=True)
class Scaler:
    """
    Features as a network can see them, fitted to the real objects of one training part.

    Parameters
    ----------
    names : tuple of str, length k
        Features in order.
    median, mean, std : tuple of float, length k
        Of the finite values of the training part; a feature that is never finite has 0, 0 and 1.
    quantiles : tuple of tuples of float, length k, or empty
        Values at equally spaced ranks of each feature, at most ``N_QUANTILES``; empty: features are standardised.
    has_mask : bool
        Whether a column for each feature says where it is missing.

    Notes
    -----
    Equation 1 standardises. Offsets span 0.05 to 60 arcsec and slopes more, so that a few objects decide mean and scatter and the
    others lie on one another; ranks are one rule for heavy tails and for none.
    """

    names: tuple[str, ...]
    median: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    quantiles: tuple[tuple[float, ...], ...] = ()
    has_mask: bool = False

    @classmethod
    def fit(cls, names: tuple[str, ...], features: FloatArray, *, by_rank: bool = False, has_mask: bool = False) -> Self:
        """Fit to the features, shape (n, k), of the real objects of a training part; NaN = missing."""
        require_lengths(names=names, columns=features.T)
        columns = [column[np.isfinite(column)] for column in features.T]
        median, mean, std = zip(*map(_statistics, columns), strict=True)
        return cls(names, median, mean, std, tuple(map(_quantiles, columns)) if by_rank else (), has_mask)

    @property
    def n_columns(self) -> int:
        """How many columns :meth:`apply` gives."""
        return len(self.names) * (1 + self.has_mask)

    def apply(self, features: FloatArray) -> NDArray[np.float32]:
        """
        Scaled features, shape (n, n_columns), always finite: missing ones are the median; then a mask of 0 and 1, if wanted.

        Standardised ones are cut at 8 sigma, normal scores end where the training part does.
        """
        require_lengths(names=self.names, columns=features.T)
        is_missing = ~np.isfinite(features)
        filled = np.where(is_missing, np.asarray(self.median), features)
        scaled = self._normal_scores(filled) if self.quantiles else (filled - np.asarray(self.mean)) / np.asarray(self.std)
        columns = [np.clip(scaled, -LARGEST_SIGMA, LARGEST_SIGMA), *([is_missing] if self.has_mask else [])]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def outside(self, features: FloatArray) -> NDArray[np.bool_]:
        """
        Where a feature lies well outside of what the training part held, shape (n, k): False where it is missing.

        By more than a tenth of the span of its quantiles, or more than 8 sigma from the mean where there are no quantiles.
        """
        require_lengths(names=self.names, columns=features.T)
        ends = [(knots[0], knots[-1]) if knots else (np.nan, np.nan) for knots in self.quantiles]
        if self.quantiles:
            low, high = np.array(ends).T
            margin = 0.1 * (high - low)
        else:
            low = high = np.asarray(self.mean)
            margin = LARGEST_SIGMA * np.asarray(self.std)
        return (features < low - margin) | (features > high + margin)

    def _normal_scores(self, filled: FloatArray) -> NDArray[np.float64]:
        """What a Gaussian variable has at the rank of each value; equal values of the training part share their middle rank."""
        columns = [_scores(column, np.asarray(knots)) for column, knots in zip(filled.T, self.quantiles, strict=True)]
        return np.stack(columns, axis=1)

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What :meth:`as_dict` gave, also before there were ranks."""
        lists = {name: tuple(values[name]) for name in ("names", "median", "mean", "std")}
        quantiles = tuple(tuple(column) for column in values.get("quantiles", ()))
        return cls(**lists, quantiles=quantiles, has_mask=values.get("has_mask", False))


def _statistics(values: FloatArray) -> tuple[float, float, float]:
    if values.size == 0:
        return 0.0, 0.0, 1.0
    std = float(values.std())
    return float(np.median(values)), float(values.mean()), std if std > 0.0 else 1.0


def _quantiles(values: FloatArray) -> tuple[float, ...]:
    n = min(N_QUANTILES, values.size)
    return tuple(np.quantile(values, (np.arange(n) + 0.5) / n).tolist()) if n else ()


def _scores(column: FloatArray, knots: FloatArray) -> NDArray[np.float64]:
    values, first, counts = np.unique(knots, return_index=True, return_counts=True)
    if len(values) < 2:
        return np.zeros(len(column))
    middle = (first + counts / 2.0) / len(knots)
    return np.interp(column, values, ndtri(middle))


def feature_weights(scaled: FloatArray, y: NDArray[np.integer], seed: int, *, mode: str = "mean_one") -> NDArray[np.float32]:
    """
    Weight of each feature before the first layer, from its importance in an ensemble of trees.

    Parameters
    ----------
    scaled : ndarray, shape (n, k)
        Standardised features of the real objects of a training part.
    y : ndarray of int, shape (n,)
        Classes.
    seed : int
        Of the trees.
    mode : {"mean_one", "sum_one", "none"}
        Weights that average 1, weights that sum to 1 as the authors' do, or all 1.

    Notes
    -----
    Section 2.2 and Figure 2 rank features with XGBoost; this uses extremely randomised trees of scikit-learn, balanced by class.
    Weights that sum to 1 shrink standardised inputs some thirty times, which the next layer must first undo.
    """
    require_lengths(scaled=scaled, y=y)
    n_features = scaled.shape[1]
    if mode == "none" or len(np.unique(y)) < 2:
        return np.ones(n_features, dtype=np.float32)
    from sklearn.ensemble import ExtraTreesClassifier  # only trainings need it

    trees = ExtraTreesClassifier(200, max_depth=8, min_samples_leaf=2, class_weight="balanced", random_state=seed, n_jobs=1)
    importance = np.asarray(trees.fit(scaled, y).feature_importances_)
    scale = n_features if mode == "mean_one" else 1.0
    return (importance * scale).astype(np.float32)


def normalised_pair(science: FloatArray, reference: FloatArray) -> NDArray[np.float32]:
    """
    A pair between 0 and 1 by its common minimum and maximum (Equation 1, normalisation), shape (2, ny, nx).

    Both images keep their relative brightness. Missing pixels become the median of their image; a constant pair becomes 0.
    """
    require_images(science=science, reference=reference)
    images = np.stack([_filled(science), _filled(reference)]).astype(np.float32)
    low, high = float(images.min()), float(images.max())
    return (images - low) / (high - low) if high > low else np.zeros_like(images)


def _filled(image: FloatArray) -> FloatArray:
    finite = np.isfinite(image)
    if finite.all():
        return image
    return np.where(finite, image, np.median(image[finite]) if finite.any() else 0.0)
