"""Bring a donor onto the grid, the brightness and the sharpness of the image it is to repair (paper, section 3.2, Eq. 2)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from needle_assets.images.noise import Sky, measure_sky
from needle_assets.images.sources import grown, within_px
from needle_assets.shapes import require_images

# ZTF's subtraction puts the reference on the flux scale of science: on 216 real pairs with a bright field source the ratio was
# 0.99 with a scatter of 0.03 (r) and 0.05 (g). Pairs that clearly disagree set their own scale.
_GAIN_PRIOR = 1.0
_GAIN_PRIOR_SIGMA = 0.05
_GAIN_CONFLICT_SIGMA = 5.0
_ELECTRONS_PER_DN = 6.2
# Pixels this far above the sky carry the fit; below, noise of the donor would bias the gain low.
_SOURCE_SIGMA = 10.0
_MODEL_ERROR = 0.003
_ROBUST_SIGMA = 4.0
_N_ITERATIONS = 2
_EDGE_PX = 2
_VARIABLE_RADIUS_PX = 15.0
_VARIABLE_SIGMA = 10.0
_NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))
# Prior standard deviations: softer (two), shifted in x and y, stretched (two), and the eight neighbours one by one.
_TERM_SIGMAS = np.array([0.35, 0.15, 0.025, 0.025, 0.03, 0.03] + [0.05] * len(_NEIGHBOURS))


class MatchedDonor(NamedTuple):
    """
    A donor as it would look in the image to repair.

    Parameters
    ----------
    image : ndarray, shape (ny, nx), float64
        Matched pixels [DN]; NaN where the donor cannot be used.
    gain : float
        Flux of the image per flux of the donor.
    sky : Sky
        Background of the image to repair.
    donor_sigma : float
        Scatter of the donor's sky on the scale of the image [DN].
    """

    image: NDArray[np.float64]
    gain: float
    sky: Sky
    donor_sigma: float


def match_moments(
    bad: NDArray[np.floating], donor: NDArray[np.floating], *, invalid: NDArray[np.bool_], donor_invalid: NDArray[np.bool_]
) -> MatchedDonor:
    """
    Eq. 2 as printed: S' = (S - mean_g) sigma_b / sigma_g + mean_b, over all usable pixels of each image, stars included.

    The ratio of the scatters is about 4 for ZTF's science and reference, whose fluxes agree: sources come out four times too
    bright or too faint wherever noise, not stars, dominates the scatter. Arguments as in :func:`match_sources`.
    """
    require_images(bad=bad, donor=donor, invalid=invalid, donor_invalid=donor_invalid)
    valid, donor_valid = bad[~invalid].astype(np.float64), donor[~donor_invalid].astype(np.float64)
    scatter = float(donor_valid.std())
    gain = float(valid.std()) / scatter if scatter > 0.0 else 1.0
    image = np.where(donor_invalid, np.nan, (donor - donor_valid.mean()) * gain + valid.mean())
    return MatchedDonor(image, gain, measure_sky(bad, exclude=invalid), gain * measure_sky(donor, exclude=donor_invalid).sigma)


def match_sources(
    bad: NDArray[np.floating],
    donor: NDArray[np.floating],
    *,
    invalid: NDArray[np.bool_],
    donor_invalid: NDArray[np.bool_],
    target_px: tuple[float, float],
    guard_radius_px: float = 5.0,
) -> MatchedDonor:
    """
    Eq. 2 with the factor taken from the sources both images share, and with their point spread matched.

    Parameters
    ----------
    bad, donor : ndarray, shape (ny, nx), float
        Image to repair and a good image of the same field on the same grid [DN].
    invalid, donor_invalid : ndarray of bool, same shape
        Pixels of each that cannot be used.
    target_px : tuple of float
        Column and row of the transient.
    guard_radius_px : float
        Pixels within this distance of the transient differ by nature and are left out of the fit.

    Notes
    -----
    The donor is modelled as gain x donor + sum_k c_k D_k, where the D_k smooth, shift or stretch it without changing its flux
    and each c_k has a Gaussian prior around 0. Weighted least squares on source pixels, re-weighted once for outliers. What
    is connected to the target has a gain of its own, so that a variable star's wings do not set the scale of the field.
    A free kernel does worse than a plain factor where sources are few (it fits noise); the priors prevent that.
    """
    require_images(bad=bad, donor=donor, invalid=invalid, donor_invalid=donor_invalid)
    sky, donor_sky = measure_sky(bad, exclude=invalid), measure_sky(donor, exclude=donor_invalid)
    flux = np.where(invalid, 0.0, bad - sky.level)
    donor_flux = np.where(donor_invalid, 0.0, donor - donor_sky.level)
    bright = grown((donor_flux > _SOURCE_SIGMA * donor_sky.sigma) | (flux > _SOURCE_SIGMA * sky.sigma), 1)
    guarded = within_px(bad.shape, target_px, guard_radius_px)
    used = bright & ~(invalid | donor_invalid | guarded) & _inner(bad.shape)
    rows = np.concatenate([donor_flux[None], _flux_free_terms(donor_flux)]).reshape(_TERM_SIGMAS.size + 1, -1)
    at = np.flatnonzero(used)
    own = _connected(bright, guarded).ravel()[at] & within_px(bad.shape, target_px, _VARIABLE_RADIUS_PX).ravel()[at]
    shapes = np.take(rows, at, axis=1)
    seen = flux.ravel()[at]
    variance = _variance(seen, shapes[0], sky, donor_sky)
    weights = _fit(np.vstack([shapes, shapes[0] * own]), seen, variance)[:-1]
    model = (weights @ rows).reshape(bad.shape) + sky.level
    donor_sigma = float(np.sqrt(weights @ _KERNEL_OVERLAPS @ weights)) * donor_sky.sigma
    return MatchedDonor(np.where(donor_invalid, np.nan, model), float(weights[0]), sky, donor_sigma)


def shifted(
    image: NDArray[np.floating], invalid: NDArray[np.bool_], shift_px: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """
    An image moved by (x, y) pixels onto another grid, and where it cannot be used after that.

    Whole-pixel moves copy; others interpolate with cubic splines, which need every pixel: unusable ones are given the level of
    the sky first, and marked, with the pixels next to them, afterwards.
    """
    require_images(image=image, invalid=invalid)
    filled = np.where(invalid, measure_sky(image, exclude=invalid).level, image).astype(np.float64)
    move = (shift_px[1], shift_px[0])
    order = 0 if all(abs(step - round(step)) < 1e-6 for step in move) else 3
    outside = ndimage.shift(invalid.astype(np.float64), move, order=min(order, 1), cval=1.0) > 1e-6
    return ndimage.shift(filled, move, order=order, mode="nearest"), outside


def _flux_free_terms(flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """Changes of shape that keep the flux, shape (14, ny, nx), in the order of ``_TERM_SIGMAS``."""
    terms = np.empty((_TERM_SIGMAS.size, *flux.shape))
    soft = _smoothed(flux)
    smooth = _smoothed(soft)
    np.subtract(soft, flux, out=terms[0])
    np.subtract(_smoothed(_smoothed(smooth)), flux, out=terms[1])
    around = _padded(smooth)
    np.subtract(around[1:-1, 2:], around[1:-1, :-2], out=terms[2])
    np.subtract(around[2:, 1:-1], around[:-2, 1:-1], out=terms[3])
    np.subtract(around[1:-1, 2:] + around[1:-1, :-2], around[2:, 1:-1] + around[:-2, 1:-1], out=terms[4])
    np.subtract(around[2:, 2:] + around[:-2, :-2], around[2:, :-2] + around[:-2, 2:], out=terms[5])
    around = _padded(flux)
    ny, nx = flux.shape
    for term, (dy, dx) in zip(terms[6:], _NEIGHBOURS, strict=True):
        np.subtract(around[1 + dy : 1 + dy + ny, 1 + dx : 1 + dx + nx], flux, out=term)
    return terms


def _padded(flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """The image with a frame of zeros, one pixel wide."""
    padded = np.zeros((flux.shape[0] + 2, flux.shape[1] + 2))
    padded[1:-1, 1:-1] = flux
    return padded


def _smoothed(flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """The image convolved with a 3 x 3 binomial kernel (standard deviation 0.7 px), zero outside."""
    padded = _padded(flux)
    rows = padded[:-2] + 2.0 * padded[1:-1] + padded[2:]
    return np.asarray((rows[:, :-2] + 2.0 * rows[:, 1:-1] + rows[:, 2:]) / 16.0)


def _variance(flux: NDArray[np.float64], donor_flux: NDArray[np.float64], sky: Sky, donor_sky: Sky) -> NDArray[np.float64]:
    signal = np.maximum(np.maximum(flux, donor_flux), 0.0)
    return np.asarray(sky.sigma**2 + donor_sky.sigma**2 + signal / _ELECTRONS_PER_DN + (_MODEL_ERROR * signal) ** 2)


def _fit(rows: NDArray[np.float64], flux: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients of the donor, of its changes of shape and of the target's own gain: normal equations with priors."""
    centre = np.zeros(len(rows))
    steady = rows[-1] == 0.0
    centre[0], gain_sigma = _gain_prior(rows[0, steady], flux[steady], variance[steady])
    prior = np.concatenate([[gain_sigma], _TERM_SIGMAS, [_VARIABLE_SIGMA]]) ** -2.0
    precision, sigma = 1.0 / variance, np.sqrt(variance)
    for iteration in range(_N_ITERATIONS):
        weighted = rows * precision
        normal = weighted @ rows.T
        normal[np.diag_indices(len(rows))] += prior
        weights = np.asarray(np.linalg.solve(normal, weighted @ flux + prior * centre))
        if iteration < _N_ITERATIONS - 1:
            pull = np.abs(flux - weights @ rows) / sigma
            precision = np.minimum(1.0, _ROBUST_SIGMA / np.maximum(pull, 1e-9)) / variance
    return weights


