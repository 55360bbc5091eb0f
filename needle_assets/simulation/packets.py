"""Alert packets: records under ZTF's own names and their Avro bytes. The same object gives the same bytes."""

import gzip
import io
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import fastavro
import numpy as np
from numpy.typing import NDArray

from needle_assets.simulation.objects import MJD_OF_NIGHT_ZERO, QUADRANT_SHAPE_PX, SimulatedObject
from needle_assets.simulation.sky import EAST_ALONG_X, NORTH_ALONG_Y
from needle_assets.simulation.stamps import Stamp
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets.surveys.ztf import ZTF
from needle_assets.surveys.ztf_alert_schema import (
    CANDIDATE_FIELDS,
    CUTOUTS,
    PRV_CANDIDATE_FIELDS,
    field_names,
    packet_schema,
)

PUBLISHER = "needle_assets simulation"
HISTORY_DAYS = 30.0
SCHEMA_33_RATE = 0.15
DIGIT_SIGN_RATE = 0.2
NO_DIFFERENCE_RATE = 0.04
NO_TEMPLATE_RATE = 0.01
NO_CUTOUTS_RATE = 0.01

_SYNC_MARKER = b"needle_simulated"
_GZIP_LEVEL = 4
_FITS_BLOCK = 2880
_FID = {"g": 1, "r": 2, "i": 3}
_EMPTY_CANDIDATE: dict[str, Any] = dict.fromkeys(field_names(CANDIDATE_FIELDS))
_EMPTY_PRV_CANDIDATE: dict[str, Any] = dict.fromkeys(field_names(PRV_CANDIDATE_FIELDS))


@dataclass(frozen=True)
class Style:
    """How a packet is written: schema version, the two texts of ``isdiffpos``, and which cutouts it has."""

    version: str
    signs: tuple[str, str]
    cutouts: tuple[str, ...]


def draw_style(rng: np.random.Generator) -> Style:
    """Packets differ as those of a real archive do: older schema, digits for signs, missing cutouts, at the rates above."""
    version, sign, cutout = rng.random(3)
    cutouts: tuple[str, ...] = CUTOUTS
    if cutout < NO_CUTOUTS_RATE:
        cutouts = ()
    elif cutout < NO_CUTOUTS_RATE + NO_TEMPLATE_RATE:
        cutouts = (CUTOUTS[0], CUTOUTS[2])
    elif cutout < NO_CUTOUTS_RATE + NO_TEMPLATE_RATE + NO_DIFFERENCE_RATE:
        cutouts = CUTOUTS[:2]
    return Style("3.3" if version < SCHEMA_33_RATE else "4.02", ("f", "t") if sign >= DIGIT_SIGN_RATE else ("0", "1"), cutouts)


def packet_bytes(found: SimulatedObject, exposure: int, stamp: Stamp, style: Style, rng: np.random.Generator) -> bytes:
    """
    One alert packet as an Avro container file.

    Parameters
    ----------
    found : SimulatedObject
        The object.
    exposure : int
        Which of its exposures raised the alert.
    stamp : Stamp
        Its images.
    style : Style
        Schema version and peculiarities.
    rng : Generator
        Source of randomness for the fields that are not simulated in depth.
    """
    images = {"cutoutScience": stamp.science, "cutoutTemplate": stamp.reference, "cutoutDifference": stamp.difference}
    candid = found.candid(exposure)
    record: dict[str, Any] = {
        "schemavsn": style.version,
        "publisher": PUBLISHER,
        "objectId": found.object_id,
        "candid": candid,
        "candidate": _candidate(found, exposure, style, rng),
        "prv_candidates": _history(found, exposure, style) or None,
    }
    for name in CUTOUTS:
        record[name] = _cutout(candid, name, images[name]) if name in style.cutouts else None
    return avro_file(record, style.version)


def avro_file(record: dict[str, Any], version: str) -> bytes:
    """An Avro container with one record, a fixed sync marker and no compression."""
    header, schema = _header_and_schema(version)
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, record)
    content = body.getvalue()
    return header + _long(1) + _long(len(content)) + content + _SYNC_MARKER


