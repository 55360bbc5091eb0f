"""Features and stamps as a network wants them: imputed, standardised, weighted; between 0 and 1 (paper, section 2.2, Eq. 1).

Everything that is fitted is fitted to the real objects of one training part and kept with the model.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

from needle_assets.shapes import require_images, require_lengths

FloatArray = NDArray[np.floating]
# A slope between two points of one night can lie hundreds of standard deviations out; it must not drown a sample.
LARGEST_SIGMA = 8.0


@dataclass(frozen=True)
class Scaler:
    """
    Equation 1, standardisation, after filling what is missing with the median.

    Parameters
    ----------
    names : tuple of str, length k
        Features in order.
    median, mean, std : tuple of float, length k
        Of the finite values of the training part; a feature that is never finite has 0, 0 and 1.
    """

    names: tuple[str, ...]
    median: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, names: tuple[str, ...], features: FloatArray) -> Self:
        """Fit to the features, shape (n, k), of the real objects of a training part; NaN = missing."""
        require_lengths(names=names, columns=features.T)
        statistics = [_statistics(column[np.isfinite(column)]) for column in features.T]
        median, mean, std = zip(*statistics, strict=True)
        return cls(names, median, mean, std)

    def apply(self, features: FloatArray) -> NDArray[np.float32]:
        """Standardised features, shape (n, k), always finite: missing ones are the median, extreme ones are cut at 8 sigma."""
        require_lengths(names=self.names, columns=features.T)
        filled = np.where(np.isfinite(features), features, np.asarray(self.median))
        scaled = (filled - np.asarray(self.mean)) / np.asarray(self.std)
        return np.clip(scaled, -LARGEST_SIGMA, LARGEST_SIGMA).astype(np.float32)

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What :meth:`as_dict` gave."""
        return cls(**{name: tuple(column) for name, column in values.items()})


def _statistics(values: FloatArray) -> tuple[float, float, float]:
    if values.size == 0:
        return 0.0, 0.0, 1.0
    std = float(values.std())
    return float(np.median(values)), float(values.mean()), std if std > 0.0 else 1.0


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
