"""A light curve seen from another redshift (paper, section 4.4). No noise is added here (see ``resampling``)."""

from functools import cache, lru_cache
from typing import Any

import numpy as np

from needle_assets.light_curves.light_curve import LightCurve


@lru_cache(maxsize=4096)
def distance_modulus(redshift: float) -> float:
    """Distance modulus [mag] in flat LambdaCDM with Omega_M = 0.31 and H0 = 67.7 km/s/Mpc (section 4.4); redshift above zero."""
    return float(_cosmology().distmod(redshift).value)


@cache
def _cosmology() -> Any:
    from astropy.cosmology import FlatLambdaCDM  # a second, and only who moves light curves needs it

    return FlatLambdaCDM(H0=67.7, Om0=0.31)


def shift_redshift(light_curve: LightCurve, redshift: float, new_redshift: float, *, since: float = 0.0) -> LightCurve:
    """
    Move a light curve to another redshift.

    Parameters
    ----------
    light_curve : LightCurve
        Apparent magnitudes at ``redshift``.
    redshift, new_redshift : float
        Before and after, above zero.
    since : float
        Time that stays where it is; all others are stretched from it.

    Returns
    -------
    LightCurve
        m + mu(new) - mu(old) at times stretched by (1 + new) / (1 + old); errors as they were. To its own redshift: identical.

    Notes
    -----
    Section 4.4. The spectrum is not shifted: do that by predicting at wavelengths times :func:`wavelength_factor`, and add
    :func:`bandwidth_mag`.
    """
    stretch = (1.0 + new_redshift) / (1.0 + redshift)
    fainter = distance_modulus(new_redshift) - distance_modulus(redshift)
    mjd = light_curve.mjd if stretch == 1.0 else since + stretch * (light_curve.mjd - since)
    return LightCurve(mjd, light_curve.band, light_curve.mag + fainter, light_curve.mag_err)


def wavelength_factor(redshift: float, new_redshift: float) -> float:
    """Where a band at the new redshift looks on the observed wavelengths of the old: multiply the band's wavelength by this."""
    return (1.0 + redshift) / (1.0 + new_redshift)


def bandwidth_mag(redshift: float, new_redshift: float) -> float:
    """-2.5 lg ((1 + new) / (1 + old)): what flux densities per frequency gain when the spectrum is shifted too [mag]."""
    return float(-2.5 * np.log10((1.0 + new_redshift) / (1.0 + redshift)))


def within_limit(light_curve: LightCurve, limit_mag: float) -> LightCurve:
    """The points at or above a survey's limit (section 5: fainter ones are discarded)."""
    return light_curve[light_curve.mag <= limit_mag]
