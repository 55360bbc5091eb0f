"""What the sky of a stamp looks like: its level, its scatter, and a sample of its pixels (paper, section 3.3, Eq. 3).

Every statistic is taken over sorted values, so that it is the same to the last bit when a stamp is rotated or flipped.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from needle_assets.errors import Rejection
from needle_assets.shapes import require_images

# Below this many pixels a sample of the sky says less than a Gaussian of its median and scatter.
MIN_NOISE_PIXELS = 50
# Standard deviation of a unit Gaussian cut at -3 and +3.
_CUT_GAUSSIAN_STD = 0.98658
_MAD_TO_SIGMA = 1.482602
_QUARTILES_TO_SIGMA = 0.741301
_BLOCK_PX = 10
_QUIET_FRACTION = 0.3


class Sky(NamedTuple):
    """Level and standard deviation of the background [DN]."""

    level: float
    sigma: float


def measure_sky(image: NDArray[np.floating], *, exclude: NDArray[np.bool_] | None = None, max_iterations: int = 10) -> Sky:
    """
    Level and scatter of the sky by symmetric clipping at 3 sigma around the median.

    Parameters
    ----------
    image : ndarray, shape (ny, nx), float
        Stamp [DN]. Pixels that are not finite are ignored. Without ``exclude`` it may be any pixels, of shape (n,).
    exclude : ndarray of bool, same shape, optional
        Pixels to leave out, such as known sources.
    max_iterations : int
        Clipping stops here at the latest.

    Raises
    ------
    Rejection
        If no finite pixel is left.

    Notes
    -----
    Clipping an even amount on both sides keeps the median and, corrected by 0.987, the scatter of Gaussian noise; Eq. 3 of
    the paper does not (see :func:`one_sided_noise`).
    """
    if exclude is not None:
        require_images(image=image, exclude=exclude)
    values = np.sort(_finite_values(image if exclude is None else image[~exclude]))
    level, sigma = _densest_half(values)
    offsets = values - level
    sums, squares = np.cumsum(offsets), np.cumsum(offsets * offsets)
    low, high = 0, values.size
    for _ in range(max_iterations):
        bounds = values.searchsorted([level - 3.0 * sigma, level + 3.0 * sigma], side="right")
        if sigma == 0.0 or (bounds[0], bounds[1]) == (low, high):
            break
        low, high = int(bounds[0]), int(bounds[1])
        level = _middle(values[low:high])
        sigma = _scatter(sums, squares, low, high) / _CUT_GAUSSIAN_STD
    return Sky(level, sigma)


def measure_quiet_sky(image: NDArray[np.floating]) -> Sky:
    """
    Level and scatter of the sky in the quietest third of a stamp: for stamps that sources fill.

    The stamp is cut into blocks of 10 x 10 pixels; pixels of the blocks with the lowest medians are used. On blank sky the level
    comes out about 0.1 sigma low. An image whose sides are no multiples of 10 is taken as one block. Raises Rejection if no
    finite pixel is left.
    """
    require_images(image=image)
    if image.shape[0] % _BLOCK_PX or image.shape[1] % _BLOCK_PX:
        return measure_sky(image)
    n_rows, n_columns = image.shape[0] // _BLOCK_PX, image.shape[1] // _BLOCK_PX
    blocks = image.reshape(n_rows, _BLOCK_PX, n_columns, _BLOCK_PX).swapaxes(1, 2).reshape(n_rows * n_columns, -1)
    ordered = np.sort(np.where(np.isfinite(blocks), blocks, np.inf), axis=1)
    n_finite = np.isfinite(ordered).sum(axis=1)
    rows = np.arange(len(ordered))
    medians = 0.5 * (ordered[rows, np.maximum(n_finite - 1, 0) // 2] + ordered[rows, np.minimum(n_finite // 2, _BLOCK_PX**2 - 1)])
    usable = n_finite >= _BLOCK_PX
    if not usable.any():
        return measure_sky(image)
    quiet = usable & (medians <= np.sort(medians[usable])[int(_QUIET_FRACTION * (usable.sum() - 1))])
    return measure_sky(ordered[quiet])


def one_sided_noise(image: NDArray[np.floating], *, bright_sigma: float = 3.0, faint_sigma: float = 1.0) -> NDArray[np.float64]:
    """
    Background pixels as Eq. 3 of the paper prints it.

    Parameters
    ----------
    image : ndarray, float
        Stamp [DN]. Pixels that are not finite are ignored.
    bright_sigma, faint_sigma : float
        f1 and f2 of Eq. 3, in standard deviations above the mean.

    Returns
    -------
    ndarray, shape (n,), float64
        N_final [DN] in row-major order.

    Raises
    ------
    Rejection
        If no finite, non-zero pixel is left.

    Notes
    -----
    Mean and scatter of the first clip are those of the whole stamp, stars included, and the second clip cuts only the high
    side. On a pure Gaussian sky the result lies 0.29 sigma too low and has 0.79 of the scatter; replaced pixels inherit that.
    The authors' code does not call this function (it is commented out) and takes all pixels outside its source map.
    """
    require_images(image=image)
    values = _finite_values(image)
    background = values[values <= values.mean() + bright_sigma * values.std()]
    background = background[background != 0.0]
    if background.size == 0:
        raise Rejection(
            "Every finite pixel of the stamp is zero; noise needs pixels that differ from zero.", n_finite=values.size
        )
    return background[background < background.mean() + faint_sigma * background.std()]


def symmetric_noise(
    image: NDArray[np.floating], background: NDArray[np.bool_], *, clip_sigma: float = 4.0
) -> NDArray[np.float64]:
    """
    Background pixels, clipped evenly above and below the sky.

    Parameters
    ----------
    image : ndarray, shape (ny, nx), float
        Stamp [DN].
    background : ndarray of bool, same shape
        Pixels without a source; all of them finite.
    clip_sigma : float
        Half width of the kept range; 4 loses 0.1 % of the scatter of Gaussian noise.

    Returns
    -------
    ndarray, shape (n,), float64
        Background pixels [DN] in row-major order; empty if there are none.
    """
    require_images(image=image, background=background)
    values = image[background].astype(np.float64)
    if values.size == 0:
        return values
    sky = measure_sky(values)
    return values[np.abs(values - sky.level) <= clip_sigma * sky.sigma]


def draw_noise(noise: NDArray[np.floating], n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """
    ``n`` values drawn from a sample of background pixels (paper, section 3.3, step 4: "sampled and shuffled from N_final").

    A sample of fewer than 50 pixels stands for a Gaussian of its median and scatter, so that few values do not repeat all
    over a stamp. Raises Rejection for an empty sample.
    """
    if noise.size == 0:
        raise Rejection("No background pixel is left in the stamp; noise cannot be drawn.", n_noise=0)
    if noise.size >= MIN_NOISE_PIXELS:
        return rng.choice(noise, size=n, replace=True).astype(np.float64)
    centre = float(np.median(noise))
    return rng.normal(centre, _MAD_TO_SIGMA * float(np.median(np.abs(noise - centre))), size=n)


def noise_quantiles(noise: NDArray[np.floating], n: int = 256) -> NDArray[np.float64]:
    """A sample of background pixels as ``n`` evenly spaced quantiles: small to store, the same distribution to draw from."""
    return np.asarray(np.quantile(noise, (np.arange(n) + 0.5) / n), dtype=np.float64)


def _finite_values(image: NDArray[np.floating]) -> NDArray[np.float64]:
    values = image[np.isfinite(image)].astype(np.float64)
    if values.size == 0:
        raise Rejection("The stamp holds no finite pixel; at least one is needed.", n_pixels=image.size)
    return values


def _densest_half(values: NDArray[np.float64]) -> tuple[float, float]:
    """Middle of the shortest interval with half of the sorted values, and its width as a scatter: up to half may be anything."""
    half = values.size // 2
    widths = values[half:] - values[: values.size - half]
    start = int(np.argmin(widths))
    return _middle(values[start : start + half + 1]), float(widths[start]) * _QUARTILES_TO_SIGMA


def _scatter(sums: NDArray[np.float64], squares: NDArray[np.float64], low: int, high: int) -> float:
    """Standard deviation of the values from ``low`` up to ``high``, from running sums."""
    n = high - low
    before = (float(sums[low - 1]), float(squares[low - 1])) if low else (0.0, 0.0)
    mean = (float(sums[high - 1]) - before[0]) / n
    return max((float(squares[high - 1]) - before[1]) / n - mean * mean, 0.0) ** 0.5


def _middle(values: NDArray[np.float64]) -> float:
    return 0.5 * float(values[(values.size - 1) // 2] + values[values.size // 2])
