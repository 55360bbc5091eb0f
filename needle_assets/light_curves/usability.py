"""Whether a Gaussian process fit is good enough to be resampled, with reasons (paper, section 4.2). Nothing is fitted here."""

from dataclasses import dataclass

import numpy as np

from needle_assets.light_curves.gaussian_process import (
    GaussianProcessFit,
    predict,
    standardised_residuals,
)
from needle_assets.light_curves.light_curve import FloatArray, mag_from_flux
from needle_assets.settings import GaussianProcessSettings

SUPPORT_DAYS = 3.0


@dataclass(frozen=True)
class DailyCurve:
    """
    Predicted light curve on whole days, the same for both bands.

    Parameters
    ----------
    days_since_first : ndarray, shape (m,)
        0, 1, ... [d].
    mag, mag_err : mapping of band to ndarray, shape (m,)
        Predicted magnitude and its error; only bands with fitted points. Finite.
    """

    days_since_first: FloatArray
    mag: dict[str, FloatArray]
    mag_err: dict[str, FloatArray]


@dataclass(frozen=True)
class Judgement:
    """
    How well a fit describes the phase that is resampled.

    Parameters
    ----------
    reduced_chi2, left_out_chi2 : float
        Mean square of the rising points' residuals and of their leave-one-out residuals, in standard deviations.
    median_rise_err_mag : float
        Median error of the predicted rise [mag].
    reasons : tuple of str
        Why the fit is not usable; empty if it is.
    """

    reduced_chi2: float
    left_out_chi2: float
    median_rise_err_mag: float
    reasons: tuple[str, ...]


def daily_curve(fit: GaussianProcessFit, *, faintest_mag: float) -> DailyCurve:
    """Prediction for whole days from the first to the last fitted point; fluxes below ``faintest_mag`` are given as that."""
    days = np.arange(np.floor(fit.points.days.min()), np.ceil(fit.points.days.max()) + 1.0)
    curves = {band: mag_from_flux(*predict(fit, days, band), faintest_mag=faintest_mag) for band in fit.points.background}
    return DailyCurve(
        days, {band: curve[0] for band, curve in curves.items()}, {band: curve[1] for band, curve in curves.items()}
    )


def judge(fit: GaussianProcessFit, curve: DailyCurve, rise_end: float, settings: GaussianProcessSettings) -> Judgement:
    """
    Judge a fit on the phase that is resampled: up to a few days after the peak.

    Parameters
    ----------
    fit : GaussianProcessFit
        The fit.
    curve : DailyCurve
        Its prediction.
    rise_end : float
        End of the phase, on the clock of the fit [d].
    settings : GaussianProcessSettings
        Thresholds.

    Notes
    -----
    Section 4.2 excludes fits with too few rising detections and over- or under-fitted ones, by eye; the authors' code has a list
    of 24 names. Here every criterion is a number, and every failed one a reason.
    """
    rising = fit.points.days <= rise_end
    counts = {band: int(np.sum(rising & fit.points.is_seen & (fit.points.band == band))) for band in curve.mag}
    sampled = [band for band in curve.mag if counts[band] > 0]
    residual, left_out = standardised_residuals(fit)
    chi2, left_out_chi2 = (float(np.mean(x[rising] ** 2)) if rising.any() else float("nan") for x in (residual, left_out))
    days = curve.days_since_first <= rise_end
    errors = np.concatenate([curve.mag_err[band][days] for band in sampled] or [np.zeros(0)])
    median_err = float(np.median(errors)) if len(errors) else float("nan")
    dips = [_unsupported_dip(curve.days_since_first[days], curve.mag[band][days], fit.points.days) for band in sampled]
    rises = [_rise(curve.mag[band][days]) for band in sampled]
    shortest, longest = settings.usable_length_scale_days
    failed = {
        f"{sum(counts.values())} rising epochs": sum(counts.values()) < settings.min_rising_points
        or max(counts.values(), default=0) < settings.min_rising_points_in_a_band,
        f"no rise, {max(rises, default=0.0):.2g} mag": max(rises, default=0.0) < settings.min_rise_mag,
        "optimiser did not converge": not fit.is_converged,
        f"length scale {fit.length_scale_days:.3g} d": not shortest < fit.length_scale_days < longest,
        f"under-fitted, reduced chi2 {chi2:.3g}": chi2 > settings.max_chi2,
        f"unpredictable, left-out chi2 {left_out_chi2:.3g}": left_out_chi2 > settings.max_left_out_chi2,
        f"rise uncertain by {median_err:.2g} mag": median_err > settings.max_rise_err_mag,
        f"dip of {max(dips, default=0.0):.2g} mag in the rise without a detection": max(dips, default=0.0) > settings.max_dip_mag,
    }
    return Judgement(chi2, left_out_chi2, median_err, tuple(reason for reason, is_failed in failed.items() if is_failed))


def _rise(mag: FloatArray) -> float:
    """How much the curve brightens up to its peak [mag]."""
    return float((mag[: np.argmin(mag) + 1] - mag.min()).max()) if len(mag) else 0.0


def _unsupported_dip(days: FloatArray, mag: FloatArray, detected_days: FloatArray) -> float:
    """Deepest fading below an earlier brightness [mag] before the curve's peak, farther than 3 d from any detection."""
    before = days <= days[np.argmin(mag)] if len(days) else np.zeros(0, dtype=bool)
    alone = np.abs(days[before, None] - detected_days).min(axis=1, initial=np.inf) > SUPPORT_DAYS
    dip = (mag[before] - np.minimum.accumulate(mag[before]))[alone]
    return float(dip.max(initial=0.0))
