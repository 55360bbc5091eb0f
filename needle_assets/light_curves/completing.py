"""A light curve completed in a band that was not observed, from the Gaussian process through the others: for features, never for fits."""

from collections.abc import Mapping

import numpy as np

from needle_assets.errors import Rejection
from needle_assets.light_curves.cleaning import merge_clusters
from needle_assets.light_curves.gaussian_process import GaussianProcessFit, fit, predict
from needle_assets.light_curves.light_curve import FloatArray, LightCurve, mag_from_flux
from needle_assets.settings import GaussianProcessSettings

MIN_BANDS = 2
MIN_POINTS_IN_A_BAND = 2
LARGEST_MAG_ERR = 1.0


def completed(
    points: LightCurve,
    bands: tuple[str, str],
    *,
    fit_wavelength_angstrom: Mapping[str, float],
    target_wavelength_angstrom: Mapping[str, float],
) -> tuple[LightCurve, tuple[str, ...]]:
    """
    Points for those of ``bands`` that have none, on the nights of the others.

    Parameters
    ----------
    points : LightCurve
        Clean, dereddened points up to the time that features describe.
    bands : (str, str)
        The feature bands.
    fit_wavelength_angstrom : mapping of band to float
        Bands that the Gaussian process is fitted to, and where it has them.
    target_wavelength_angstrom : mapping of band to float
        Where the curve of each feature band is taken.

    Returns
    -------
    light_curve : LightCurve
        ``points`` and those of the missing bands, where the curve is above zero and known to a magnitude.
    from_fit : tuple of str
        Bands of which points were added; none where fewer than two others have two points each.

    Notes
    -----
    The mean of the process is zero: far from the observed wavelengths the curve is fainter than it should be, and its error says so.
    The default settings of the process are used, whatever those of the home are.
    """
    missing = [band for band in bands if not np.any(points.band == band)]
    others = points.in_bands(tuple(fit_wavelength_angstrom)).sorted()
    n_points = [int(np.sum(others.band == band)) for band in fit_wavelength_angstrom]
    if not missing or sum(n >= MIN_POINTS_IN_A_BAND for n in n_points) < MIN_BANDS:
        return points, ()
    start = others.mjd[0]
    clock = LightCurve(others.mjd - start, others.band, others.mag, others.mag_err)
    # Bands of the process under names of their own: a band may be observed at another wavelength than it is asked for.
    wavelength = {**fit_wavelength_angstrom, **{_asked(band): target_wavelength_angstrom[band] for band in missing}}
    try:
        found = fit(clock, GaussianProcessSettings(), wavelength)
    except Rejection:
        return points, ()
    nights = merge_clusters(LightCurve.of(clock.mjd, "", clock.mag, clock.mag_err), 0.5)
    days = np.bincount(nights, weights=clock.mjd) / np.bincount(nights)
    added = [_known_points(found, days, band, start) for band in missing]
    return _together(points, *added), tuple(part.band[0] for part in added if len(part))


def _known_points(found: GaussianProcessFit, days: FloatArray, band: str, start: float) -> LightCurve:
    flux, flux_err = predict(found, days, _asked(band))
    mag, mag_err = mag_from_flux(np.where(flux > 0, flux, np.nan), flux_err)
    known = mag_err < LARGEST_MAG_ERR
    return LightCurve.of(start + days[known], band, mag[known], mag_err[known])


def _asked(band: str) -> str:
    return f"{band} asked for"


def _together(*parts: LightCurve) -> LightCurve:
    return LightCurve.of(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("mjd", "band", "mag", "mag_err")))
