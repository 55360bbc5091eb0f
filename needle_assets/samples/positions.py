"""Positions on the sky as directions: right ascension has no beginning, and near a pole it means little."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

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


def mean_positions_deg(
    object_ids: NDArray[Any], ra_deg: NDArray[Any], dec_deg: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
    """
    The mean position of each of many objects, as :func:`mean_position_deg` has it for one.

    Parameters
    ----------
    object_ids : ndarray, shape (n,)
        Which object each position is of.
    ra_deg, dec_deg : ndarray, shape (n,)
        Right ascensions and declinations [deg]; those that are NaN are left out.

    Returns
    -------
    object_ids, ra_deg, dec_deg : ndarray, shape (k,)
        Every object with a position, sorted.
    """
    require_columns(object_ids=object_ids, ra_deg=ra_deg, dec_deg=dec_deg)
    vectors = directions(ra_deg, dec_deg)
    known = np.isfinite(vectors).all(axis=1)
    ids, number = np.unique(np.asarray(object_ids)[known], return_inverse=True)
    x, y, z = (np.bincount(number, weights=part, minlength=len(ids)) for part in vectors[known].T)
    return ids, (np.degrees(np.arctan2(y, x)) + 360.0) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))


def pairs_within(
    ra_deg: NDArray[Any], dec_deg: NDArray[Any], other_ra_deg: NDArray[Any], other_dec_deg: NDArray[Any], radius_arcsec: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """
    All pairs of a place of one list and one of another that are near each other on the sphere.

    Parameters
    ----------
    ra_deg, dec_deg : ndarray, shape (n,)
        The first list [deg]; a place that is NaN is near nothing.
    other_ra_deg, other_dec_deg : ndarray, shape (m,)
        The second list [deg], likewise.
    radius_arcsec : float
        Farthest distance.

    Returns
    -------
    first, second : ndarray of int, shape (k,)
        Rows of the two lists.
    separation_arcsec : ndarray, shape (k,)
    """
    places, others = directions(ra_deg, dec_deg), directions(other_ra_deg, other_dec_deg)
    rows, other_rows = (np.flatnonzero(np.isfinite(vectors).all(axis=1)) for vectors in (places, others))
    radius_rad = np.radians(radius_arcsec / 3600.0)
    near = cKDTree(places[rows]).query_ball_tree(cKDTree(others[other_rows]), 2.0 * np.sin(radius_rad / 2.0))
    first = np.repeat(rows, [len(found) for found in near])
    second = other_rows[np.array([k for found in near for k in found], dtype=np.intp)]
    return first, second, _apart_arcsec(places[first], others[second])


def separations_arcsec(
    ra_deg: NDArray[Any], dec_deg: NDArray[Any], other_ra_deg: NDArray[Any], other_dec_deg: NDArray[Any]
) -> NDArray[np.float64]:
    """The distance on the sphere of each place of one list from that of another [arcsec], shape (n,); NaN where a place [deg] is."""
    return _apart_arcsec(directions(ra_deg, dec_deg), directions(other_ra_deg, other_dec_deg))


def _apart_arcsec(vectors: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    chord = np.linalg.norm(vectors - others, axis=1)
    return np.degrees(2.0 * np.arcsin(np.minimum(chord / 2.0, 1.0))) * 3600.0
