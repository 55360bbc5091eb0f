"""Rubin's packets of one object in schema 10.0, with cutouts of 30 pixels that lie as the camera did."""

import io
from functools import lru_cache
from typing import Any

import fastavro
import numpy as np
from numpy.typing import NDArray

from needle_assets.simulation.rubin.objects import (
    FORCED_FROM_DAYS,
    HISTORY_DAYS,
    SEEING_ARCSEC,
    RubinObject,
)
from needle_assets.surveys.clock import SECONDS_PER_DAY
from needle_assets.surveys.lsst import LSST, TAI_MINUS_UTC_SECONDS, USUAL_EXPOSURE_SECONDS, ZEROPOINT_MAG_NJY
from needle_assets.surveys.lsst_alert_schema import packet_schema

VERSION = "10.0"
PROCESSED_AFTER_DAYS = 0.002
TEMPLATE_DEEPER_MAG = 2.0
ASTROMETRY_ARCSEC = 0.02
_SYNC_MARKER = b"needle_assets\0\0\0"
_BLOCK = 2880

Image = NDArray[np.float64]


def packet_bytes(found: RubinObject, exposure: int, rng: np.random.Generator) -> bytes:
    """One alert packet as an Avro container."""
    mjd = found.mjd
    earlier = np.flatnonzero((mjd < mjd[exposure]) & (mjd > mjd[exposure] - HISTORY_DAYS))
    first = float(mjd[found.is_detected].min())
    forced = earlier[mjd[earlier] > first - FORCED_FROM_DAYS]
    science, template, difference = _cutouts(found, exposure, rng)
    record = {
        "diaSourceId": found.source_id(exposure),
        "target_name": "needle_assets simulation",
        "diaSource": _source(found, exposure, rng),
        "prvDiaSources": [_source(found, int(k), rng) for k in earlier if found.is_detected[k]],
        "prvDiaForcedSources": [_forced(found, int(k)) for k in forced],
        "diaObject": _object(found, exposure),
        "cutoutScience": science,
        "cutoutTemplate": template,
        "cutoutDifference": difference,
    }
    out = io.BytesIO()
    fastavro.writer(out, _schema(), [record], sync_marker=_SYNC_MARKER)
    return out.getvalue()


@lru_cache(maxsize=1)
def _schema() -> Any:
    return fastavro.parse_schema(packet_schema(VERSION))


def _midpoint_tai(mjd: float) -> float:
    return mjd + (TAI_MINUS_UTC_SECONDS + 0.5 * USUAL_EXPOSURE_SECONDS) / SECONDS_PER_DAY


def _source(found: RubinObject, k: int, rng: np.random.Generator) -> dict[str, Any]:
    flux, err = float(found.flux_njy[k]), float(found.flux_err_njy[k])
    error_deg = (ASTROMETRY_ARCSEC + 0.3 * err / abs(flux)) / 3600.0
    east, north = rng.normal(0.0, error_deg, 2)
    midpoint = _midpoint_tai(float(found.mjd[k]))
    return {
        "diaSourceId": found.source_id(k),
        "visit": _visit(found, k),
        "detector": 94,
        "diaObjectId": int(found.object_id),
        "midpointMjdTai": midpoint,
        "timeProcessedMjdTai": midpoint + PROCESSED_AFTER_DAYS,
        "ra": (found.ra_deg + east / np.cos(np.deg2rad(found.dec_deg))) % 360.0,
        "dec": found.dec_deg + north,
        "raErr": error_deg,
        "decErr": error_deg,
        "x": 2000.0,
        "y": 2000.0,
        "psfFlux": flux,
        "psfFluxErr": err,
        "snr": abs(flux) / err,
        "isNegative": flux < 0,
        "band": str(found.band[k]),
        "reliability": float(np.clip(0.5 + 0.05 * abs(flux) / err, 0.0, 0.99)),
    }


def _forced(found: RubinObject, k: int) -> dict[str, Any]:
    midpoint = _midpoint_tai(float(found.mjd[k]))
    return {
        "diaForcedSourceId": found.source_id(k),
        "diaObjectId": int(found.object_id),
        "ra": found.ra_deg,
        "dec": found.dec_deg,
        "visit": _visit(found, k),
        "detector": 94,
        "psfFlux": float(found.flux_njy[k]),
        "psfFluxErr": float(found.flux_err_njy[k]),
        "midpointMjdTai": midpoint,
        "band": str(found.band[k]),
        "timeProcessedMjdTai": midpoint + PROCESSED_AFTER_DAYS,
    }


