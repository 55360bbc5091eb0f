"""Milky Way extinction per band (paper, section 4.1). Where A_V comes from is not decided here; host extinction is left in."""

from collections.abc import Mapping
from functools import lru_cache

import extinction as dust_laws
import numpy as np
from numpy.typing import ArrayLike, NDArray

from needle_assets.light_curves.light_curve import FloatArray
from needle_assets.shapes import require_columns

R_V = 3.1
# Schlafly & Finkbeiner (2011): what the maps of Schlegel, Finkbeiner & Davis (1998) are to be multiplied by.
SFD_SCALE = 0.86


@lru_cache(maxsize=256)
def extinction_per_a_v(wavelength_angstrom: float) -> float:
    """A_lambda / A_V of Fitzpatrick (1999) with R_V = 3.1 at one wavelength [angstrom]."""
    return float(dust_laws.fitzpatrick99(np.array([wavelength_angstrom]), 1.0, R_V)[0])


def a_v_of_reddening(e_b_v_mag: ArrayLike) -> FloatArray:
    """A_V [mag] of reddenings E(B-V) [mag] as the maps of Schlegel, Finkbeiner & Davis (1998) have them; NaN where they are."""
    return R_V * SFD_SCALE * np.asarray(e_b_v_mag, dtype=float)


def extinction_factors(
    band: ArrayLike, a_v_mag: float | None, wavelength_angstrom: Mapping[str, float]
) -> tuple[FloatArray, bool]:
    """
    What fluxes of these bands are multiplied by to be free of Milky Way extinction, and whether they are then.

    1 and False where A_V is None or NaN: what is not known is not removed.
    """
    names = np.asarray(band)
    nothing, never = np.zeros(names.shape), np.zeros(names.shape, dtype=bool)
    mag, is_corrected = deredden(nothing, names, a_v_mag, never, wavelength_angstrom=wavelength_angstrom)
    return 10.0 ** (-0.4 * mag), bool(is_corrected.all())


def deredden(
    mag: ArrayLike,
    band: ArrayLike,
    a_v_mag: float | None,
    is_corrected: ArrayLike,
    *,
    wavelength_angstrom: Mapping[str, float],
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """
    Remove Milky Way extinction from magnitudes.

    Parameters
    ----------
    mag : array_like, shape (n,)
        Apparent magnitudes [mag].
    band : array_like, shape (n,), str
        Names of bands.
    a_v_mag : float or None
        A_V towards the object [mag]; None or NaN where it is not known.
    is_corrected : array_like, shape (n,), bool
        True for magnitudes that already are free of Milky Way extinction; they stay as they are.
    wavelength_angstrom : mapping of band to float
        Where the extinction of each band is taken.

    Returns
    -------
    mag : ndarray, shape (n,)
        Magnitudes; where A_V is not known those not yet corrected are unchanged.
    is_corrected : ndarray, shape (n,), bool
        Which of them are now free of Milky Way extinction. A missing A_V is this flag, never an A_V of zero.

    Notes
    -----
    Section 4.1. A_V is taken as the Schlafly & Finkbeiner (2011) value, as the BTS catalogue gives it, so no factor 0.86 enters.
    """
    require_columns(mag=mag, band=band, is_corrected=is_corrected)
    corrected = np.asarray(is_corrected, dtype=bool)
    values = np.asarray(mag, dtype=float)
    if a_v_mag is None or not np.isfinite(a_v_mag):
        return values.copy(), corrected.copy()
    per_a_v = np.array([extinction_per_a_v(wavelength_angstrom[b]) for b in np.asarray(band)], dtype=float)
    return np.where(corrected, values, values - per_a_v * a_v_mag), np.ones_like(corrected)
