"""Rows of the folder's tables for one object: BTS catalogue, hosts, photometry, truth. Values only; files are in ``folder``."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from needle_assets.labels import TDE
from needle_assets.randomness import rng_for
from needle_assets.simulation.objects import CLASSIFIED_AFTER_PEAK_DAYS, SimulatedObject
from needle_assets.simulation.rendering import CENTRE_PX
from needle_assets.simulation.sky import FAINTEST_CATALOGUED_HOST_R_MAG, nearest_galaxy
from needle_assets.simulation.stamps import Exposure, Stamp
from needle_assets.simulation.transients import OTHER, apparent_minus_absolute_mag
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets.surveys.panstarrs import HOST_BANDS
from needle_assets.surveys.ztf import ZTF

SOURCE = "needle_assets simulation"
BTS_COLUMNS = (
    "ZTFID",
    "IAUID",
    "RA",
    "Dec",
    "peakt",
    "peakfilt",
    "peakmag",
    "peakabs",
    "duration",
    "rise",
    "fade",
    "type",
    "redshift",
    "b",
    "A_V",
)
HOST_COLUMNS = ("ztf_id", "host_ra", "host_dec", "separation_arcsec", "gAp", "rAp", "iAp", "zAp", "yAp", "mw_corrected", "source")
_N_PIXELS = ZTF.cutout_size_px**2
STAMP_TRUTH_SCHEMA = pa.schema(
    [("ztf_id", pa.string()), ("candid", pa.int64()), ("band", pa.string())]
    + [(name, pa.float64()) for name in ("mjd", "target_mag", "target_x_px", "target_y_px", "host_x_px", "host_y_px")]
    + [(name, pa.float32()) for name in ("fwhm_px", "sky_sigma_dn", "zero_point_mag")]
    + [(f"clean_{name}", pa.list_(pa.float32(), _N_PIXELS)) for name in ("science", "reference")]
    + [(f"{name}_mask", pa.list_(pa.uint8(), _N_PIXELS)) for name in ("science", "reference")]
)
PHOTOMETRY_SCHEMA = pa.schema(
    {
        "ztf_id": pa.string(),
        "mjd": pa.float64(),
        "band": pa.string(),
        "mag": pa.float32(),
        "mag_err": pa.float32(),
        "source": pa.string(),
        "mw_corrected": pa.bool_(),
    }
)
LIGHT_CURVE_SCHEMA = pa.schema(
    [("ztf_id", pa.string()), ("first_mjd", pa.float64()), ("mag_g", pa.list_(pa.float32())), ("mag_r", pa.list_(pa.float32()))]
)
OBJECT_SCHEMA = pa.schema(
    [("ztf_id", pa.string()), ("index", pa.int64()), ("label", pa.string()), ("type", pa.string()), ("population", pa.string())]
    + [(name, pa.float64()) for name in ("redshift", "abs_mag", "peak_mag", "peak_mjd", "a_v_mag", "rise_days", "fade_days")]
    + [("ra_deg", pa.float64()), ("dec_deg", pa.float64())]
    + [(name, pa.bool_()) for name in ("is_in_catalogue", "is_in_reference", "has_host")]
    + [("host_separation_arcsec", pa.float64()), ("host_radius_arcsec", pa.float64())]
    + [(f"host_{band}_mag", pa.float64()) for band in "grizy"]
)
UNKNOWN = "-"
PEAKT_ZERO_JD = 2458000.0

# Shares of catalogue rows in which these are unknown.
BARE_ROW_RATE = 0.05
NO_REDSHIFT_RATE = 0.01
NO_EXTINCTION_RATE = 0.015
NO_IAU_NAME_RATE = 0.01

# How often a galaxy of the field is taken for the host of an object whose own is too faint.
WRONG_HOST_RATE = 0.3
WRONG_HOST_BRIGHTER_THAN_R_MAG = 22.5
HOST_CENTROID_ARCSEC = 0.075


def is_classified(found: SimulatedObject, until_mjd: float) -> bool:
    """Whether the catalogue lists the object by that date: meant for it, seen, and some days past its peak."""
    seen = found.detections(until_mjd)
    return found.is_in_catalogue and len(seen) > 0 and found.peak_mjd + CLASSIFIED_AFTER_PEAK_DAYS < until_mjd


def bts_row(found: SimulatedObject, seed: int, until_mjd: float) -> dict[str, str]:
    """
    The object's row of ``bts.csv`` as the explorer writes it, from what was detected up to a date.

    ``peakt`` is JD - 2458000, ``>`` marks a lower limit, ``-`` what is unknown. A bare row knows only name, place, type and
    redshift.
    """
    unknown = rng_for(seed, "catalogue", found.index).random(4)
    transient = found.transient
    has_redshift = unknown[1] >= NO_REDSHIFT_RATE and transient.population != "nova"
    row = dict.fromkeys(BTS_COLUMNS, UNKNOWN)
    row |= {
        "ZTFID": found.object_id,
        "IAUID": _iau_name(found) if unknown[3] >= NO_IAU_NAME_RATE else UNKNOWN,
        "RA": _sexagesimal(found.ra_deg / 15.0, 2),
        "Dec": ("-" if found.dec_deg < 0 else "+") + _sexagesimal(abs(found.dec_deg), 1),
        "type": transient.type_name,
        "redshift": f"{transient.redshift:.4f}" if has_redshift else UNKNOWN,
        "b": f"{found.galactic_latitude_deg:.8f}",
        "A_V": f"{transient.a_v_mag:.3f}" if unknown[2] >= NO_EXTINCTION_RATE else UNKNOWN,
    }
    if unknown[0] >= BARE_ROW_RATE:
        row |= _peak_columns(found, until_mjd, has_redshift=has_redshift)
    return row


def _iau_name(found: SimulatedObject) -> str:
    """A transient-server style name in the five-letter block 'zz...', which real names do not reach."""
    prefix = "AT" if found.transient.label in (TDE, OTHER) else "SN"
    return f"{prefix}20{found.object_id[3:5]}zz{found.object_id[-3:]}"


def _sexagesimal(value: float, digits: int) -> str:
    whole = round(value * 3600.0 * 10**digits)
    minutes, fraction = divmod(whole, 60 * 10**digits)
    seconds = f"{fraction / 10**digits:0{3 + digits}.{digits}f}"
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds}"


def _peak_columns(found: SimulatedObject, until_mjd: float, *, has_redshift: bool) -> dict[str, str]:
    seen = found.detections(until_mjd)
    seen = seen[np.isin(found.exposures.band[seen], ("g", "r"))]
    if len(seen) == 0:
        return {}
    mag, mjd = found.photometry.mag[seen], found.exposures.mjd[seen]
    peak = int(np.argmin(mag))
    band = str(found.exposures.band[seen[peak]])
    of_band = found.exposures.band[seen] == band
    days, depth = mjd[of_band] - mjd[peak], mag[of_band] - mag[peak]
    rise, rise_is_limit = _half_flux_days(-days[days <= 0][::-1], depth[days <= 0][::-1])
    fade, fade_is_limit = _half_flux_days(days[days >= 0], depth[days >= 0])
    limits = {True: ">", False: ""}
    columns = {
        "peakt": f"{mjd[peak] + MJD_OFFSET - PEAKT_ZERO_JD:.2f}",
        "peakfilt": band,
        "peakmag": f"{mag[peak]:.4f}",
        "duration": f"{limits[rise_is_limit or fade_is_limit]}{rise + fade:.3f}",
        "rise": f"{limits[rise_is_limit]}{rise:.3f}",
        "fade": f"{limits[fade_is_limit]}{fade:.3f}",
    }
    if has_redshift:
        distance_mag = apparent_minus_absolute_mag(found.transient.redshift)
        columns["peakabs"] = f"{mag[peak] - distance_mag - found.transient.a_v_mag:.2f}"
    return columns


def _half_flux_days(days: NDArray[np.float64], depth_mag: NDArray[np.float64]) -> tuple[float, bool]:
    """Days from the peak until half its flux, interpolated, and whether that is only a lower limit."""
    below = np.flatnonzero(depth_mag >= 0.7526)
    if len(below) == 0:
        return float(days[-1]), True
    j = int(below[0])
    share = (0.7526 - depth_mag[j - 1]) / (depth_mag[j] - depth_mag[j - 1])
    return float(days[j - 1] + share * (days[j] - days[j - 1])), False


def host_row(found: SimulatedObject, seed: int) -> dict[str, Any] | None:
    """
    The object's row of ``hosts.csv``: position and aperture magnitudes as measured.

    Where the galaxy is too faint for the catalogue the nearest brighter galaxy is taken for it at a stated rate, as happens to
    real transients; otherwise there is no row (None).
    """
    rng = rng_for(seed, "host catalogue", found.index)
    host = found.host
    is_mistaken = rng.random() < WRONG_HOST_RATE
    if host is not None and host.mag["r"] <= FAINTEST_CATALOGUED_HOST_R_MAG:
        east, north, mag = host.east_arcsec, host.north_arcsec, host.mag
    elif is_mistaken and (nearest := nearest_galaxy(found.galaxies, WRONG_HOST_BRIGHTER_THAN_R_MAG)) is not None:
        east, north, mag = nearest
    else:
        return None
    centroid = HOST_CENTROID_ARCSEC * rng.standard_normal(2)
    east, north = east + centroid[0], north + centroid[1]
    measured = {band: mag[band] + _host_mag_err(mag[band]) * float(rng.standard_normal()) for band in HOST_BANDS}
    is_kept = dict(zip(HOST_BANDS, rng.random(5) < (1.0, 1.0, 0.6, 0.6, 0.4), strict=True))
    return {
        "ztf_id": found.object_id,
        "host_ra": (found.ra_deg + east / 3600.0 / max(np.cos(np.deg2rad(found.dec_deg)), 0.02)) % 360.0,
        "host_dec": float(np.clip(found.dec_deg + north / 3600.0, -90.0, 90.0)),
        "separation_arcsec": float(np.hypot(east, north)),
        **{f"{band}Ap": round(measured[band], 4) if is_kept[band] else None for band in HOST_BANDS},
        "mw_corrected": False,
        "source": SOURCE,
    }


def _host_mag_err(mag: float) -> float:
    return float(0.02 + 0.2 * 10.0 ** (0.2 * (mag - 22.5)))


def truth_row(found: SimulatedObject) -> dict[str, Any]:
    """What is true of the object: class, redshift, peak, host; one row of ``truth/objects.parquet``."""
    transient, host = found.transient, found.host
    return {
        "ztf_id": found.object_id,
        "index": found.index,
        "label": transient.label,
        "type": transient.type_name,
        "population": transient.population,
        "redshift": transient.redshift,
        "abs_mag": transient.abs_mag,
        "peak_mag": transient.peak_mag,
        "peak_mjd": found.peak_mjd,
        "a_v_mag": transient.a_v_mag,
        "rise_days": transient.rise_days,
        "fade_days": transient.fade_days,
        "ra_deg": found.ra_deg,
        "dec_deg": found.dec_deg,
        "is_in_catalogue": found.is_in_catalogue,
        "is_in_reference": bool(found.reference_mag),
        "has_host": host is not None,
        "host_separation_arcsec": host.separation_arcsec if host else None,
        "host_radius_arcsec": host.radius_arcsec if host else None,
        **{f"host_{band}_mag": host.mag[band] if host else None for band in HOST_BANDS},
    }


def true_light_curve(found: SimulatedObject) -> dict[str, Any]:
    """Noiseless daily magnitudes in g and r (Milky Way extinction included) over the visited span; NaN fainter than 25 mag."""
    days = np.arange(np.floor(found.exposures.mjd[0]), np.ceil(found.exposures.mjd[-1]) + 1.0)
    curves = {}
    for band in ("g", "r"):
        mag = found.transient.mag(days - found.peak_mjd, band)
        curves[f"mag_{band}"] = np.where(mag < 25.0, mag, np.nan).astype(np.float32)
    return {"ztf_id": found.object_id, "first_mjd": float(days[0]), **curves}


def photometry_columns(found: SimulatedObject, until_mjd: float) -> dict[str, Any]:
    """Rows of ``photometry.parquet``: positive detections up to a date, Milky Way extinction still in."""
    seen = found.detections(until_mjd)
    return {
        "ztf_id": [found.object_id] * len(seen),
        "mjd": found.exposures.mjd[seen],
        "band": found.exposures.band[seen].tolist(),
        "mag": found.photometry.mag[seen].astype(np.float32),
        "mag_err": found.photometry.mag_err[seen].astype(np.float32),
        "source": [SOURCE] * len(seen),
        "mw_corrected": np.zeros(len(seen), dtype=bool),
    }


def stamp_truth_row(found: SimulatedObject, i: int, stamp: Stamp, details: Exposure) -> dict[str, Any]:
    """What is true of one packet's images; one row of ``truth/stamps/*.parquet``."""
    x_px, y_px = CENTRE_PX + details.dx_px, CENTRE_PX + details.dy_px
    host = found.host
    return {
        "ztf_id": found.object_id,
        "candid": found.candid(i),
        "band": str(found.exposures.band[i]),
        "mjd": float(found.exposures.mjd[i]),
        "target_mag": details.target_mag,
        "target_x_px": x_px,
        "target_y_px": y_px,
        "host_x_px": x_px + float(host.galaxies.x_px[0]) if host else None,
        "host_y_px": y_px + float(host.galaxies.y_px[0]) if host else None,
        "fwhm_px": details.fwhm_px,
        "sky_sigma_dn": details.sky_sigma_dn,
        "zero_point_mag": details.zero_point_mag,
        "clean_science": _compressible(stamp.clean_science),
        "clean_reference": _compressible(stamp.clean_reference),
        "science_mask": stamp.science_mask.ravel(),
        "reference_mask": stamp.reference_mask.ravel(),
    }


def _compressible(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Noiseless pixels in steps of 1/64 DN, a hundredth of the noise, which halves the file."""
    return (np.round(image.ravel() * np.float32(64)) / np.float32(64)).astype(np.float32)
