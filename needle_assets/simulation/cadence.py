"""When and how deep the survey looks, and what it measures: nights, visits, detections, limits. No images (see ``rendering``)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from needle_assets.randomness import rng_for
from needle_assets.simulation.transients import Transient
from needle_assets.surveys.ztf import ZTF

FloatArray = NDArray[np.float64]

FIRST_NIGHT_MJD = 58194
N_NIGHTS = 2700
TWO_DAY_CADENCE_FROM_NIGHT = 929
DETECTION_SNR = 5.0
# The share of detections lost to the vetting of candidates (real or bogus) falls by e for each of these in signal to noise.
VETTING_SNR = 4.0
# Band, share of the visited nights and time of night [d]; visits to i only for fields that have it.
VISITS = (("r", 0.70, 0.16), ("g", 0.74, 0.24), ("r", 0.04, 0.33), ("g", 0.04, 0.36), ("i", 0.25, 0.40))

ZERO_POINT_MAG = {"g": 26.22, "r": 26.28, "i": 25.65}
DARK_SKY_SIGMA_DN = {"g": 4.7, "r": 6.2, "i": 7.5}
MOON_VARIANCE = {"g": 8.0, "r": 4.5, "i": 2.0}
SEEING_OF_BAND = {"g": 1.16, "r": 1.0, "i": 0.97}
# Stated limits of real packets lie this factor above what sky noise over the PSF's area alone would give.
LIMIT_OVER_PIXEL_NOISE = 3.0
DIFFERENCE_OVER_SCIENCE_NOISE = 0.93


@dataclass(frozen=True)
class Nights:
    """Arrays over all nights of the survey, shape (N_NIGHTS,): is_clear, seeing [arcsec] and loss of transparency [mag]."""

    is_clear: NDArray[np.bool_]
    seeing_arcsec: FloatArray
    cloud_mag: FloatArray


@dataclass(frozen=True)
class Exposures:
    """Exposures of one position, arrays of shape (n,) in time order; ``limit_mag`` is the 5 sigma limit of the difference."""

    mjd: FloatArray
    band: NDArray[np.str_]
    limit_mag: FloatArray
    fwhm_px: FloatArray
    sky_sigma_dn: FloatArray
    zero_point_mag: FloatArray


@dataclass(frozen=True)
class Photometry:
    """
    What is measured on the differences, arrays of shape (n,) like the exposures; ``mag`` is of the absolute flux.

    ``is_limit`` where the flux is below 5 sigma; where neither it nor ``is_detected`` holds the vetting lost the detection.
    """

    true_mag: FloatArray
    mag: FloatArray
    mag_err: FloatArray
    snr: FloatArray
    is_detected: NDArray[np.bool_]
    is_limit: NDArray[np.bool_]
    is_positive: NDArray[np.bool_]


@lru_cache(maxsize=4)
def survey_nights(seed: int) -> Nights:
    """Weather of every night: spells of clouds, worse in winter, seeing that varies by night. Depends on the seed alone."""
    draws = rng_for(seed, "nights").standard_normal((N_NIGHTS, 3))
    weather = np.empty(N_NIGHTS)
    state = 0.0
    for night in range(N_NIGHTS):
        state = 0.6 * state + 0.8 * draws[night, 0]
        weather[night] = state
    winter = 0.35 * np.cos(2.0 * np.pi * (np.arange(N_NIGHTS) + FIRST_NIGHT_MJD - 58130.0) / 365.2422)
    quality = weather - winter
    return Nights(
        is_clear=quality > -0.6,
        seeing_arcsec=1.57 * np.exp(0.17 * draws[:, 1]),
        cloud_mag=0.04 * np.abs(draws[:, 2]) + 0.35 * np.maximum(-0.2 - quality, 0.0),
    )


def is_in_season(mjd: NDArray[Any], ra_deg: float, dec_deg: float) -> NDArray[np.bool_]:
    """Whether a position is far enough from the Sun to be observed; shape (n,) for ``mjd`` of shape (n,)."""
    sun_ra_deg = (np.asarray(mjd) - 58197.67) / 365.2422 * 360.0
    apart_deg = np.abs((ra_deg - sun_ra_deg + 180.0) % 360.0 - 180.0)
    return apart_deg > (62.0 - 0.4 * max(dec_deg, 0.0) if dec_deg < 65.0 else 0.0)


def draw_exposures(
    nights: Nights, position_deg: tuple[float, float], mjd_range: tuple[float, float], rng: np.random.Generator, *, has_i: bool
) -> Exposures:
    """
    Exposures of one position.

    Parameters
    ----------
    nights : Nights
        Weather of the survey.
    position_deg : (float, float)
        Right ascension and declination [deg].
    mjd_range : (float, float)
        First and last MJD of interest.
    rng : Generator
        Source of randomness.
    has_i : bool
        Whether the field is also visited in i.

    Returns
    -------
    Exposures
        Every third night, every second in later years, if clear and in season; g and r not always both,
        now and then one band twice.
    """
    visited = _visited_nights(nights, position_deg, mjd_range, rng)
    mjd, band, night = [], [], []
    for name, share, hour in VISITS:
        taken = visited[rng.random(len(visited)) < (share if has_i or name != "i" else 0.0)]
        mjd.append(FIRST_NIGHT_MJD + taken + hour + rng.uniform(0.0, 0.07, len(taken)))
        band.append(np.full(len(taken), name))
        night.append(taken)
    return _with_depth(np.concatenate(mjd), np.concatenate(band), np.concatenate(night), nights, rng)


def _visited_nights(
    nights: Nights, position_deg: tuple[float, float], mjd_range: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.int64]:
    first = max(int(mjd_range[0]) - FIRST_NIGHT_MJD, 0)
    last = min(int(mjd_range[1]) - FIRST_NIGHT_MJD, N_NIGHTS)
    night = np.arange(first, max(last, first))
    phase = int(rng.integers(0, 6))
    cadence = np.where(night < TWO_DAY_CADENCE_FROM_NIGHT, 3, 2)
    due = ((night + phase) % cadence == 0) ^ (rng.random(len(night)) < 0.08)
    return night[due & nights.is_clear[night] & is_in_season(FIRST_NIGHT_MJD + night, *position_deg)]


def _with_depth(
    mjd: FloatArray, band: NDArray[np.str_], night: NDArray[np.int64], nights: Nights, rng: np.random.Generator
) -> Exposures:
    order = np.argsort(mjd, kind="stable")
    mjd, band, night = mjd[order], band[order], night[order]
    scatter = rng.standard_normal((len(mjd), 3))
    moon = 0.5 * (1.0 - np.cos(2.0 * np.pi * (mjd - 58194.55) / 29.530589))  # new Moon on 17 March 2018
    moon_up = rng.uniform(0.0, 1.0, len(mjd))
    dark = np.array([DARK_SKY_SIGMA_DN[b] for b in band])
    moonlit = np.array([MOON_VARIANCE[b] for b in band]) * moon**2 * moon_up
    sigma = dark * np.sqrt(1.0 + moonlit) * np.exp(0.10 * scatter[:, 0])
    seeing = nights.seeing_arcsec[night] * np.exp(0.07 * scatter[:, 1])
    fwhm_px = seeing * np.array([SEEING_OF_BAND[b] for b in band]) / ZTF.pixel_scale_arcsec
    zero_point = np.array([ZERO_POINT_MAG[b] for b in band]) - nights.cloud_mag[night] + 0.05 * scatter[:, 2]
    return Exposures(mjd, band, limit_mag(sigma, fwhm_px, zero_point), fwhm_px, sigma, zero_point)


def limit_mag(sky_sigma_dn: FloatArray, fwhm_px: FloatArray, zero_point_mag: FloatArray) -> FloatArray:
    """The 5 sigma limit of a difference image [mag] from the science image's sky noise [DN], FWHM [px] and zero point."""
    n_pixels = 4.0 * np.pi * (fwhm_px / 2.355) ** 2
    noise = LIMIT_OVER_PIXEL_NOISE * DIFFERENCE_OVER_SCIENCE_NOISE * sky_sigma_dn * np.sqrt(n_pixels)
    return zero_point_mag - 2.5 * np.log10(DETECTION_SNR * noise)