@lru_cache(maxsize=4)
def _header_and_schema(version: str) -> tuple[bytes, Any]:
    schema = packet_schema(version)
    entries = ((b"avro.codec", b"null"), (b"avro.schema", json.dumps(schema).encode()))
    header = b"Obj\x01" + _long(len(entries))
    for key, value in entries:
        header += _long(len(key)) + key + _long(len(value)) + value
    return header + _long(0) + _SYNC_MARKER, fastavro.parse_schema(schema)


def _long(value: int) -> bytes:
    value, out = (value << 1) ^ (value >> 63), bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    return bytes([*out, value])


def _cutout(candid: int, name: str, image: NDArray[np.float32]) -> dict[str, Any]:
    kind = {"cutoutScience": "sci", "cutoutTemplate": "ref", "cutoutDifference": "diff"}[name]
    return {"fileName": f"candid{candid}_{kind}.fits.gz", "stampData": gzip.compress(fits_bytes(image), _GZIP_LEVEL, mtime=0)}


def fits_bytes(image: NDArray[np.float32]) -> bytes:
    """A FITS file with one float32 image; row index of ``image`` along the second axis."""
    rows, columns = image.shape
    cards = [("SIMPLE", "T"), ("BITPIX", "-32"), ("NAXIS", "2"), ("NAXIS1", str(columns)), ("NAXIS2", str(rows)), ("EXTEND", "T")]
    header = "".join(f"{key:<8}= {value:>20}".ljust(80) for key, value in cards) + "END".ljust(80)
    data = image.astype(">f4").tobytes()
    return header.ljust(_FITS_BLOCK).encode() + data + b"\0" * (-len(data) % _FITS_BLOCK)


def _identity(found: SimulatedObject, i: int) -> dict[str, Any]:
    """Fields that candidates, earlier detections and non-detections share."""
    exposures = found.exposures
    mjd, band = float(exposures.mjd[i]), str(exposures.band[i])
    night = int(mjd - MJD_OF_NIGHT_ZERO)
    pid = round((mjd - MJD_OF_NIGHT_ZERO) * 1e6) * 1000 + 999
    return {
        "jd": mjd + MJD_OFFSET,
        "fid": _FID[band],
        "pid": pid,
        "diffmaglim": float(exposures.limit_mag[i]),
        "pdiffimfilename": f"simulated_{pid}_{found.field:06d}_z{band}_scimrefdiffimg.fits",
        "programpi": "simulation",
        "programid": 1,
        "nid": night,
        "rcid": found.rcid,
        "field": found.field,
        "magzpsci": float(exposures.zero_point_mag[i]),
        "magzpsciunc": 5e-6,
        "magzpscirms": 0.04,
        "clrcoeff": {"g": -0.06, "r": 0.1, "i": 0.01}[band],
        "clrcounc": 6e-6,
        "rbversion": "simulated",
    }


# What pipelines state of a clean point source, whichever it is.
_OF_EVERY_DETECTION: dict[str, Any] = {
    "sky": 0.1,
    "magdiff": -0.05,
    "classtar": 0.98,
    "seeratio": 1.0,
    "aimagerat": 0.33,
    "bimagerat": 0.31,
    "elong": 1.06,
    "nneg": 3,
    "nbad": 0,
    "sumrat": 1.0,
}


