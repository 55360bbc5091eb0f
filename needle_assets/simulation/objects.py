"""One object of the simulated survey from its index: transient, surroundings, visits, photometry and which packets are sent."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from needle_assets.labels import SLSN, SN, TDE
from needle_assets.randomness import rng_for
from needle_assets.simulation.artefacts import CONTAMINATED_REFERENCE_RATE
from needle_assets.simulation.cadence import (
    FIRST_NIGHT_MJD,
    N_NIGHTS,
    Exposures,
    Photometry,
    draw_exposures,
    measure,
    survey_nights,
)
from needle_assets.simulation.sky import (
    Galaxies,
    Host,
    Stars,
    draw_extinction_mag,
    draw_galaxies,
    draw_host,
    draw_position,
    draw_stars,
)
from needle_assets.simulation.transients import OTHER, Transient, draw_transient

DEFAULT_MIX: Mapping[str, float] = {SN: 0.955, SLSN: 0.015, TDE: 0.01, OTHER: 0.02}
DEMO_MIX: Mapping[str, float] = {SN: 0.70, SLSN: 0.15, TDE: 0.12, OTHER: 0.03}

N_PACKETS = ((2, 0.1), (3, 0.2), (4, 0.4), (5, 0.2), (6, 0.1))
OUTSIDE_CATALOGUE_RATE = 0.03
CATALOGUE_ONLY_RATE = 0.02
NO_PACKETS_RATE = 0.02
NO_PHOTOMETRY_RATE = 0.02
I_BAND_RATE = 0.04
SPARSE_RATE = 0.03
CLASSIFIED_AFTER_PEAK_DAYS = 8.0
MJD_OF_NIGHT_ZERO = 57754.0  # ZTF counts nights from 2017-01-01
QUADRANT_SHAPE_PX = (3080, 3072)
EDGE_PX = 10.5  # no detections are reported closer to the edge

_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class SimulatedObject:
    """Everything about one object before pixels are made; arrays of exposures and photometry share one time order."""

    index: int
    object_id: str
    ra_deg: float
    dec_deg: float
    galactic_latitude_deg: float
    transient: Transient
    peak_mjd: float
    host: Host | None
    galaxies: Galaxies
    stars: Stars
    exposures: Exposures
    photometry: Photometry
    reference_mag: Mapping[str, float]
    packets: NDArray[np.int64]
    is_in_catalogue: bool
    is_photometered: bool
    field: int
    rcid: int
    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]

    def candid(self, exposure: int) -> int:
        """Candidate id of an exposure: night, time of night and object, in a block (999) that no real packet uses."""
        days = float(self.exposures.mjd[exposure]) - MJD_OF_NIGHT_ZERO
        return (round(days * 1e6) * 1000 + 999) * 1_000_000 + self.index

    def detections(self, until_mjd: float) -> NDArray[np.int64]:
        """Indices of positive detections up to a date."""
        found = self.photometry.is_detected & self.photometry.is_positive & (self.exposures.mjd < until_mjd)
        return np.flatnonzero(found)


def simulated_ztf_id(index: int, first_mjd: float) -> str:
    """A ZTF name of the detection's year in the block 'zz.....', which real names do not reach."""
    letters = ""
    for _ in range(5):
        index, digit = divmod(index, 26)
        letters = chr(ord("a") + digit) + letters
    return f"ZTF{int((first_mjd - 51544.0) / 365.25):02d}zz{letters}"


def label_of(seed: int, index: int, mix: Mapping[str, float]) -> str:
    """Class of an object: shares are met closely by any number of objects, since indices step through them evenly."""
    offset = float(rng_for(seed, "labels").random())
    shares = np.cumsum(list(mix.values())) / sum(mix.values())
    return list(mix)[min(int(np.searchsorted(shares, (offset + index * _GOLDEN) % 1.0, side="right")), len(mix) - 1)]


