"""One object as Rubin sees it: visits by band, fluxes with their noise, and which packets are sent. Times are starts of exposures, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from needle_assets.randomness import rng_for
from needle_assets.simulation.cadence import FIRST_NIGHT_MJD, N_NIGHTS
from needle_assets.simulation.objects import SimulatedObject, draw_object, label_of
from needle_assets.simulation.sky import Host, draw_extinction_mag, draw_host, galactic_latitude_deg
from needle_assets.simulation.transients import Transient, draw_transient
from needle_assets.surveys.lsst import LSST, ZEROPOINT_MAG_NJY

FloatArray = NDArray[np.float64]

# 5 sigma depth of a difference and seeing of one visit in the baseline survey.
DEPTH_MAG: Mapping[str, float] = {"u": 23.7, "g": 24.8, "r": 24.4, "i": 23.9, "z": 23.3, "y": 22.4}
SEEING_ARCSEC: Mapping[str, float] = {"u": 0.92, "g": 0.87, "r": 0.83, "i": 0.80, "z": 0.78, "y": 0.76}
# Pairs of filters that a field is visited in on one night, with shares in dark and in bright time.
PAIRS = (("u", "g"), ("g", "r"), ("r", "i"), ("i", "z"), ("z", "y"))
DARK_SHARES, BRIGHT_SHARES = (0.12, 0.26, 0.30, 0.22, 0.10), (0.0, 0.06, 0.30, 0.36, 0.28)
WIDE_STEP_DAYS, DEEP_STEP_DAYS = 3.5, 2.0
DEEP_FIELD_RATE = 0.1
DEEP_BANDS, DEEP_VISITS = ("g", "r", "i", "z"), 3
CLEAR_RATE = 0.75
NIGHT_TIME_DAYS = 0.12
SUN_DISTANCE_DEG = 55.0
DEEPER_MAG = 4.0
BRIGHTEST_MAG = 16.5
DETECTION_SNR = 5.0
KEPT_RATE = 0.97
CALIBRATION_ERROR = 0.01
FORCED_FROM_DAYS = 30.0
HISTORY_DAYS = 365.0
MOST_PACKETS = 5
NEEDED_DETECTIONS = 4
_TRIES = 60
_BASE = 999 * 10**15


@dataclass(frozen=True)
class RubinObject:
    """Everything of one object before pixels are made; arrays share one time order. ``twin`` is the same transient as ZTF saw it."""

    index: int
    ra_deg: float
    dec_deg: float
    transient: Transient
    peak_mjd: float
    host: Host | None
    mjd: FloatArray
    band: NDArray[np.str_]
    depth_mag: FloatArray
    flux_njy: FloatArray
    flux_err_njy: FloatArray
    is_detected: NDArray[np.bool_]
    packets: NDArray[np.int64]
    twin: SimulatedObject | None = None

    @property
    def object_id(self) -> str:
        """A number in a block that no real object reaches."""
        return str(_BASE + self.index)

    def source_id(self, exposure: int) -> int:
        """Number of the source of an exposure."""
        return _BASE + self.index * 10**6 + exposure

    def detections(self, until_mjd: float) -> NDArray[np.int64]:
        """Indices of positive detections up to a date."""
        return np.flatnonzero(self.is_detected & (self.flux_njy > 0) & (self.mjd < until_mjd))


def draw_rubin_object(seed: int, index: int, mix: Mapping[str, float], *, is_twin: bool) -> RubinObject | None:
    """
    Draw one object.

    With ``is_twin`` it is the transient of that index in ZTF's simulated survey, at its place and time; None if Rubin does not look
    there then, or not often enough. Else it is one of Rubin's own, four magnitudes fainter: dates are redrawn until it is found.
    """
    rng = rng_for(seed, "rubin", index)
    if is_twin:
        twin = draw_object(seed, index, mix)
        found = _observed(index, twin.transient, (twin.ra_deg, twin.dec_deg), twin.peak_mjd, twin.host, rng, twin)
        return found if len(found.detections(np.inf)) >= NEEDED_DETECTIONS else None
    place = rng.uniform(0.0, 360.0), float(np.rad2deg(np.arcsin(rng.uniform(np.sin(np.deg2rad(-65.0)), np.sin(np.deg2rad(5.0))))))
    a_v_mag = draw_extinction_mag(galactic_latitude_deg(*place), rng)
    for _ in range(_TRIES):
        transient = draw_transient(label_of(seed, index, mix), a_v_mag, rng, deeper_mag=DEEPER_MAG)
        host = draw_host(transient, rng)
        found = _observed(index, transient, place, FIRST_NIGHT_MJD + rng.uniform(60.0, N_NIGHTS - 100.0), host, rng, None)
        if len(found.detections(np.inf)) >= NEEDED_DETECTIONS:
            return found
    return None


def true_mag(transient: Transient, peak_mjd: float, mjd: FloatArray, band: str) -> FloatArray:
    """Noiseless apparent magnitude in one of Rubin's bands, Milky Way extinction included."""
    return transient.mag_at(mjd - peak_mjd, LSST.extinction_wavelength_angstrom[band])


