"""New early light curves from a fitted one: which epochs, which magnitudes, which errors (paper, section 4.3 and appendix A)."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from needle_assets.light_curves.gaussian_process import GaussianProcessFit, draw, predict
from needle_assets.light_curves.light_curve import FloatArray, LightCurve, mag_from_flux
from needle_assets.light_curves.redshifting import (
    bandwidth_mag,
    shift_redshift,
    wavelength_factor,
    within_limit,
)
from needle_assets.shapes import require_columns

ERROR_AT_LIMIT_MAG = 0.3
# Equation A7 gives a point of 28 mag an error of 9 mag. Only points this close to the limit can scatter above it by their error.
SCATTER_MARGIN_MAG = 0.5


def magnitude_error(mag: ArrayLike, *, limit_mag: float) -> FloatArray:
    """
    Magnitude error [mag] of Equation A7: 0.3 mag at the detection limit, and in proportion to the root of the flux.

    At ZTF's limit of 20.5 mag that is 0.3 / 10^4.1 x 10^(0.2 m), which the paper rounds to 2.4e-5 x 10^(0.2 m).
    """
    return ERROR_AT_LIMIT_MAG * 10.0 ** (0.2 * (np.asarray(mag, dtype=float) - limit_mag))


def perturb(light_curve: LightCurve, rng: np.random.Generator, *, limit_mag: float) -> LightCurve:
    """
    Give each point the error of its magnitude in a survey of that limit, and scatter it by that.

    Notes
    -----
    Equations A7 and A8: m + m_err x epsilon with epsilon uniform in (-1, 1), drawn for every point; the authors' code draws one
    for the whole light curve.
    """
    error = magnitude_error(light_curve.mag, limit_mag=limit_mag)
    mag = light_curve.mag + error * rng.uniform(-1.0, 1.0, len(light_curve))
    return LightCurve(light_curve.mjd, light_curve.band, mag, error)


def sample_epochs(
    light_curve: LightCurve,
    rise_end: float,
    rng: np.random.Generator,
    *,
    bands: Sequence[str],
    min_points: int = 1,
    cadence: str = "observed",
) -> LightCurve:
    """
    Choose epochs of the rising phase to observe again.

    Parameters
    ----------
    light_curve : LightCurve
        The object's clean points.
    rise_end : float
        End of the phase on their clock, a few days after the peak.
    rng : numpy.random.Generator
        Source of randomness.
    bands : sequence of str
        Bands to draw in, one after the other.
    min_points : int
        Fewest points drawn in each band that has as many.
    cadence : str
        'observed': the object's own epochs, all moved along the phase by one random time (what leaves at the end comes in at the
        start), so that gaps and pairs of bands stay as irregular as they were. 'daily': whole days, as the authors.

    Returns
    -------
    LightCurve
        Times and bands, by time; magnitudes and errors are NaN. In each band from ``min_points`` to the observed number of
        points. Empty without a point in the phase.

    Notes
    -----
    Section 4.3: from a single point up to the observed number; no uniform cadence is assumed.
    """
    points = light_curve.in_bands(bands)
    points = points[points.mjd <= rise_end]
    if len(points) == 0:
        return points
    start, length = points.mjd.min(), rise_end - points.mjd.min()
    shift = rng.uniform(0.0, length) if length > 0 else 0.0
    chosen: list[tuple[float, str]] = []
    for band in bands:
        times = points.in_band(band).mjd
        if len(times) == 0:
            continue
        pool = start + np.arange(np.floor(length) + 1.0) if cadence == "daily" else _moved(times, start, length, shift)
        n_wanted = int(rng.integers(min(min_points, len(times)), len(times) + 1))
        picked = rng.choice(pool, size=min(n_wanted, len(pool)), replace=False)
        chosen.extend((float(time), band) for time in picked)
    return LightCurve.of([time for time, _ in chosen], [band for _, band in chosen], np.nan, np.nan).sorted()


def _moved(times: FloatArray, start: float, length: float, shift: float) -> FloatArray:
    return times if length <= 0 else start + (times - start + shift) % length


def resample(
    fit: GaussianProcessFit, epochs: LightCurve, rng: np.random.Generator | None, *, wavelength_factor: float = 1.0
) -> LightCurve:
    """
    Magnitudes of a fitted light curve at new epochs, without noise.

    Parameters
    ----------
    fit : GaussianProcessFit
        A usable fit.
    epochs : LightCurve
        Times and bands, from :func:`sample_epochs`.
    rng : numpy.random.Generator or None
        Draws one light curve from the posterior; None takes its mean, as the authors.
    wavelength_factor : float
        See :func:`redshifting.wavelength_factor`.

    Returns
    -------
    LightCurve
        Errors are NaN; epochs at which the flux is not positive are left out.
    """
    if rng is None:
        flux = np.empty(len(epochs))
        for band in fit.points.band_wavelength_angstrom:
            at = epochs.band == band
            flux[at] = predict(fit, epochs.mjd[at], band, wavelength_factor=wavelength_factor)[0]
    else:
        flux = draw(fit, epochs.mjd, epochs.band, rng, wavelength_factor=wavelength_factor)
    seen, positive = epochs[flux > 0], flux[flux > 0]
    mag, _ = mag_from_flux(positive, np.zeros(len(positive)))
    return LightCurve(seen.mjd, seen.band, mag, np.full(len(mag), np.nan))


def interpolated(days: FloatArray, mag: Mapping[str, FloatArray], epochs: LightCurve) -> LightCurve:
    """Magnitudes of a daily curve at new epochs, for bands that have one; errors are NaN."""
    require_columns(days=days, **mag)
    seen = epochs[np.isin(epochs.band, list(mag))]
    values = np.array([np.interp(t, days, mag[b]) for t, b in zip(seen.mjd, seen.band, strict=True)], dtype=float)
    return LightCurve(seen.mjd, seen.band, values, np.full(len(values), np.nan))


def observe_at_redshift(
    fit: GaussianProcessFit,
    epochs: LightCurve,
    redshifts: tuple[float, float],
    rng: np.random.Generator,
    *,
    is_posterior_drawn: bool = True,
    is_spectrum_shifted: bool = False,
    depth_mag: float,
    limit_mag: float,
) -> LightCurve:
    """
    A new light curve of a fitted object as the survey would see it at another redshift.

    Parameters
    ----------
    fit : GaussianProcessFit
        A usable fit.
    epochs : LightCurve
        Times and bands on the clock of the fit, from :func:`sample_epochs`.
    redshifts : (float, float)
        Of the object, and where it is put.
    rng : numpy.random.Generator
        Source of randomness.
    is_posterior_drawn : bool
        Draw from the posterior instead of taking its mean.
    is_spectrum_shifted : bool
        Predict at the wavelengths that the bands see at the new redshift (a K-correction through the process).
    depth_mag : float
        Detection limit of the survey, from which errors follow [mag].
    limit_mag : float
        Points fainter than this after the scatter are lost [mag].

    Returns
    -------
    LightCurve
        Times from the first detection, magnitudes, errors; may be empty.

    Notes
    -----
    Sections 4.3 to 5: draw, redshift, errors of Equation A7, scatter of Equation A8, limit. Points far below the limit are left out
    before the scatter, as their errors are larger than their distance from it.
    """
    factor = wavelength_factor(*redshifts) if is_spectrum_shifted else 1.0
    drawn = resample(fit, epochs, rng if is_posterior_drawn else None, wavelength_factor=factor)
    moved = shift_redshift(drawn, *redshifts)
    if is_spectrum_shifted:
        moved = LightCurve(moved.mjd, moved.band, moved.mag + bandwidth_mag(*redshifts), moved.mag_err)
    seen = within_limit(perturb(within_limit(moved, limit_mag + SCATTER_MARGIN_MAG), rng, limit_mag=depth_mag), limit_mag)
    start = seen.mjd.min() if len(seen) else 0.0
    return LightCurve(seen.mjd - start, seen.band, seen.mag, seen.mag_err).sorted()
