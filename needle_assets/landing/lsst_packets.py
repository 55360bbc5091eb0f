"""
One alert packet of Rubin's: a decoded record in, a checked :class:`Packet` out. Its names and units end here and in ``raw``.

Schemas 9.0 to 11.1 (``lsst.v10_0.alert``) are read by the same few names. What becomes what:

* ``diaObjectId``, as text, is the object id, and ``diaSourceId`` of the source the candid.
* ``psfFlux`` [nJy] with its sign becomes an AB magnitude (31.4 - 2.5 log10 of its size) and a sign. A source that was detected as
  negative is negative whatever its flux.
* ``midpointMjdTai`` (middle of the visit, atomic time) becomes the start of the exposure in UTC, the time of everything here: minus
  37 s, minus half of the exposure.
* A packet of a solar-system object has no ``diaObject`` and is refused.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from needle_assets.errors import Rejection
from needle_assets.landing.avro.schema import Wanted
from needle_assets.landing.packet import Packet, cutout_bytes, cutouts_carried, entries, within
from needle_assets.landing.values import INT32, INT64, known_float, known_integer, printable_text, shown, whole_number
from needle_assets.surveys.clock import MJD_OFFSET, SECONDS_PER_DAY
from needle_assets.surveys.lsst import LSST, TAI_MINUS_UTC_SECONDS, USUAL_EXPOSURE_SECONDS, ZEROPOINT_MAG_NJY

MAG_PER_RELATIVE_FLUX = 2.5 / math.log(10.0)

_NUMBER_OF_BAND = {band: number for number, band in LSST.band_of_number.items()}
_ID_NEEDED = "a number of 15 to 19 digits is needed."
_VERSION = re.compile(r"lsst\.v(\d+)_(\d+)\.alert")

# Said of a source by the pipeline: the flux is not one, or the source is none.
SPOILING_FLAGS = ("psfFlux_flag_noGoodPixels", "glint_trail")
# Footprints with such pixels are told, not refused.
_PIXEL_FLAGS = tuple(
    f"pixelFlags_{name}"
    for name in (
        *(
            "bad",
            "cr",
            "crCenter",
            "edge",
            "interpolated",
            "interpolatedCenter",
            "nodata",
            "nodataCenter",
            "offimage",
            "saturated",
        ),
        *("saturatedCenter", "suspect", "suspectCenter", "streak", "streakCenter", "injected", "injectedCenter"),
        *("injected_template", "injected_templateCenter"),
    )
)
FLAGS = (
    *("centroid_flag", "psfFlux_flag", "psfFlux_flag_edge", "shape_flag", "trail_flag", "forced_PsfFlux_flag", "isDipole"),
    *("forced_PsfFlux_flag_edge", *SPOILING_FLAGS, *_PIXEL_FLAGS),
)
_FLOATS = (
    *("psfFlux", "psfFluxErr", "scienceFlux", "scienceFluxErr", "templateFlux", "templateFluxErr", "snr", "reliability"),
    *("extendedness", "raErr", "decErr"),
)
_TIMES = ("midpointMjdTai", "timeProcessedMjdTai", "timeWithdrawnMjdTai")
_FORCED_FLOATS = ("ra", "dec", "psfFlux", "psfFluxErr", "scienceFlux", "scienceFluxErr")

_SOURCE = Wanted(
    dict.fromkeys(
        ("diaSourceId", "diaObjectId", "visit", "detector", "band", "ra", "dec", "exposureTime", "isNegative", *_FLOATS, *_TIMES)
    )
    | dict.fromkeys(FLAGS)
)
_PREVIOUS_SOURCE = Wanted(
    dict.fromkeys(
        ("diaSourceId", "band", "ra", "dec", "exposureTime", "isNegative", "psfFlux", "psfFluxErr", "reliability", *_TIMES)
    )
    | dict.fromkeys(SPOILING_FLAGS)
)
WANTED = Wanted(
    {
        **dict.fromkeys(("diaSourceId", "observation_reason", "target_name")),
        "diaSource": _SOURCE,
        "prvDiaSources": _PREVIOUS_SOURCE,
        "prvDiaForcedSources": Wanted(
            dict.fromkeys(("diaForcedSourceId", "visit", "detector", "band", *_TIMES, *_FORCED_FLOATS))
        ),
        "diaObject": Wanted({"diaObjectId": None}),
        "ssSource": Wanted(dict.fromkeys(("ssObjectId", "designation"))),
        **dict.fromkeys(("cutoutScience", "cutoutTemplate", "cutoutDifference")),
    }
)
"""What is read of a packet; whatever else it carries may hold what it likes."""


def is_ours(record: Mapping[str, Any]) -> bool:
    """Whether a record is an alert of Rubin's."""
    return "diaSource" in record