def measure(
    transient: Transient, exposures: Exposures, peak_mjd: float, reference_mag: dict[str, float], rng: np.random.Generator
) -> Photometry:
    """
    Photometry of one transient on the differences.

    Parameters
    ----------
    transient : Transient
        Source of the noiseless light curve.
    exposures : Exposures
        When and how deep.
    peak_mjd : float
        MJD of the shape's peak.
    reference_mag : dict of str to float
        Magnitude of the transient inside the reference image by band; empty for a clean reference.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Photometry
        ``is_detected`` where the measured flux is at least 5 sigma above or below zero and the vetting of candidates kept it,
        which it does more often for bright ones. The stated ``mag_err`` follows the
        relation of real packets, which is larger than the scatter for bright sources.
    """
    true_mag = np.empty(len(exposures.mjd))
    flux = np.empty(len(exposures.mjd))
    for band in np.unique(exposures.band):
        of_band = exposures.band == band
        true_mag[of_band] = transient.mag(exposures.mjd[of_band] - peak_mjd, str(band))
        flux[of_band] = 10.0 ** (-0.4 * true_mag[of_band]) - 10.0 ** (-0.4 * reference_mag.get(str(band), np.inf))
    sigma = 10.0 ** (-0.4 * exposures.limit_mag) / DETECTION_SNR
    scatter = np.sqrt(sigma**2 + (0.02 * flux) ** 2)
    measured = flux + scatter * rng.standard_normal(len(flux))
    snr = measured / sigma
    is_significant = np.abs(snr) >= DETECTION_SNR
    is_kept = rng.random(len(flux)) < 1.0 - np.exp(-(np.abs(snr) - 4.0) / VETTING_SNR)
    mag = -2.5 * np.log10(np.maximum(np.abs(measured), 1e-16))
    return Photometry(
        true_mag, mag, _stated_mag_err(mag, exposures.limit_mag), snr, is_significant & is_kept, ~is_significant, measured > 0
    )


def _stated_mag_err(mag: FloatArray, limit: FloatArray) -> FloatArray:
    """Errors as real packets state them: 0.031 at 16, 0.078 at 18, 0.20 at 20 mag, larger in shallower exposures."""
    return np.sqrt((1.75e-5 * 10.0 ** (0.2 * mag)) ** 2 * 10.0 ** (0.3 * (20.2 - limit)) + 0.015**2)