def _detection(found: SimulatedObject, i: int, style: Style) -> dict[str, Any]:
    """Fields of a detection."""
    photometry = found.photometry
    mag, mag_err, snr = float(photometry.mag[i]), float(photometry.mag_err[i]), abs(float(photometry.snr[i]))
    x, y = float(found.x_px[i]), float(found.y_px[i])
    # The stated FWHM contains the pixel and is some 20 % above that of a profile fit.
    fwhm = 1.18 * float(np.hypot(found.exposures.fwhm_px[i], 0.8))
    # The position of a detection scatters by about the FWHM over twice the signal to noise.
    wobble = fwhm * ZTF.pixel_scale_arcsec / (2.35 * snr) / 3600.0
    angle = 2.4 * i
    return {
        **_identity(found, i),
        **_OF_EVERY_DETECTION,
        "candid": found.candid(i),
        "isdiffpos": style.signs[int(photometry.is_positive[i])],
        "tblid": i % 40,
        "xpos": x,
        "ypos": y,
        "ra": (found.ra_deg + wobble * np.cos(angle) / max(np.cos(np.deg2rad(found.dec_deg)), 0.02)) % 360.0,
        "dec": found.dec_deg + wobble * np.sin(angle),
        "magpsf": mag,
        "sigmapsf": mag_err,
        "chipsf": 1.0 + 0.02 * snr,
        "magap": mag - 0.05,
        "sigmagap": 1.3 * mag_err,
        "fwhm": fwhm,
        "mindtoedge": min(x, y, QUADRANT_SHAPE_PX[1] - x, QUADRANT_SHAPE_PX[0] - y),
        "magfromlim": float(found.exposures.limit_mag[i]) - mag + 0.05,
        "aimage": 0.33 * fwhm,
        "bimage": 0.31 * fwhm,
        "magapbig": mag - 0.08,
        "sigmagapbig": 1.6 * mag_err,
        "scorr": 0.9 * snr,
    }


def _history(found: SimulatedObject, exposure: int, style: Style) -> list[dict[str, Any]]:
    """Detections and limits of the 30 days before, oldest first."""
    mjd = found.exposures.mjd
    nearest = _nearest_in_reference(found)
    history = []
    for i in range(int(np.searchsorted(mjd, mjd[exposure] - HISTORY_DAYS)), exposure):
        if found.photometry.is_detected[i]:
            history.append({**_EMPTY_PRV_CANDIDATE, **_detection(found, i, style), **nearest, "rb": 0.85})
        elif found.photometry.is_limit[i]:
            history.append({**_EMPTY_PRV_CANDIDATE, **_identity(found, i), "rbversion": ""})
    return history


def _candidate(found: SimulatedObject, i: int, style: Style, rng: np.random.Generator) -> dict[str, Any]:
    detected = np.flatnonzero(found.photometry.is_detected[: i + 1])
    start = float(found.exposures.mjd[detected[0]]) + MJD_OFFSET
    reference_jd = float(found.exposures.mjd[0]) + MJD_OFFSET
    snr = abs(float(found.photometry.snr[i]))
    return {
        **_EMPTY_CANDIDATE,
        **_detection(found, i, style),
        **_nearest_in_reference(found),
        **_ps1_neighbours(found),
        "ssdistnr": -999.0,
        "ssmagnr": -999.0,
        "ssnamenr": "null",
        "rb": float(np.clip(0.95 - 0.25 * rng.exponential(0.35), 0.35, 0.99)),
        "drb": float(1.0 - 0.003 * rng.exponential()),
        "drbversion": "simulated",
        "nneg": int(rng.integers(0, 8)),
        "ndethist": len(detected),
        "ncovhist": i + 1 + int(rng.integers(100, 1800)),
        "jdstarthist": start,
        "jdendhist": float(found.exposures.mjd[i]) + MJD_OFFSET,
        "tooflag": 0,
        "rfid": found.field * 1_000_000 + 120_100 + found.rcid,
        "jdstartref": reference_jd - 700.0,
        "jdendref": reference_jd - 30.0 if not found.reference_mag else start + 40.0,
        "nframesref": int(rng.integers(15, 40)),
        "dsnrms": 0.6 * snr,
        "ssnrms": snr,
        "dsdiff": -0.4 * snr,
        "nmatches": int(rng.integers(300, 1400)),
        "zpclrcov": -4e-6,
        "zpmed": float(found.exposures.zero_point_mag[i]) + 0.05,
        "clrmed": 0.56,
        "clrrms": 0.29,
        "exptime": 30.0,
    }