def version_of(record_name: str) -> str:
    """The version of the schema, such as 10.0, from what it calls its records; empty if it is none of Rubin's."""
    found = _VERSION.fullmatch(record_name)
    return f"{found[1]}.{found[2]}" if found else ""


def packet_of(record: Mapping[str, Any], version: str) -> Packet:
    """The packet in one decoded alert record. Raises Rejection with the field that is missing or wrong."""
    source = record.get("diaSource")
    if not isinstance(source, dict):
        raise Rejection("the packet has no diaSource record.", candid=known_integer(record.get("diaSourceId"), INT64))
    candid, object_id = _identity(record, source)
    try:
        candidate = _candidate(record, source)
        previous, refused = entries(record.get("prvDiaSources"), source_entry, "prvDiaSources", object_id, candid)
        given = record.get("prvDiaForcedSources")
        forced, refused_forced = entries(given, _forced_entry, "prvDiaForcedSources", object_id, candid)
        cutouts = [_cutout(record.get(f"cutout{name}"), f"cutout{name}") for name in ("Science", "Template", "Difference")]
    except Rejection as why:
        raise why.also(candid=candid, object_id=object_id) from why
    return Packet(
        object_id=object_id,
        candid=candid,
        schema_version=version,
        publisher="",
        candidate=candidate,
        previous=previous,
        forced_photometry=forced,
        science=cutouts[0],
        reference=cutouts[1],
        difference=cutouts[2],
        refused=(*refused, *refused_forced),
        survey=LSST.name,
    )


def alert_row(packet: Packet) -> dict[str, Any]:
    """
    The packet as a row of ``raw.alerts``, without path, member and sha256: what ZTF has too under ZTF's names, the rest under Rubin's.

    Rubin writes NaN, null or 0 for an id where it has nothing; all are None here.
    """
    return {
        "object_id": packet.object_id,
        "survey": LSST.name,
        "candid": packet.candid,
        **packet.candidate,
        **cutouts_carried(packet),
        "schemavsn": packet.schema_version,
        "publisher": packet.publisher,
        "prv_candidates": packet.previous,
        "prvDiaForcedSources": packet.forced_photometry,
    }


def identity_told(head: Mapping[str, Any]) -> tuple[object, object]:
    """Candid and object id that the beginning of a damaged packet tells, unchecked."""
    source = head.get("diaSource")
    source = source if isinstance(source, dict) else {}
    return source.get("diaSourceId", head.get("diaSourceId")), str(source.get("diaObjectId"))


def magnitude(flux_njy: float, flux_err_njy: float) -> tuple[float, float]:
    """AB magnitude of the size of a flux, and its error [mag]."""
    return (
        ZEROPOINT_MAG_NJY - 2.5 * math.log10(abs(flux_njy)),
        MAG_PER_RELATIVE_FLUX * flux_err_njy / abs(flux_njy),
    )


def start_jd(midpoint_mjd_tai: float, exposure_seconds: float | None) -> float:
    """Start of an exposure [Julian date, UTC] from its middle in atomic time."""
    seconds = TAI_MINUS_UTC_SECONDS + 0.5 * (exposure_seconds or USUAL_EXPOSURE_SECONDS)
    return midpoint_mjd_tai - seconds / SECONDS_PER_DAY + MJD_OFFSET


def _identity(record: Mapping[str, Any], source: Mapping[str, Any]) -> tuple[int, str]:
    """The source's own number and the object's. Raises Rejection for a packet of the solar system, or of nothing."""
    candid = whole_number(source.get("diaSourceId"), "diaSource.diaSourceId")
    if candid is None or candid <= 0:
        raise Rejection("the packet's source has no diaSourceId; it cannot be told from others.")
    told = record.get("diaObject")
    number = told.get("diaObjectId") if isinstance(told, dict) else source.get("diaObjectId")
    object_id = str(number)
    if LSST.has_id(object_id) and type(number) is int and number < INT64:
        return candid, object_id
    why = _why_no_object(record.get("ssSource")) if number in (None, 0) else f"diaObjectId is {shown(number)}, {_ID_NEEDED}"
    raise Rejection(why, candid=candid)


def _why_no_object(solar: object) -> str:
    if not isinstance(solar, dict):
        return "the packet names no diaObject; it belongs to no object."
    called = printable_text(_text(solar.get("designation")))
    return f"the packet is of a solar-system object{f' ({called})' if called else ''}, which is no transient; it is left out."