def _object(found: RubinObject, exposure: int) -> dict[str, Any]:
    seen = found.is_detected & (found.mjd <= found.mjd[exposure])
    return {
        "diaObjectId": int(found.object_id),
        "validityStartMjdTai": _midpoint_tai(float(found.mjd[exposure])),
        "ra": found.ra_deg,
        "dec": found.dec_deg,
        "nDiaSources": int(seen.sum()),
    }


def _visit(found: RubinObject, k: int) -> int:
    return round(float(found.mjd[k]) * 1e5)


def _cutouts(found: RubinObject, k: int, rng: np.random.Generator) -> tuple[bytes, bytes, bytes]:
    """Science, template and difference: host and transient in nJy with the noise of their depth, turned by the visit's angle."""
    band, size = str(found.band[k]), LSST.cutout_size_px
    angle, target = rng.uniform(-np.pi, np.pi), (size / 2 - 0.5 + rng.uniform(-0.5, 0.5), size / 2 - 0.5 + rng.uniform(-0.5, 0.5))
    to_sky = LSST.pixel_scale_arcsec * np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    psf_px = SEEING_ARCSEC[band] / 2.355 / LSST.pixel_scale_arcsec
    transient = float(found.flux_njy[k]) * _gaussian(target, psf_px, size)
    host = _host_image(found, band, to_sky, target, psf_px)
    per_pixel = 10.0 ** (-0.4 * (found.depth_mag[k] - ZEROPOINT_MAG_NJY)) / 5.0 / np.sqrt(4.0 * np.pi) / psf_px
    template_noise = per_pixel * 10.0 ** (-0.4 * TEMPLATE_DEEPER_MAG)
    noise, reference = (rng.normal(0.0, sigma, (size, size)) for sigma in (per_pixel, template_noise))
    images = (
        (host + transient + noise, per_pixel),
        (host + reference, template_noise),
        (transient + noise - reference, per_pixel),
    )
    made = [_ccd(image, np.full((size, size), sigma**2), to_sky, target, psf_px) for image, sigma in images]
    return made[0], made[1], made[2]


def _host_image(found: RubinObject, band: str, to_sky: Image, target: tuple[float, float], psf_px: float) -> Image:
    if found.host is None:
        return np.zeros((LSST.cutout_size_px, LSST.cutout_size_px))
    dx, dy = np.linalg.solve(to_sky, [found.host.east_arcsec, found.host.north_arcsec])
    width_px = np.hypot(psf_px, found.host.radius_arcsec / 1.18 / LSST.pixel_scale_arcsec)
    mag = found.host.mag["g" if band == "u" else band]
    flux = 10.0 ** (-0.4 * (mag - ZEROPOINT_MAG_NJY))
    return flux * _gaussian((target[0] + dx, target[1] + dy), width_px, LSST.cutout_size_px)


def _gaussian(centre: tuple[float, float], sigma_px: float, size: int) -> Image:
    """A round source of flux 1, whether or not all of it lies in the image."""
    rows, columns = np.mgrid[:size, :size]
    away = (columns - centre[0]) ** 2 + (rows - centre[1]) ** 2
    return np.asarray(np.exp(-0.5 * away / sigma_px**2) / (2.0 * np.pi * sigma_px**2))


def _ccd(image: Image, variance: Image, to_sky: Image, target: tuple[float, float], psf_px: float) -> bytes:
    place = {
        **{f"PC{i + 1}_{j + 1}": f"{to_sky[i, j] / 3600.0:.13E}" for i in (0, 1) for j in (0, 1)},
        **{f"CRPIX{k + 1}": f"{target[k] + 1.0:.10f}" for k in (0, 1)},
        **{f"CDELT{k}": "1.0" for k in (1, 2)},
    }
    psf = _gaussian((20.0, 20.0), psf_px, 41)
    return (
        _unit("SIMPLE  =                    T", image, {"EXTEND": "T", "BUNIT": "'nJy     '", **place})
        + _unit("XTENSION= 'IMAGE   '", variance, {"PCOUNT": "0", "GCOUNT": "1", "EXTNAME": "'UNCERT  '"})
        + _unit("XTENSION= 'IMAGE   '", psf, {"PCOUNT": "0", "GCOUNT": "1", "EXTNAME": "'PSFIMAGE'"})
    )


def _unit(first: str, image: Image, more: dict[str, str]) -> bytes:
    ny, nx = image.shape
    cards = {"BITPIX": "-32", "NAXIS": "2", "NAXIS1": str(nx), "NAXIS2": str(ny), **more}
    lines = [first, *(f"{key:<8}= {value:>20}" for key, value in cards.items()), "END"]
    header = "".join(line.ljust(80) for line in lines).encode()
    data = image.astype(">f4").tobytes()
    return header + b" " * (-len(header) % _BLOCK) + data + b"\0" * (-len(data) % _BLOCK)