@dataclass(frozen=True)
class _Neighbours:
    """Catalogued sources around the object in order of distance, arrays of shape (n,)."""

    distance_arcsec: NDArray[np.float64]
    east_arcsec: NDArray[np.float64]
    north_arcsec: NDArray[np.float64]
    is_star: NDArray[np.bool_]
    mag: dict[str, NDArray[np.float64]]


def _neighbours(found: SimulatedObject) -> _Neighbours:
    groups: list[tuple[Any, bool]] = [(found.stars, True), (found.galaxies, False)]
    if found.host is not None:
        groups.append((found.host.galaxies, False))
    x = np.concatenate([group.x_px for group, _ in groups])
    y = np.concatenate([group.y_px for group, _ in groups])
    mag = {band: np.concatenate([group.mag[band] for group, _ in groups]) for band in ("g", "r", "i")}
    is_star = np.concatenate([np.full(len(group.x_px), star) for group, star in groups])
    distance = np.hypot(x, y) * ZTF.pixel_scale_arcsec
    order = np.argsort(distance)
    order = order[mag["r"][order] < 22.3]
    return _Neighbours(
        distance[order],
        x[order] * ZTF.pixel_scale_arcsec / EAST_ALONG_X,
        y[order] * ZTF.pixel_scale_arcsec / NORTH_ALONG_Y,
        is_star[order],
        {band: values[order] for band, values in mag.items()},
    )


def _nearest_in_reference(found: SimulatedObject) -> dict[str, Any]:
    near = _neighbours(found)
    if len(near.distance_arcsec) == 0:
        return {"ranr": found.ra_deg, "decnr": found.dec_deg, "distnr": -999.0, "magnr": -999.0}
    ra = found.ra_deg + near.east_arcsec[0] / 3600.0 / max(np.cos(np.deg2rad(found.dec_deg)), 0.02)
    return {
        "ranr": float(ra % 360.0),
        "decnr": float(found.dec_deg + near.north_arcsec[0] / 3600.0),
        "distnr": float(near.distance_arcsec[0] / ZTF.pixel_scale_arcsec),
        "magnr": float(near.mag["r"][0]),
        "sigmagnr": 0.05,
        "chinr": 0.8,
        "sharpnr": 0.02 if near.is_star[0] else 0.2,
    }


def _ps1_neighbours(found: SimulatedObject) -> dict[str, Any]:
    """The three nearest sources within 30 arcsec, and the nearest star as Gaia would have it."""
    near = _neighbours(found)
    out: dict[str, Any] = {"nmtchps": int(np.sum(near.distance_arcsec < 30.0))}
    for k in range(3):
        has = k < len(near.distance_arcsec) and near.distance_arcsec[k] < 30.0
        mags = {band: float(near.mag[band][k]) if has else -999.0 for band in ("g", "r", "i")}
        out |= {f"s{band}mag{k + 1}": mags[band] for band in mags}
        out[f"szmag{k + 1}"] = mags["i"] - 0.2 if has else -999.0
        out[f"sgscore{k + 1}"] = (0.97 if near.is_star[k] else 0.03) if has else -999.0
        out[f"distpsnr{k + 1}"] = float(near.distance_arcsec[k]) if has else -999.0
        out[f"objectidps{k + 1}"] = found.index * 10 + k if has else None
    gaia = np.flatnonzero(near.is_star & (near.mag["r"] < 20.0))
    bright = np.flatnonzero(near.is_star & (near.mag["r"] < 14.0))
    for name, which in (("gaia", gaia), ("gaiabright", bright)):
        out[f"near{name}"] = float(near.distance_arcsec[which[0]]) if len(which) else -999.0
        out[f"mag{name}"] = float(near.mag["r"][which[0]]) if len(which) else -999.0
    return out


def target_offset_px(found: SimulatedObject, exposure: int) -> tuple[float, float]:
    """Where the target lies relative to the stamp's central pixel [px]: the fraction of its position on the chip."""
    x, y = float(found.x_px[exposure]), float(found.y_px[exposure])
    return x - np.floor(x + 0.5), y - np.floor(y + 0.5)


assert ZTF.cutout_size_px % 2 == 1, "a central pixel is assumed"