def _candidate(record: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    _require_unspoilt(source)
    fields = _brightness(source) | _place(source)
    fields |= {name: known_float(source.get(name)) for name in (*_FLOATS, "midpointMjdTai", "timeProcessedMjdTai")}
    return fields | {
        "exptime": known_float(source.get("exposureTime")),
        "visit": known_integer(source.get("visit"), INT64),
        "detector": known_integer(source.get("detector"), INT32),
        "flags": [name for name in FLAGS if source.get(name) is True],
        **{name: printable_text(_text(record.get(name))) for name in ("observation_reason", "target_name")},
    }


def _require_unspoilt(source: Mapping[str, Any]) -> None:
    if known_float(source.get("timeWithdrawnMjdTai")):
        raise Rejection("the survey has withdrawn the source (timeWithdrawnMjdTai).", field="timeWithdrawnMjdTai")
    if spoilt := [name for name in SPOILING_FLAGS if source.get(name) is True]:
        raise Rejection(f"the survey says of the source {' and '.join(spoilt)}: it is no measurement.", field=spoilt[0])


def _brightness(source: Mapping[str, Any]) -> dict[str, Any]:
    """Time, filter, magnitude, its error and the sign, under ZTF's names."""
    band = _text(source.get("band"))
    if band not in _NUMBER_OF_BAND:
        raise Rejection(f"band is {shown(band)}, {', '.join(LSST.bands)} are known.", field="band")
    flux, flux_err = _flux(source)
    midpoint = known_float(source.get("midpointMjdTai"))
    jd = None if midpoint is None else start_jd(midpoint, known_float(source.get("exposureTime")))
    mag, mag_err = magnitude(flux, flux_err)
    return {
        "jd": within(jd, "jd", "midpointMjdTai, as a Julian date,"),
        "fid": _NUMBER_OF_BAND[band],
        "magpsf": within(mag, "magpsf", "the magnitude of psfFlux"),
        "sigmapsf": mag_err,
        "isdiffpos": "t" if flux > 0 and source.get("isNegative") is not True else "f",
    }


def _flux(source: Mapping[str, Any]) -> tuple[float, float]:
    flux, flux_err = (known_float(source.get(name)) for name in ("psfFlux", "psfFluxErr"))
    if not flux:
        raise Rejection(f"psfFlux is {shown(source.get('psfFlux'))}, a flux other than zero is needed.", field="psfFlux")
    if flux_err is None or flux_err <= 0:
        given = shown(source.get("psfFluxErr"))
        raise Rejection(f"psfFluxErr is {given}, an error above zero is needed.", field="psfFluxErr")
    return flux, flux_err


def _place(source: Mapping[str, Any]) -> dict[str, float]:
    return {name: within(known_float(source.get(name)), name, f"diaSource.{name}") for name in ("ra", "dec")}


def source_entry(entry: object) -> dict[str, Any]:
    """One diaSource as an entry of ``prv_candidates``, under ZTF's names. Raises Rejection if it is no measurement."""
    if not isinstance(entry, dict):
        raise Rejection("it is not a record.")
    _require_unspoilt(entry)
    candid = whole_number(entry.get("diaSourceId"), "diaSourceId")
    return {
        "candid": candid,
        **_brightness(entry),
        "diffmaglim": None,
        "rb": known_float(entry.get("reliability")),
        **{name: known_float(entry.get(name)) for name in ("ra", "dec")},
    }


def _forced_entry(entry: object) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise Rejection("it is not a record.")
    band, midpoint = _text(entry.get("band")), known_float(entry.get("midpointMjdTai"))
    if band not in _NUMBER_OF_BAND:
        raise Rejection(f"band is {shown(band)}, {', '.join(LSST.bands)} are known.", field="band")
    within(None if midpoint is None else midpoint + MJD_OFFSET, "jd", "midpointMjdTai, as a Julian date,")
    row: dict[str, Any] = {name: known_float(entry.get(name)) for name in (*_FORCED_FLOATS, *_TIMES)}
    return row | {
        "diaForcedSourceId": known_integer(entry.get("diaForcedSourceId"), INT64),
        "visit": known_integer(entry.get("visit"), INT64),
        "detector": known_integer(entry.get("detector"), INT32),
        "band": band,
    }


def _text(value: object) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value if isinstance(value, str) else None


def _cutout(content: object, name: str) -> bytes | None:
    return None if content is None else cutout_bytes(content, name, "is no bytes")