def draw_object(seed: int, index: int, mix: Mapping[str, float]) -> SimulatedObject:
    """
    Draw one object.

    Parameters
    ----------
    seed : int
        Seed of the survey.
    index : int
        Number of the object, from 0; nothing depends on how many others there are.
    mix : mapping of str to float
        Share of each class.

    Returns
    -------
    SimulatedObject
        With at least one positive detection, in most cases enough of them around the peak to be catalogued.
    """
    rng = rng_for(seed, "object", index)
    ra_deg, dec_deg, latitude = draw_position(rng)
    flags = rng.random(6)
    transient = draw_transient(label_of(seed, index, mix), draw_extinction_mag(latitude, rng), rng)
    peak_mjd, exposures, photometry, reference_mag = _observed(
        seed, transient, (ra_deg, dec_deg), rng, has_i=flags[0] < I_BAND_RATE, is_sparse=flags[1] < SPARSE_RATE
    )
    n = len(exposures.mjd)
    first = exposures.mjd[np.flatnonzero(photometry.is_detected & photometry.is_positive)[0]]
    is_catalogue_only = flags[2] < CATALOGUE_ONLY_RATE
    has_packets = flags[3] >= NO_PACKETS_RATE and not is_catalogue_only
    return SimulatedObject(
        index=index,
        object_id=simulated_ztf_id(index, float(first)),
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        galactic_latitude_deg=latitude,
        transient=transient,
        peak_mjd=peak_mjd,
        host=draw_host(transient, rng),
        galaxies=draw_galaxies(rng),
        stars=draw_stars(latitude, rng),
        exposures=exposures,
        photometry=photometry,
        reference_mag=reference_mag,
        packets=_chosen_packets(exposures, photometry, rng) if has_packets else np.zeros(0, dtype=np.int64),
        is_in_catalogue=bool(flags[4] >= OUTSIDE_CATALOGUE_RATE or is_catalogue_only),
        is_photometered=bool(flags[5] >= NO_PHOTOMETRY_RATE and not is_catalogue_only),
        field=int(rng.integers(246, 880)),
        rcid=int(rng.integers(0, 64)),
        x_px=_positions_px(QUADRANT_SHAPE_PX[1], n, rng),
        y_px=_positions_px(QUADRANT_SHAPE_PX[0], n, rng),
    )


def _positions_px(quadrant_px: int, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Column or row on the readout quadrant in each exposure [px, first pixel 1]; the pointing wanders by some 20 px."""
    around = rng.uniform(EDGE_PX, quadrant_px - EDGE_PX) + rng.normal(0.0, 20.0, n)
    return np.clip(around, EDGE_PX, quadrant_px - EDGE_PX)


def _observed(
    seed: int, transient: Transient, position_deg: tuple[float, float], rng: np.random.Generator, *, has_i: bool, is_sparse: bool
) -> tuple[float, Exposures, Photometry, dict[str, float]]:
    """Peak date and what was seen: dates are redrawn until the survey would have found it."""
    nights = survey_nights(seed)
    needed = 1 if is_sparse else 5
    while True:
        peak_mjd = FIRST_NIGHT_MJD + rng.uniform(20.0, N_NIGHTS - 60.0)
        span = (peak_mjd - 4.0 * transient.rise_days * (1 + transient.redshift) - 40.0, peak_mjd + 330.0)
        exposures = draw_exposures(nights, position_deg, span, rng, has_i=has_i)
        reference_mag = _reference_mag(transient, rng)
        photometry = measure(transient, exposures, peak_mjd, reference_mag, rng)
        found = np.flatnonzero(photometry.is_detected & photometry.is_positive)
        near_peak = len(found) > 0 and photometry.mag[found].min() < transient.peak_mag + 0.6
        if len(found) >= needed and (near_peak or is_sparse):
            return peak_mjd, exposures, photometry, reference_mag


def _reference_mag(transient: Transient, rng: np.random.Generator) -> dict[str, float]:
    """Magnitude of the transient inside the references, for the few whose references were taken while it shone."""
    late_days = np.array([rng.uniform(20.0, 90.0) * (1.0 + transient.redshift)])
    if rng.random() >= CONTAMINATED_REFERENCE_RATE:
        return {}
    return {band: float(transient.mag(late_days, band)[0]) + 1.0 for band in ("g", "r")}


def _chosen_packets(exposures: Exposures, photometry: Photometry, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of the detections whose packets are in the folder: about four, most of them around the peak, in time order."""
    n = int(rng.choice([n for n, _ in N_PACKETS], p=[p for _, p in N_PACKETS]))
    detected = np.flatnonzero(photometry.is_detected)
    if len(detected) <= n:
        return detected
    bright = detected[np.argmin(photometry.mag[detected])]
    days = exposures.mjd[detected] - exposures.mjd[bright]
    weight = np.exp(-0.5 * ((days + 4.0) / 15.0) ** 2) + 0.05 + 0.3 * ~photometry.is_positive[detected]
    return np.sort(rng.choice(detected, size=n, replace=False, p=weight / weight.sum()))
