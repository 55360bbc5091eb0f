"""What a light curve is, when it peaks and when its object is classified (paper, sections 4 and 4.2). No cleaning, no fitting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from needle_assets.shapes import require_columns

FloatArray = NDArray[np.float64]

ZEROPOINT_MAG = 23.9
MAG_PER_RELATIVE_FLUX = 2.5 / np.log(10.0)


@dataclass(frozen=True)
class LightCurve:
    """
    Detections of one object, in any order.

    Parameters
    ----------
    mjd : ndarray, shape (n,), float
        Times [d]; any zero point, the same for all points.
    band : ndarray, shape (n,), str
        Name of each point's band.
    mag, mag_err : ndarray, shape (n,), float
        AB magnitudes and their 1 sigma errors [mag]; finite.
    """

    mjd: FloatArray
    band: NDArray[np.str_]
    mag: FloatArray
    mag_err: FloatArray

    def __post_init__(self) -> None:
        require_columns(mjd=self.mjd, band=self.band, mag=self.mag, mag_err=self.mag_err)

    @classmethod
    def of(cls, mjd: ArrayLike, band: ArrayLike, mag: ArrayLike, mag_err: ArrayLike) -> Self:
        """Build one from anything array-like; single values are repeated to the length of ``mjd``."""
        times = np.asarray(mjd, dtype=float)
        bands = np.broadcast_to(np.asarray(band, dtype=str), times.shape)
        values, errors = (np.broadcast_to(np.asarray(x, dtype=float), times.shape) for x in (mag, mag_err))
        return cls(times, bands, values, errors)

    def __len__(self) -> int:
        return len(self.mjd)

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "LightCurve":
        return LightCurve(self.mjd[chosen], self.band[chosen], self.mag[chosen], self.mag_err[chosen])

    def in_band(self, band: str) -> "LightCurve":
        """The points of one band."""
        return self[self.band == band]

    def in_bands(self, bands: Sequence[str]) -> "LightCurve":
        """The points of several bands."""
        return self[np.isin(self.band, bands)]

    def sorted(self) -> "LightCurve":
        """The same points by time, band and magnitude."""
        return self[np.lexsort((self.mag, self.band, self.mjd))]


def flux_from_mag(mag: ArrayLike, mag_err: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Flux density and its error [microjansky] of AB magnitudes (zero point 23.9 mag)."""
    flux = 10.0 ** (-0.4 * (np.asarray(mag, dtype=float) - ZEROPOINT_MAG))
    return flux, flux * np.asarray(mag_err, dtype=float) / MAG_PER_RELATIVE_FLUX


def mag_from_flux(flux: ArrayLike, flux_err: ArrayLike, *, faintest_mag: float = np.inf) -> tuple[FloatArray, FloatArray]:
    """
    AB magnitude and its error [mag] of flux densities [microjansky].

    A flux at or below that of ``faintest_mag``, negative ones included, is reported as ``faintest_mag`` with the error that its
    flux error means there: nothing becomes NaN as long as ``faintest_mag`` is finite.

    Notes
    -----
    sigma_m = 2.5 / ln 10 * sigma_f / f. The authors divide by the magnitude instead of the flux.
    """
    floor = 10.0 ** (-0.4 * (faintest_mag - ZEROPOINT_MAG))
    flux = np.maximum(np.asarray(flux, dtype=float), floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ZEROPOINT_MAG - 2.5 * np.log10(flux), MAG_PER_RELATIVE_FLUX * np.asarray(flux_err, dtype=float) / flux


def peak_mjd(light_curve: LightCurve, bands: Sequence[str]) -> float:
    """
    The earliest of the times at which each of some bands is brightest [d]; NaN without a point in any.

    Of equally bright points the first counts.
    """
    ordered = light_curve.sorted()
    parts = (ordered.in_band(band) for band in bands)
    return min((float(points.mjd[np.argmin(points.mag)]) for points in parts if len(points)), default=float("nan"))


def classification_mjd(peak: float, newest: float, *, is_training: bool, days_after_peak: float = 5.0) -> float:
    """
    The time up to which an object's data may be used [MJD].

    Training objects: ``days_after_peak`` after the peak, or the newest detection where that is earlier or there is no peak
    (NaN). Candidates: the newest detection. NaN where ``newest`` is NaN (no detections).
    """
    return float(np.fmin(peak + days_after_peak, newest)) if is_training and np.isfinite(newest) else newest


def n_rising(light_curve: LightCurve, band: str, peak: float, *, days_after_peak: float = 5.0) -> int:
    """Count the points of a band up to ``days_after_peak`` after the object's peak; 0 where there is no peak (NaN)."""
    return int(np.sum(light_curve.in_band(band).mjd <= peak + days_after_peak))
