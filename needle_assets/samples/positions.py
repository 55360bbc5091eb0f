"""Positions on the sky as directions: right ascension has no beginning, and near a pole it means little."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from needle_assets.shapes import require_columns


def directions(ra_deg: NDArray[Any], dec_deg: NDArray[Any]) -> NDArray[np.float64]:
    """Unit vectors, shape (n, 3), of positions on the sky [deg], shape (n,); NaN where a position is."""
    ra, dec = np.radians(np.asarray(ra_deg, dtype=float)), np.radians(np.asarray(dec_deg, dtype=float))
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def mean_position_deg(ra_deg: NDArray[Any], dec_deg: NDArray[Any]) -> tuple[float, float]:
    """
    The mean of some positions, as the direction of the mean of their unit vectors.

    Parameters
    ----------
    ra_deg, dec_deg : ndarray, shape (n,)
        Right ascensions and declinations [deg].

    Returns
    -------
    ra_deg, dec_deg : float
        The right ascension in [0, 360). NaN if there is no position, or one of them is NaN.
    """
    require_columns(ra_deg=ra_deg, dec_deg=dec_deg)
    if len(ra_deg) == 0:
        return float("nan"), float("nan")
    x, y, z = np.mean([*directions(ra_deg, dec_deg).T], axis=1)
    # A whole turn is added first: the remainder of a tiny negative angle alone is rounded to 360.
    return float((np.degrees(np.arctan2(y, x)) + 360.0) % 360.0), float(np.degrees(np.arctan2(z, np.hypot(x, y))))
