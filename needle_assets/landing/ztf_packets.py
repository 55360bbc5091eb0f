"""One ZTF alert packet: a decoded record in, a checked :class:`Packet` out. ZTF's own names are used here and in ``raw``, nowhere after.

What is required of a packet is the little that every later stage stands on: an object id that looks like one, the packet's
number, when, where, in which filter, how bright, and the sign of the difference. Everything else may be missing and is then None.
"""

from collections.abc import Mapping
from typing import Any

from needle_assets.errors import Rejection
from needle_assets.landing.avro.schema import Wanted
from needle_assets.landing.packet import RANGES, Packet, cutout_bytes, cutouts_carried, entries, lost_text, within
from needle_assets.landing.values import (
    INT32,
    INT64,
    SCALARS,
    finite_or_none,
    known_float,
    known_integer,
    printable_text,
    shown,
    whole_number,
)
from needle_assets.surveys.ztf import ZTF

MISSING_FLUX = -99999.0
_SIGNS = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}

_NAMED = [f"{number} ({band})" for number, band in ZTF.band_of_number.items()]
_FILTERS = f"{', '.join(_NAMED[:-1])} or {_NAMED[-1]}"

_INTEGERS = ("programid", "field", "rcid", "nid", "nneg", "nbad", "ndethist", "ncovhist")
_PS1_INTEGERS = ("objectidps1", "objectidps2", "objectidps3")
_FLOATS = (
    *("xpos", "ypos", "mindtoedge", "diffmaglim", "magzpsci", "rb", "drb", "classtar", "fwhm", "elong", "scorr", "exptime"),
    *("ssmagnr", "distnr", "magnr", "neargaia", "maggaia", "neargaiabright", "maggaiabright"),
    *(f"{name}{k}" for k in (1, 2, 3) for name in ("sgscore", "distpsnr", "sgmag", "srmag", "simag", "szmag")),
)
# Exactly 0 in these means that the value was lost on its way, never that it is zero.
_NONZERO_FLOATS = ("ssdistnr", "jdstarthist", "jdendhist", "jdstartref", "jdendref")
_PREVIOUS_FLOATS = ("magpsf", "sigmapsf", "diffmaglim", "rb", "ra", "dec")
_FORCED_FLOATS = ("forcediffimflux", "forcediffimfluxunc", "magzpsci", "diffmaglim", "ranr", "decnr")

_CANDIDATE = (
    *("candid", "fid", "sigmapsf", "isdiffpos", *RANGES),
    *(*_INTEGERS, *_PS1_INTEGERS, *_FLOATS, *_NONZERO_FLOATS),
)
_CUTOUT = Wanted({"stampData": None})
WANTED = Wanted(
    {
        **dict.fromkeys(("objectId", "candid", "schemavsn", "publisher")),
        "candidate": Wanted(dict.fromkeys(_CANDIDATE)),
        "prv_candidates": Wanted(dict.fromkeys(("candid", "jd", "fid", "isdiffpos", *_PREVIOUS_FLOATS))),
        "fp_hists": Wanted(dict.fromkeys(("jd", "fid", "procstatus", *_FORCED_FLOATS))),
        **dict.fromkeys(("cutoutScience", "cutoutTemplate", "cutoutDifference"), _CUTOUT),
    }
)
"""What is read of a packet; whatever else it carries may hold what it likes."""


def packet_of(record: Mapping[str, Any]) -> Packet:
    """The packet in one decoded alert record (ZTF schemas 3 and 4). Raises Rejection with the field that is missing or wrong."""
    object_id, candid = _identity(record)
    if candid is None or candid <= 0:
        raise Rejection("the packet has no candid; it cannot be told from others.", object_id=object_id)
    try:
        candidate = _candidate(record.get("candidate"), candid)
        previous, refused = entries(record.get("prv_candidates"), _previous_entry, "prv_candidates", object_id, candid)
        forced, refused_forced = entries(record.get("fp_hists"), _forced_entry, "fp_hists", object_id, candid)
        cutouts = [_cutout(record.get(f"cutout{name}"), name) for name in ("Science", "Template", "Difference")]
    except Rejection as why:
        raise why.also(candid=candid, object_id=object_id) from why
    texts = {name: printable_text(record.get(name)) for name in ("schemavsn", "publisher")}
    lost = [lost_text(name, record[name], object_id, candid) for name, text in texts.items() if text is None and record.get(name)]
    return Packet(
        object_id=object_id,
        candid=candid,
        schema_version=texts["schemavsn"] or "",
        publisher=texts["publisher"] or "",
        candidate=candidate,
        previous=previous,
        forced_photometry=forced,
        science=cutouts[0],
        reference=cutouts[1],
        difference=cutouts[2],
        refused=(*refused, *refused_forced, *lost),
        survey=ZTF.name,
    )


def _identity(record: Mapping[str, Any]) -> tuple[str, int | None]:
    """Object and number of a packet; where one cannot be used, the refusal carries the other."""
    given = record.get("candid")
    known = given if type(given) is int and 0 < given < INT64 else None
    try:
        object_id = checked_ztf_id(record.get("objectId"))
    except Rejection as why:
        raise why.also(candid=known) from why
    try:
        return object_id, whole_number(given, "candid")
    except Rejection as why:
        raise why.also(object_id=object_id) from why