def _gain_prior(donor_flux: NDArray[np.float64], flux: NDArray[np.float64], variance: NDArray[np.float64]) -> tuple[float, float]:
    """Centre and width of the prior on the gain: the survey's, unless the sources of this pair clearly contradict it."""
    information = float((donor_flux**2 / variance).sum())
    if information == 0.0:
        return _GAIN_PRIOR, _GAIN_PRIOR_SIGMA
    gain = float((donor_flux * flux / variance).sum()) / information
    error = float(np.hypot(information**-0.5, 2.0 * _GAIN_PRIOR_SIGMA))
    if gain > 0.0 and abs(gain - _GAIN_PRIOR) > _GAIN_CONFLICT_SIGMA * error:
        return gain, max(error, _GAIN_PRIOR_SIGMA) * gain
    return _GAIN_PRIOR, _GAIN_PRIOR_SIGMA


def _kernel_overlaps() -> NDArray[np.float64]:
    """Inner products of the kernels behind the donor and its terms: what white noise becomes."""
    spike = np.zeros((15, 15))
    spike[7, 7] = 1.0
    kernels = np.concatenate([spike[None], _flux_free_terms(spike)]).reshape(1 + _TERM_SIGMAS.size, -1)
    return np.asarray(kernels @ kernels.T)


_KERNEL_OVERLAPS = _kernel_overlaps()


def _connected(bright: NDArray[np.bool_], guarded: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bright pixels connected to the target: wings of a source that may have varied."""
    if not (bright & guarded).any():
        return np.zeros_like(bright)
    labels, n = ndimage.label(bright, np.ones((3, 3), bool))
    is_near = np.zeros(n + 1, bool)
    is_near[labels[guarded]] = True
    is_near[0] = False
    return is_near[labels]


def _inner(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    inner = np.zeros(shape, bool)
    inner[_EDGE_PX:-_EDGE_PX, _EDGE_PX:-_EDGE_PX] = True
    return inner
