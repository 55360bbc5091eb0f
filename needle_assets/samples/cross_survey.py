"""Which ids of different surveys are one object: close on the sky within what both positions allow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from needle_assets.samples.positions import directions, mean_position_deg
from needle_assets.shapes import require_columns

ARCSEC_PER_RADIAN = 180.0 / np.pi * 3600.0


@dataclass(frozen=True)
class Match:
    """Rows of two ids that are one object, their distance and its error [arcsec], and whether one of them has another match."""

    first: int
    second: int
    separation_arcsec: float
    separation_err_arcsec: float
    is_ambiguous: bool


def mean_position(ra_deg: NDArray[np.floating], dec_deg: NDArray[np.floating], floor_arcsec: float) -> tuple[float, float, float]:
    """
    Mean place of the detections of one object and its error: ra, dec [deg], and [arcsec].

    The error is the scatter over the root of their number, ``floor_arcsec`` over the same root for a single one or several that agree
    by chance, and the survey's astrometry (a third of the floor) whatever their number.
    """
    ra, dec = mean_position_deg(ra_deg, dec_deg)
    vectors = directions(ra_deg, dec_deg)
    away = np.linalg.norm(vectors - directions(np.array(ra), np.array(dec)), axis=-1) * ARCSEC_PER_RADIAN
    scatter = max(float(np.sqrt(np.mean(away**2) / 2.0)), floor_arcsec)
    return ra, dec, float(np.hypot(scatter / np.sqrt(len(vectors)), floor_arcsec / 3.0))


def matches(
    surveys: Sequence[str],
    ra_deg: NDArray[np.floating],
    dec_deg: NDArray[np.floating],
    err_arcsec: NDArray[np.floating],
    *,
    radius_arcsec: float,
    largest_sigma: float,
) -> list[Match]:
    """
    Every pair of rows of different surveys that lie within a radius of each other and within so many errors.

    Parameters
    ----------
    surveys : sequence of str, length n
        Which survey each row is of; rows of one survey are never joined here.
    ra_deg, dec_deg, err_arcsec : ndarray, shape (n,)
        Positions and their errors per axis; a row without a position (NaN) matches nothing.
    radius_arcsec, largest_sigma : float
        Farthest distance, and the same in units of its error.
    """
    require_columns(surveys=surveys, ra_deg=ra_deg, dec_deg=dec_deg, err_arcsec=err_arcsec)
    known = np.flatnonzero(np.isfinite(ra_deg) & np.isfinite(dec_deg))
    if len(known) < 2 or len(set(surveys)) < 2:
        return []
    places = directions(ra_deg[known], dec_deg[known])
    found = [
        (first, second, apart, float(np.hypot(err_arcsec[first], err_arcsec[second])))
        for first, second, apart in _close_pairs(places, known, radius_arcsec)
        if surveys[first] != surveys[second]
    ]
    found = [pair for pair in found if pair[2] <= largest_sigma * pair[3]]
    n_of: dict[tuple[int, str], int] = {}
    for first, second, *_ in found:
        for one, other in ((first, second), (second, first)):
            n_of[one, surveys[other]] = n_of.get((one, surveys[other]), 0) + 1
    return [
        Match(first, second, apart, error, max(n_of[first, surveys[second]], n_of[second, surveys[first]]) > 1)
        for first, second, apart, error in sorted(found)
    ]


def _close_pairs(places: NDArray[np.float64], rows: NDArray[np.intp], radius_arcsec: float) -> list[tuple[int, int, float]]:
    """Rows of two places within a radius, and their distance on the sphere [arcsec]."""
    chord = 2.0 * np.sin(radius_arcsec / ARCSEC_PER_RADIAN / 2.0)
    pairs = cKDTree(places).query_pairs(chord, output_type="ndarray")
    apart = 2.0 * np.arcsin(np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1) / 2.0) * ARCSEC_PER_RADIAN
    return [(int(rows[a]), int(rows[b]), float(gap)) for (a, b), gap in zip(pairs, apart, strict=True)]
