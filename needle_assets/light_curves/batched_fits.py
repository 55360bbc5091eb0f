"""Many Gaussian process fits at once, for refreshes of thousands of light curves (paper, section 4.2).

Same model, start and bounds as ``gaussian_process.fit``, which it is tested against. Imports torch: import it where it is used.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from scipy.linalg import solve_triangular

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
START = torch.tensor([2 * np.log(0.5), 2 * np.log(START_LENGTH_SCALE_DAYS)], dtype=torch.float64)
LOW = torch.tensor([START[0] - LOG_VARIANCE_RANGE, 2 * np.log(LENGTH_SCALE_BOUNDS_DAYS[0])], dtype=torch.float64)
HIGH = torch.tensor([START[0] + LOG_VARIANCE_RANGE, 2 * np.log(LENGTH_SCALE_BOUNDS_DAYS[1])], dtype=torch.float64)


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
    Levenberg and Marquardt; objects leave the batch as they converge. Float64, one thread.
    """
    fits: dict[int, GaussianProcessFit] = {}
    with _one_thread(), torch.no_grad():
        for batch in _batches([len(points.days) for points in objects]):
            found = _fit_batch([objects[k] for k in batch], wavelength_scale_angstrom)
            fits.update(zip(batch, found, strict=True))
    found = [fits[k] for k in range(len(objects))]
    if is_error_scale_fitted:
        return fit_many([rescaled(fit) for fit in found], wavelength_scale_angstrom=wavelength_scale_angstrom)
    return found


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
    theta = START.repeat(len(objects), 1)
    state = _State(torch.arange(len(objects)), theta, *processes.evaluate(theta), torch.full((len(objects),), 1e-3).double())
    best, converged = theta.clone(), torch.zeros(len(objects), dtype=torch.bool)
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
        _settled(points, np.round(best[k].numpy(), SETTLED_DECIMALS), wavelength_scale, is_converged=bool(converged[k]))
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

    index: torch.Tensor
    theta: torch.Tensor
    value: torch.Tensor
    gradient: torch.Tensor
    information: torch.Tensor
    damping: torch.Tensor

    def __getitem__(self, chosen: torch.Tensor) -> "_State":
        return _State(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def propose(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Damped Newton step within the bounds, and the gain in likelihood that the undamped one promises."""
        stuck = ((self.theta <= LOW) & (self.gradient < 0)) | ((self.theta >= HIGH) & (self.gradient > 0))
        gradient = self.gradient.masked_fill(stuck, 0.0)
        a, c = self.information[:, 0, 0], self.information[:, 1, 1]
        b = self.information[:, 0, 1].masked_fill(stuck.any(dim=1), 0.0)
        full = _solve_2x2(a, b, c, gradient)
        damped = _solve_2x2(a * (1 + self.damping), b, c * (1 + self.damping), gradient)
        return (self.theta + damped.clamp(-MAX_STEP, MAX_STEP)).clamp(LOW, HIGH), 0.5 * (gradient * full).sum(dim=1)

    def moved_to(self, theta: torch.Tensor, value: torch.Tensor, *slopes: torch.Tensor) -> "_State":
        """Accept the proposal where it is better, else damp more; either way learn the curvature along it."""
        better = value >= self.value
        gradient, information = slopes
        closest = torch.where(better[:, None, None], information, self.information)
        return _State(
            self.index,
            torch.where(better[:, None], theta, self.theta),
            torch.where(better, value, self.value),
            torch.where(better[:, None], gradient, self.gradient),
            _with_secant(closest, theta - self.theta, self.gradient - gradient),
            torch.where(better, self.damping / 10, self.damping * 10),
        )


def _with_secant(information: torch.Tensor, step: torch.Tensor, drop: torch.Tensor) -> torch.Tensor:
    """Symmetric rank-one update: what the gradient lost along the step; left as it is where that is not positive definite."""
    missing = drop - (information @ step[:, :, None])[:, :, 0]
    updated = information + missing[:, :, None] * missing[:, None, :] / (missing * step).sum(dim=1)[:, None, None]
    determinant, before = (m[:, 0, 0] * m[:, 1, 1] - m[:, 0, 1] ** 2 for m in (updated, information))
    good = (updated[:, 0, 0] > 0) & (determinant > 0.01 * before)
    return torch.where(good[:, None, None], updated, information)


def _solve_2x2(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    determinant = (a * c - b * b).clamp(min=TINY)
    return torch.stack([c * right[:, 0] - b * right[:, 1], a * right[:, 1] - b * right[:, 0]], dim=1) / determinant[:, None]


@dataclass
class _Processes:
    """Padded points of b objects, n each: squared distances (b, n, n), flux and variance in units of the scale (b, n)."""

    days_squared: torch.Tensor
    wavelength_squared: torch.Tensor
    flux: torch.Tensor
    variance: torch.Tensor
    n_points: torch.Tensor

    @classmethod
    def of(cls, objects: Sequence[FluxPoints], wavelength_scale: float) -> "_Processes":
        def padded(values: Iterable[FloatArray], fill: float) -> torch.Tensor:
            rows = [torch.from_numpy(row) for row in values]
            return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=fill)

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
            torch.tensor([len(points.days) for points in objects]),
        )

    def __getitem__(self, chosen: torch.Tensor) -> "_Processes":
        return _Processes(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def evaluate(self, theta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Log likelihood (b,), gradient (b, 2) and average information (b, 2, 2) at theta = (ln A^2, ln l_t^2)."""
        scaled = self.days_squared * torch.exp(-theta[:, 1])[:, None, None]
        root = torch.sqrt(3.0 * (scaled + self.wavelength_squared))
        decay = torch.exp(theta[:, 0, None, None] - root)
        by_length = scaled.mul_(decay).mul_(1.5)  # dK / d ln l_t^2
        covariance = root.add_(1.0).mul_(decay)
        covariance.diagonal(dim1=1, dim2=2).add_(self.variance)
        factor, failed = torch.linalg.cholesky_ex(covariance)
        inverse = torch.cholesky_inverse(factor)
        weights = (inverse @ self.flux[:, :, None])[:, :, 0]
        log_det = 2 * factor.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        value = -0.5 * ((self.flux * weights).sum(dim=1) + log_det + self.n_points * np.log(2 * np.pi))
        by_both = torch.stack([self.flux - self.variance * weights, (by_length @ weights[:, :, None])[:, :, 0]], dim=2)  # dK a
        noise_trace = (self.variance * inverse.diagonal(dim1=1, dim2=2)).sum(dim=1)
        trace = torch.stack([self.flux.shape[1] - noise_trace, (inverse * by_length).sum(dim=(1, 2))], dim=1)
        gradient = 0.5 * ((weights[:, :, None] * by_both).sum(dim=1) - trace)
        return value.masked_fill(failed > 0, -np.inf), gradient, 0.5 * by_both.mT @ inverse @ by_both
