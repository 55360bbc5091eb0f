"""Many Gaussian process fits at once, for refreshes of thousands of light curves (paper, section 4.2).

Same model, start and bounds as ``gaussian_process.fit``, which it is tested against.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpotrf, dpotri

from needle_assets.light_curves.gaussian_process import (
    LENGTH_SCALE_BOUNDS_DAYS,
    LOG_VARIANCE_RANGE,
    START_LENGTH_SCALE_DAYS,
    FluxPoints,
    GaussianProcessFit,
    rescaled,
)
from needle_assets.light_curves.light_curve import FloatArray

MAX_ELEMENTS = 2**15
MAX_EVALUATIONS = 40
GAIN_TOLERANCE = 1e-5
MAX_DAMPING = 1e8
SETTLED_DECIMALS = 3
MAX_STEP = 2.0
FAR = 1e3
TINY = 1e-300
START = np.array([2 * np.log(0.5), 2 * np.log(START_LENGTH_SCALE_DAYS)])
LOW = np.array([START[0] - LOG_VARIANCE_RANGE, 2 * np.log(LENGTH_SCALE_BOUNDS_DAYS[0])])
HIGH = np.array([START[0] + LOG_VARIANCE_RANGE, 2 * np.log(LENGTH_SCALE_BOUNDS_DAYS[1])])


def fit_many(
    objects: Sequence[FluxPoints], *, wavelength_scale_angstrom: float, is_error_scale_fitted: bool = False
) -> list[GaussianProcessFit]:
    """
    Fit each object as :func:`gaussian_process.fit` does, many at a time.

    Parameters
    ----------
    objects : sequence of FluxPoints
        What to fit, in any order.
    wavelength_scale_angstrom : float
        The fixed scale l_lambda.
    is_error_scale_fitted : bool
        Fit once more with errors from :func:`gaussian_process.rescaled`.

    Returns
    -------
    list of GaussianProcessFit
        In the order of ``objects``. A result does not depend on what else is in the list.

    Notes
    -----
    Objects of similar length share a batch. Newton steps on (ln A^2, ln l_t^2) with the average-information matrix, damped as in
    Levenberg and Marquardt; objects leave the batch as they converge.
    """
    fits: dict[int, GaussianProcessFit] = {}
    for batch in _batches([len(points.days) for points in objects]):
        fitted = _fit_batch([objects[k] for k in batch], wavelength_scale_angstrom)
        fits.update(zip(batch, fitted, strict=True))
    found = [fits[k] for k in range(len(objects))]
    if is_error_scale_fitted:
        return fit_many([rescaled(fit) for fit in found], wavelength_scale_angstrom=wavelength_scale_angstrom)
    return found


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for k in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[k] ** 2 > MAX_ELEMENTS:
            yield batch
            batch = []
        batch.append(k)
    if batch:
        yield batch


def _fit_batch(objects: Sequence[FluxPoints], wavelength_scale: float) -> list[GaussianProcessFit]:
    processes = _Processes.of(objects, wavelength_scale)
    theta = np.tile(START, (len(objects), 1))
    state = _State(np.arange(len(objects)), theta, *processes.evaluate(theta), np.full(len(objects), 1e-3))
    best, converged = theta.copy(), np.zeros(len(objects), dtype=bool)
    for _ in range(MAX_EVALUATIONS):
        trial, gain = state.propose()
        going = (gain > GAIN_TOLERANCE) & (state.damping < MAX_DAMPING)
        converged[state.index[~going]] = True
        if not going.all():
            state, processes, trial = state[going], processes[going], trial[going]
        if len(state.index) == 0:
            break
        state = state.moved_to(trial, *processes.evaluate(trial))
        best[state.index] = state.theta
    return [
        _settled(points, np.round(best[k], SETTLED_DECIMALS), wavelength_scale, is_converged=bool(converged[k]))
        for k, points in enumerate(objects)
    ]


def _settled(points: FluxPoints, theta: FloatArray, wavelength_scale: float, *, is_converged: bool) -> GaussianProcessFit:
    """
    The fit at the rounded optimum, with its likelihood computed for it alone.

    Neighbours in a batch change the last digits of the optimum; rounding to a thousandth in the logarithm, far below what the
    points tell, takes them away, so that an object's fit has the same bytes whoever shares its batch.
    """
    fit = GaussianProcessFit(
        points,
        amplitude=points.scale * float(np.exp(theta[0] / 2)),
        length_scale_days=float(np.exp(theta[1] / 2)),
        wavelength_scale_angstrom=wavelength_scale,
        log_likelihood=np.nan,
        is_converged=is_converged,
    )
    return replace(fit, log_likelihood=_log_likelihood(fit))


def _log_likelihood(fit: GaussianProcessFit) -> float:
    points = fit.points
    kernel = fit.kernel(points.days, points.wavelength_angstrom, points.days, points.wavelength_angstrom)
    factor = np.linalg.cholesky(kernel + np.diag(points.flux_err**2))
    whitened = solve_triangular(factor, points.flux, lower=True)
    return float(-0.5 * whitened @ whitened - np.log(np.diag(factor)).sum() - 0.5 * len(points.days) * np.log(2 * np.pi))


@dataclass
class _State:
    """Where each of b objects stands: parameters (b, 2), likelihood (b,), its gradient (b, 2) and information (b, 2, 2)."""

    index: NDArray[np.integer]
    theta: FloatArray
    value: FloatArray
    gradient: FloatArray
    information: FloatArray
    damping: FloatArray

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "_State":
        return _State(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def propose(self) -> tuple[FloatArray, FloatArray]:
        """Damped Newton step within the bounds, and the gain in likelihood that the undamped one promises."""
        stuck = ((self.theta <= LOW) & (self.gradient < 0)) | ((self.theta >= HIGH) & (self.gradient > 0))
        gradient = np.where(stuck, 0.0, self.gradient)
        a, c = self.information[:, 0, 0], self.information[:, 1, 1]
        b = np.where(stuck.any(axis=1), 0.0, self.information[:, 0, 1])
        full = _solve_2x2(a, b, c, gradient)
        damped = _solve_2x2(a * (1 + self.damping), b, c * (1 + self.damping), gradient)
        return np.clip(self.theta + np.clip(damped, -MAX_STEP, MAX_STEP), LOW, HIGH), 0.5 * (gradient * full).sum(axis=1)

    def moved_to(self, theta: FloatArray, value: FloatArray, *slopes: FloatArray) -> "_State":
        """Accept the proposal where it is better, else damp more; either way learn the curvature along it."""
        better = value >= self.value
        gradient, information = slopes
        closest = np.where(better[:, None, None], information, self.information)
        return _State(
            self.index,
            np.where(better[:, None], theta, self.theta),
            np.where(better, value, self.value),
            np.where(better[:, None], gradient, self.gradient),
            _with_secant(closest, theta - self.theta, self.gradient - gradient),
            np.where(better, self.damping / 10, self.damping * 10),
        )


def _with_secant(information: FloatArray, step: FloatArray, drop: FloatArray) -> FloatArray:
    """Symmetric rank-one update: what the gradient lost along the step; left as it is where that is not positive definite."""
    missing = drop - (information @ step[:, :, None])[:, :, 0]
    with np.errstate(all="ignore"):  # of a step of nothing
        updated = information + missing[:, :, None] * missing[:, None, :] / (missing * step).sum(axis=1)[:, None, None]
        determinant, before = (m[:, 0, 0] * m[:, 1, 1] - m[:, 0, 1] ** 2 for m in (updated, information))
        good = (updated[:, 0, 0] > 0) & (determinant > 0.01 * before)
    return np.where(good[:, None, None], updated, information)


def _solve_2x2(a: FloatArray, b: FloatArray, c: FloatArray, right: FloatArray) -> FloatArray:
    determinant = np.maximum(a * c - b * b, TINY)
    return np.stack([c * right[:, 0] - b * right[:, 1], a * right[:, 1] - b * right[:, 0]], axis=1) / determinant[:, None]


@dataclass
class _Processes:
    """Padded points of b objects, n each: squared distances (b, n, n), flux and variance in units of the scale (b, n)."""

    days_squared: FloatArray
    wavelength_squared: FloatArray
    flux: FloatArray
    variance: FloatArray
    n_points: NDArray[np.integer]

    @classmethod
    def of(cls, objects: Sequence[FluxPoints], wavelength_scale: float) -> "_Processes":
        n_points = np.array([len(points.days) for points in objects])

        def padded(values: Iterable[FloatArray], fill: float) -> FloatArray:
            rows = np.full((len(objects), n_points.max()), fill)
            for row, given in zip(rows, values, strict=True):
                row[: len(given)] = given
            return rows

        days = padded((points.days for points in objects), 0.0)
        wavelength = padded((points.wavelength_angstrom / wavelength_scale for points in objects), FAR)
        is_padding = wavelength == FAR
        apart = (wavelength[:, :, None] - wavelength[:, None, :]) ** 2
        apart[is_padding[:, :, None] | is_padding[:, None, :]] = FAR**2
        return cls(
            (days[:, :, None] - days[:, None, :]) ** 2,
            apart,
            padded((points.flux / points.scale for points in objects), 0.0),
            padded(((points.flux_err / points.scale) ** 2 for points in objects), 1.0),
            n_points,
        )

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "_Processes":
        return _Processes(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def evaluate(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Log likelihood (b,), gradient (b, 2) and average information (b, 2, 2) at theta = (ln A^2, ln l_t^2)."""
        scaled = self.days_squared * np.exp(-theta[:, 1])[:, None, None]
        root = np.sqrt(3.0 * (scaled + self.wavelength_squared))
        decay = np.exp(theta[:, 0, None, None] - root)
        by_length = 1.5 * scaled * decay  # dK / d ln l_t^2
        covariance = (root + 1.0) * decay
        diagonal = np.arange(covariance.shape[1])
        covariance[:, diagonal, diagonal] += self.variance
        inverse, log_det, failed = _inverted(covariance)
        weights = (inverse @ self.flux[:, :, None])[:, :, 0]
        value = -0.5 * ((self.flux * weights).sum(axis=1) + log_det + self.n_points * np.log(2 * np.pi))
        by_both = np.stack([self.flux - self.variance * weights, (by_length @ weights[:, :, None])[:, :, 0]], axis=2)  # dK a
        noise_trace = (self.variance * inverse[:, diagonal, diagonal]).sum(axis=1)
        trace = np.stack([self.flux.shape[1] - noise_trace, (inverse * by_length).sum(axis=(1, 2))], axis=1)
        gradient = 0.5 * ((weights[:, :, None] * by_both).sum(axis=1) - trace)
        return np.where(failed, -np.inf, value), gradient, 0.5 * by_both.mT @ inverse @ by_both


def _inverted(covariance: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Inverses (b, n, n), logarithms of the determinants (b,), and where a matrix is not positive definite; the matrices are lost."""
    log_det, failed = np.zeros(len(covariance)), np.zeros(len(covariance), dtype=bool)
    for k, matrix in enumerate(covariance):
        factor, info = dpotrf(matrix.T, overwrite_a=True, clean=True)
        failed[k] = info > 0
        log_det[k] = 2.0 * np.log(np.abs(np.diagonal(factor))).sum()
        upper, _ = dpotri(factor)
        covariance[k] = upper + upper.T - np.diag(np.diagonal(upper))
    return covariance, log_det, failed
