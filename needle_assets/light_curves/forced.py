"""Forced photometry: which points can be believed, and how those of a night become one. Fluxes with their sign throughout."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from needle_assets.light_curves.cleaning import merge_clusters
from needle_assets.light_curves.light_curve import FloatArray, LightCurve
from needle_assets.shapes import require_columns

BoolArray = NDArray[np.bool_]

MAD_TO_SIGMA = 1.4826
LOST_FRACTION = 0.2
BRIGHT_SIGMA = 10.0
OUTLIER_SIGMA = 5.0


@dataclass(frozen=True)
class Fluxes:
    """
    Fluxes of one object, in any order.

    Parameters
    ----------
    mjd : ndarray, shape (n,)
        Times [d]; any zero point, the same for all points.
    band : ndarray, shape (n,), str
        Name of each point's band.
    flux, flux_err : ndarray, shape (n,)
        Signed fluxes and their 1 sigma errors [microjansky]; finite.
    """

    mjd: FloatArray
    band: NDArray[np.str_]
    flux: FloatArray
    flux_err: FloatArray

    def __post_init__(self) -> None:
        require_columns(mjd=self.mjd, band=self.band, flux=self.flux, flux_err=self.flux_err)

    @classmethod
    def of(cls, mjd: ArrayLike, band: ArrayLike, flux: ArrayLike, flux_err: ArrayLike) -> "Fluxes":
        """Build them from anything array-like."""
        times = np.asarray(mjd, dtype=float)
        return cls(times, np.asarray(band, dtype=str), np.asarray(flux, dtype=float), np.asarray(flux_err, dtype=float))

    def __len__(self) -> int:
        return len(self.mjd)

    def __getitem__(self, chosen: BoolArray | NDArray[np.intp]) -> "Fluxes":
        return Fluxes(self.mjd[chosen], self.band[chosen], self.flux[chosen], self.flux_err[chosen])


def is_lost_visit(flux: FloatArray, flux_err: FloatArray, reference_flux: FloatArray) -> BoolArray:
    """
    Which points are of visits that show nothing where the reference shows much: their difference is the reference with its sign turned.

    Parameters
    ----------
    flux, flux_err, reference_flux : ndarray, shape (n,)
        Difference, its error, and the reference [any unit, the same]; False where one is NaN.

    Notes
    -----
    Five of 1,149 points of three real deep-field objects of Rubin's are such, 14 to 180 sigma below zero.
    """
    with np.errstate(invalid="ignore"):
        is_bright = reference_flux > BRIGHT_SIGMA * flux_err
        return np.asarray(is_bright & (flux + reference_flux < LOST_FRACTION * reference_flux), dtype=bool)


def nightly(points: Fluxes, window_days: float) -> Fluxes:
    """
    One flux for the points of each band that lie within a window of the first of them.

    The mean weighted by inverse variances, of the points within 5 sigma of their median where there are three or more; its error
    is scaled by the scatter where that is larger than stated.
    """
    if not len(points):
        return points
    groups = merge_clusters(LightCurve(points.mjd, points.band, points.flux, points.flux_err), window_days)
    return Fluxes.of(*zip(*(_mean(points[groups == group]) for group in range(groups.max() + 1)), strict=True))


def _mean(night: Fluxes) -> tuple[float, str, float, float]:
    if len(night) > 2:
        off = np.abs(night.flux - np.median(night.flux))
        night = night[off <= OUTLIER_SIGMA * np.maximum(night.flux_err, MAD_TO_SIGMA * np.median(off))]
    weight = night.flux_err**-2.0
    flux, mjd = (float(np.average(x, weights=weight)) for x in (night.flux, night.mjd))
    scatter = np.sum(weight * (night.flux - flux) ** 2) / max(len(night) - 1, 1)
    return mjd, str(night.band[0]), flux, float(np.sqrt(max(1.0, scatter) / weight.sum()))
