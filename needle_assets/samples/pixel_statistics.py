"""Numbers of pixels by which real and synthetic stamps could be told apart."""

import numpy as np
from numpy.typing import NDArray

PIXEL_STATISTICS = tuple(
    f"{image}_{name}"
    for image in ("science", "reference")
    for name in ("mean", "std", "skewness", "kurtosis", "p01", "p25", "p50", "p99", "step", "curvature")
)


def pixel_statistics(pairs: NDArray[np.floating]) -> NDArray[np.float64]:
    """
    Twenty numbers of each pair, shape (n, 60, 60, 2), which quarter turns and flips leave as they are: shape (n, 20).

    Of science and reference each, in the order of ``PIXEL_STATISTICS``: four moments, four percentiles, and the scatter of first and
    second differences of neighbours, which interpolation makes smaller.
    """
    images = np.moveaxis(pairs, -1, 1).astype(np.float64)
    flat = images.reshape(*images.shape[:2], -1)
    mean, std = flat.mean(axis=2), flat.std(axis=2)
    deviation = (flat - mean[..., None]) / np.maximum(std, 1e-12)[..., None]
    percentiles = np.moveaxis(np.percentile(flat, [1, 25, 50, 99], axis=2), 0, -1)
    differences = [_roughness(images, order) for order in (1, 2)]
    moments = [mean, std, (deviation**3).mean(axis=2), (deviation**4).mean(axis=2)]
    found = np.concatenate([np.stack(moments, axis=-1), percentiles, np.stack(differences, axis=-1)], axis=-1)
    return np.round(found.reshape(len(pairs), -1), 10)  # the order of a sum is no difference


def _roughness(images: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    squares = [(np.diff(images, order, axis=axis) ** 2).mean(axis=(2, 3)) for axis in (2, 3)]
    return np.sqrt((squares[0] + squares[1]) / 2.0)