def _observed(
    index: int,
    transient: Transient,
    place: tuple[float, float],
    peak_mjd: float,
    host: Host | None,
    rng: np.random.Generator,
    twin: SimulatedObject | None,
) -> RubinObject:
    first = peak_mjd - 4.0 * transient.rise_days * (1.0 + transient.redshift) - 40.0
    mjd, band = _visits(place[0], (first, peak_mjd + 200.0), rng)
    depth = np.array([DEPTH_MAG[b] for b in band]) + rng.normal(0.0, 0.2, len(band))
    mag = np.array([true_mag(transient, peak_mjd, np.array([t]), str(b))[0] for t, b in zip(mjd, band, strict=True)])
    flux = _njy(mag)
    err = _njy(depth) / DETECTION_SNR
    measured = flux + np.hypot(err, CALIBRATION_ERROR * flux) * rng.standard_normal(len(flux))
    stated = np.hypot(err, CALIBRATION_ERROR * np.abs(measured))
    is_detected = (np.abs(measured) >= DETECTION_SNR * err) & (rng.random(len(flux)) < KEPT_RATE) & (mag > BRIGHTEST_MAG)
    packets = _chosen(mjd, is_detected, peak_mjd, rng)
    return RubinObject(
        index, *place, transient, peak_mjd, host, mjd, band, depth, measured, stated, np.asarray(is_detected), packets, twin
    )


def _njy(mag: FloatArray) -> FloatArray:
    return np.asarray(10.0 ** (-0.4 * (mag - ZEROPOINT_MAG_NJY)))


def _visits(ra_deg: float, span: tuple[float, float], rng: np.random.Generator) -> tuple[FloatArray, NDArray[np.str_]]:
    """Times and bands in order: pairs of filters every few nights, or every other night in four bands in a deep field."""
    is_deep = rng.random() < DEEP_FIELD_RATE
    mean_step = DEEP_STEP_DAYS if is_deep else WIDE_STEP_DAYS
    nights = np.floor(span[0] + np.cumsum(1.0 + rng.exponential(mean_step - 1.0, int((span[1] - span[0]) / mean_step * 1.5) + 5)))
    nights = nights[(nights < span[1]) & (rng.random(len(nights)) < CLEAR_RATE) & _in_season(nights, ra_deg)]
    mjd, band = [], []
    for night in nights:
        bands = np.repeat(DEEP_BANDS, DEEP_VISITS) if is_deep else np.array(_pair(night, rng))
        start = night + rng.uniform(0.1, 0.1 + NIGHT_TIME_DAYS)
        apart = 40.0 / 86400.0 if is_deep else 0.02
        mjd.append(start + apart * np.arange(len(bands)))
        band.append(bands)
    return np.concatenate([np.zeros(0), *mjd]), np.concatenate([np.zeros(0, dtype="U1"), *band])


def _pair(night: float, rng: np.random.Generator) -> tuple[str, str]:
    moon = 0.5 * (1.0 - np.cos(2.0 * np.pi * (night - 58194.55) / 29.530589))  # new Moon on 17 March 2018
    return PAIRS[int(rng.choice(len(PAIRS), p=BRIGHT_SHARES if moon > 0.5 else DARK_SHARES))]


def _in_season(mjd: FloatArray, ra_deg: float) -> NDArray[np.bool_]:
    sun = 360.0 * ((mjd - 51623.3) / 365.2422)  # from the equinox of March 2000
    return np.asarray(np.abs((ra_deg - sun + 180.0) % 360.0 - 180.0) > SUN_DISTANCE_DEG)


def _chosen(mjd: FloatArray, is_detected: NDArray[np.bool_], peak_mjd: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Detections whose packets are in the folder: the last one, and some around the peak."""
    at = np.flatnonzero(is_detected)
    if len(at) <= MOST_PACKETS:
        return at
    weight = np.exp(-0.5 * ((mjd[at[:-1]] - peak_mjd) / 20.0) ** 2) + 0.02
    some = rng.choice(at[:-1], size=MOST_PACKETS - 1, replace=False, p=weight / weight.sum())
    return np.sort([*some, at[-1]])
