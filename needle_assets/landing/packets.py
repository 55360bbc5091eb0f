"""One ZTF alert packet: bytes in, a checked :class:`Packet` out. ZTF's own names are used here and in ``raw``, nowhere after.

What is required of a packet is the little that every later stage stands on: an object id that looks like one, the packet's
number, when, where, in which filter, how bright, and the sign of the difference. Everything else may be missing and is then None.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from needle_assets.errors import Rejection
from needle_assets.landing.avro.containers import first_fields, read_records
from needle_assets.landing.avro.schema import Wanted
from needle_assets.landing.values import (
    INT32,
    INT64,
    MAX_TEXT_CHARACTERS,
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
MAX_CUTOUT_BYTES = 2**20
MAX_PREVIOUS = 100_000
_SIGNS = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}

_NAMED = [f"{number} ({band})" for number, band in ZTF.band_of_number.items()]
_FILTERS = f"{', '.join(_NAMED[:-1])} or {_NAMED[-1]}"

# Plausible ranges, both ends included; outside lies damage, not astronomy.
_RANGES = {"jd": (2_450_000.0, 2_500_000.0), "ra": (0.0, 360.0), "dec": (-90.0, 90.0), "magpsf": (-5.0, 40.0)}

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
    *("candid", "fid", "sigmapsf", "isdiffpos", *_RANGES),
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


@dataclass(frozen=True)
class Packet:
    """
    One alert packet.

    Attributes
    ----------
    object_id, candid, schema_version, publisher : identity
    candidate : dict
        ZTF's scalar fields of the candidate under ZTF's names; floats that are not finite are None.
    previous : list of dict
        ``prv_candidates``: detections, and non-detections (``candid`` and ``magpsf`` None, with ``diffmaglim``), each with
        candid, jd, fid, magpsf, sigmapsf, isdiffpos, diffmaglim, rb, ra, dec.
    forced_photometry : list of dict
        ``fp_hists`` of schema 4: jd, fid, forcediffimflux, forcediffimfluxunc, magzpsci, diffmaglim, procstatus, ranr, decnr. May
        be empty.
    science, reference, difference : bytes or None
        Cutouts as they came: gzipped FITS (see ``images.cutouts.decode_cutout``). The reference is ZTF's ``cutoutTemplate``.
    refused : tuple of Rejection
        Previous candidates that were left out, each with its reason.
    """

    object_id: str
    candid: int
    schema_version: str
    publisher: str
    candidate: dict[str, Any]
    previous: list[dict[str, Any]]
    forced_photometry: list[dict[str, Any]]
    science: bytes | None
    reference: bytes | None
    difference: bytes | None
    refused: tuple[Rejection, ...] = ()


def read_packet(data: bytes) -> Packet:
    """
    The one packet in the bytes of an Avro file.

    Raises
    ------
    Rejection
        If the bytes are not an Avro file with exactly one usable ZTF alert packet; says what is wrong.
    """
    found = list(read_packets(data))
    for result in found:
        if isinstance(result, Rejection):
            raise result
    if len(found) != 1:
        raise Rejection(f"the file holds {len(found)} packets, one was expected.", n_packets=len(found))
    return found[0]  # type: ignore[return-value]


def read_packets(data: bytes) -> Iterator[Packet | Rejection]:
    """Every packet in the bytes of an Avro file, or why it was refused; at least one of them. Damage ends it with a refusal."""
    n_records = 0
    try:
        for record in read_records(data, WANTED):
            n_records += 1
            yield _packet_or_refusal(record)
    except Rejection as why:
        yield why if n_records else _of_known_packet(why, data)
        return
    if n_records == 0:
        yield Rejection("the file holds no packet.", n_bytes=len(data))


def packet_of(record: Mapping[str, Any]) -> Packet:
    """The packet in one decoded alert record (ZTF schemas 3 and 4). Raises Rejection with the field that is missing or wrong."""
    object_id, candid = _identity(record)
    if candid is None or candid <= 0:
        raise Rejection("the packet has no candid; it cannot be told from others.", object_id=object_id)
    try:
        candidate = _candidate(record.get("candidate"), candid)
        previous, refused = _entries(record.get("prv_candidates"), _previous_entry, "prv_candidates", object_id, candid)
        forced, refused_forced = _entries(record.get("fp_hists"), _forced_entry, "fp_hists", object_id, candid)
        cutouts = [_cutout(record.get(f"cutout{name}"), name) for name in ("Science", "Template", "Difference")]
    except Rejection as why:
        raise why.also(candid=candid, object_id=object_id) from why
    texts = {name: printable_text(record.get(name)) for name in ("schemavsn", "publisher")}
    lost = [
        _lost_text(name, record[name], object_id, candid) for name, text in texts.items() if text is None and record.get(name)
    ]
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
    )


def _of_known_packet(why: Rejection, data: bytes) -> Rejection:
    """The refusal of a damaged file under the object and number that its beginning still tells."""
    head = first_fields(data, WANTED, ("objectId", "candid"))
    candid, object_id = head.get("candid"), head.get("objectId")
    known = candid if type(candid) is int and 0 < candid < INT64 else None
    return why.also(candid=known, **({"object_id": object_id} if is_ztf_id(object_id) else {}))


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
        "has_science_cutout": packet.science is not None,
        "has_reference_cutout": packet.reference is not None,
        "has_difference_cutout": packet.difference is not None,
        "schemavsn": packet.schema_version,
        "publisher": packet.publisher,
        "prv_candidates": packet.previous,
        "fp_hists": packet.forced_photometry,
    }
    return row


def one_row_per_packet(rows: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[Rejection]]:
    """
    Rows of ``raw.alerts`` with each (object_id, candid) once, and the others as rejections.

    The fuller copy stays (more cutouts, then more previous candidates); between equals the first by path and member, so that the
    order of reading does not matter. An exact copy is refused like any other, so that every landed packet is accounted for.
    """
    ordered = sorted(rows, key=_preference)
    kept: dict[tuple[str, int], Mapping[str, Any]] = {}
    refused = []
    for row in ordered:
        first = kept.setdefault((row["object_id"], row["candid"]), row)
        if first is not row:
            refused.append(_duplicate(row, first))
    return list(kept.values()), refused


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


def _packet_or_refusal(record: Mapping[str, Any]) -> Packet | Rejection:
    try:
        return packet_of(record)
    except Rejection as why:
        return why


def _preference(row: Mapping[str, Any]) -> tuple[Any, ...]:
    n_cutouts = row["has_science_cutout"] + row["has_reference_cutout"] + row["has_difference_cutout"]
    return (-n_cutouts, -len(row["prv_candidates"]), row["path"], row["member"] or "", row["sha256"])


def _duplicate(row: Mapping[str, Any], kept: Mapping[str, Any]) -> Rejection:
    same = row["sha256"] == kept["sha256"]
    return Rejection(
        f"the packet landed twice{'' if same else ' with different contents; the fuller one is used'}.",
        candid=row["candid"],
        object_id=row["object_id"],
        path=row["path"],
        member=row["member"],
        sha256=row["sha256"],
        used_path=kept["path"],
        used_member=kept["member"],
    )


def _candidate(given: object, candid: int) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Rejection("the packet has no candidate record.")
    fields = {name: finite_or_none(given[name]) for name in _CANDIDATE if isinstance(given.get(name), SCALARS)}
    inner = fields.get("candid")
    if inner is not None and inner != candid:
        raise Rejection("the packet and its candidate have different candids; the file is damaged.", inner_candid=inner)
    for name, (low, high) in _RANGES.items():
        fields[name] = _within(fields.get(name), low, high, name)
    fields["fid"] = _filter(fields.get("fid"))
    fields["sigmapsf"] = _error(fields.get("sigmapsf"))
    fields["isdiffpos"] = _sign_text(fields.get("isdiffpos"))
    if fields["isdiffpos"] is None:
        raise Rejection("candidate.isdiffpos says neither positive nor negative; a detection without a sign cannot be used.")
    for name in ("xpos", "ypos"):
        fields[name] = known_float(fields.get(name))
    return fields


def _within(value: object, low: float, high: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejection(f"candidate.{name} is {shown(value)}, a finite number is needed.", field=name)
    if not low <= value <= high:
        raise Rejection(f"candidate.{name} is {value!r}, outside {low} to {high}.", field=name, value=value)
    return float(value)


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


def _entries(given: object, read: Any, name: str, object_id: str, candid: int) -> tuple[list[dict[str, Any]], list[Rejection]]:
    if given is None:
        return [], []
    if not isinstance(given, list) or len(given) > MAX_PREVIOUS:
        raise Rejection(f"{name} is not a list of at most {MAX_PREVIOUS} entries.", field=name)
    kept, refused = [], []
    for index, entry in enumerate(given):
        try:
            kept.append(read(entry))
        except Rejection as why:
            refused.append(Rejection(f"{name}[{index}] left out: {why.reason}", candid=candid, object_id=object_id, index=index))
    return kept, refused


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
    return {"jd": _within(entry.get("jd"), *_RANGES["jd"], "jd"), "fid": _filter(entry.get("fid"))}


def _lost_text(name: str, value: object, object_id: str, candid: int) -> Rejection:
    reason = f"{name} is {shown(value)}, not printable text of at most {MAX_TEXT_CHARACTERS} characters; it is left empty."
    return Rejection(reason, candid=candid, object_id=object_id, field=name)


def _cutout(given: object, name: str) -> bytes | None:
    if given is None:
        return None
    content = given.get("stampData") if isinstance(given, dict) else None
    if not isinstance(content, bytes):
        raise Rejection(f"cutout{name} has no stampData.", field=f"cutout{name}")
    if len(content) > MAX_CUTOUT_BYTES:
        raise Rejection(f"cutout{name} has {len(content)} bytes, at most {MAX_CUTOUT_BYTES} are read.", n_bytes=len(content))
    return content or None