def alert_row(packet: Packet) -> dict[str, Any]:
    """
    The packet as a row of ``raw.alerts``, without path, member and sha256, which only the reader of the landing folder knows.

    ZTF writes -999 (and an empty text; for a flux -99999) where it has nothing; all are None here, as is a float that is not finite.
    """
    fields = packet.candidate
    row: dict[str, Any] = {"object_id": packet.object_id, "survey": ZTF.name, "candid": packet.candid}
    row |= {name: fields[name] for name in ("jd", "fid", "ra", "dec", "magpsf", "sigmapsf", "isdiffpos")}
    row |= {name: known_integer(fields.get(name), INT32) for name in _INTEGERS}
    row |= {name: known_integer(fields.get(name), INT64) for name in _PS1_INTEGERS}
    row |= {name: known_float(fields.get(name)) for name in _FLOATS}
    row |= {name: known_float(fields.get(name)) or None for name in _NONZERO_FLOATS}
    row |= {
        **cutouts_carried(packet),
        "schemavsn": packet.schema_version,
        "publisher": packet.publisher,
        "prv_candidates": packet.previous,
        "fp_hists": packet.forced_photometry,
    }
    return row


def is_positive(isdiffpos: str | bool | int | None) -> bool | None:
    """Whether the difference was positive, from ZTF's 't', 'f', '1', '0' or a bool; None if it says neither."""
    return _SIGNS.get(str(isdiffpos).strip().lower())


def is_ztf_id(value: object) -> bool:
    """Whether ``value`` is a ZTF object id such as ZTF18abcdefg, and nothing else."""
    return ZTF.has_id(value)


def checked_ztf_id(value: object) -> str:
    """``value`` if it is a ZTF object id; raises Rejection otherwise, so that nothing else can reach a path or a query."""
    if not is_ztf_id(value):
        raise Rejection(f"the object id is {shown(value)}, an id like {ZTF.id_example} is needed.", given=shown(value))
    return str(value)


def _candidate(given: object, candid: int) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Rejection("the packet has no candidate record.")
    fields = {name: finite_or_none(given[name]) for name in _CANDIDATE if isinstance(given.get(name), SCALARS)}
    inner = fields.get("candid")
    if inner is not None and inner != candid:
        raise Rejection("the packet and its candidate have different candids; the file is damaged.", inner_candid=inner)
    for name in RANGES:
        fields[name] = within(fields.get(name), name)
    fields["fid"] = _filter(fields.get("fid"))
    fields["sigmapsf"] = _error(fields.get("sigmapsf"))
    fields["isdiffpos"] = _sign_text(fields.get("isdiffpos"))
    if fields["isdiffpos"] is None:
        raise Rejection("candidate.isdiffpos says neither positive nor negative; a detection without a sign cannot be used.")
    for name in ("xpos", "ypos"):
        fields[name] = known_float(fields.get(name))
    return fields


def _filter(value: object) -> int:
    if type(value) is not int or value not in ZTF.band_of_number:
        raise Rejection(f"candidate.fid is {shown(value)}, {_FILTERS} is needed.", field="fid")
    return value


def _error(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10:
        raise Rejection(f"candidate.sigmapsf is {shown(value)}, an error between 0 and 10 mag is needed.", field="sigmapsf")
    return float(value)


def _sign_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "t" if value else "f"
    if not isinstance(value, str | int) or is_positive(value) is None:
        return None
    return str(value).strip()


def _previous_entry(entry: object) -> dict[str, Any]:
    row = _timed_entry(entry)
    assert isinstance(entry, dict)
    candid = whole_number(entry.get("candid"), "candid")
    row["candid"] = candid if candid and candid > 0 else None
    row |= {name: known_float(entry.get(name)) for name in _PREVIOUS_FLOATS}
    row["isdiffpos"] = _sign_text(entry.get("isdiffpos"))
    if row["magpsf"] is None and row["diffmaglim"] is None:
        raise Rejection("it has neither a magnitude nor a limit.")
    if row["magpsf"] is not None and row["isdiffpos"] is None:
        raise Rejection("it is a detection whose isdiffpos says neither positive nor negative.")
    return row


def _forced_entry(entry: object) -> dict[str, Any]:
    row = _timed_entry(entry)
    assert isinstance(entry, dict)
    row |= {name: known_float(entry.get(name)) for name in _FORCED_FLOATS}
    row |= {name: None for name in ("forcediffimflux", "forcediffimfluxunc") if row[name] == MISSING_FLUX}
    return row | {"procstatus": printable_text(entry.get("procstatus"))}


def _timed_entry(entry: object) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise Rejection("it is not a record.")
    return {"jd": within(entry.get("jd"), "jd"), "fid": _filter(entry.get("fid"))}


def _cutout(given: object, name: str) -> bytes | None:
    if given is None:
        return None
    content = given.get("stampData") if isinstance(given, dict) else None
    return cutout_bytes(content, f"cutout{name}", "has no stampData")
