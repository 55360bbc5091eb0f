"""Alert packets put together from a broker's row of a detection and its cutouts, where the survey's own packet cannot be had.

Such a packet says so in ``publisher``. It carries the fields that the broker gives under ZTF's names and has no history; the
reader of the landing folder prefers the survey's own packet as soon as that lands too.
"""

import gzip
import hashlib
import io
import math
import re
from collections.abc import Mapping
from typing import Any

import fastavro

from needle_assets.errors import Rejection
from needle_assets.fetch.around import DamagedError
from needle_assets.images.cutouts import decode_cutout
from needle_assets.surveys.ztf_alert_schema import CANDIDATE_FIELDS, CUTOUTS

SCHEMA_VERSION = "4.02"
# What the reader of packets requires; everything else may be null here, unlike in the survey's own.
_REQUIRED = frozenset(("jd", "fid", "candid", "isdiffpos", "ra", "dec", "magpsf", "sigmapsf"))
_GZIP_STARTS = b"\x1f\x8b"


def assemble_packet(
    object_id: str, candid: int, fields: Mapping[str, Any], cutouts: Mapping[str, bytes], publisher: str
) -> bytes:
    """
    One alert packet as the bytes of an Avro file.

    Parameters
    ----------
    object_id : str
        The object.
    candid : int
        The packet's number.
    fields : mapping
        Fields of ZTF's candidate record under ZTF's names; others are ignored, absent ones are null.
    cutouts : mapping
        Gzipped FITS files under 'cutoutScience', 'cutoutTemplate', 'cutoutDifference'; one that is not given is null.
    publisher : str
        Says who put the packet together from what.

    Raises
    ------
    KeyError
        If a field that every packet needs is not given.
    """
    candidate = {name: _value(fields.get(name), kind) for name, kind in _fields()} | {"candid": candid}
    missing = sorted(name for name in _REQUIRED if candidate[name] is None)
    if missing:
        raise KeyError(", ".join(missing))
    record: dict[str, Any] = {"schemavsn": SCHEMA_VERSION, "publisher": publisher, "objectId": object_id, "candid": candid}
    record["candidate"] = candidate
    for name in CUTOUTS:
        content = cutouts.get(name)
        record[name] = None if content is None else {"fileName": f"{candid}_{name}.fits.gz", "stampData": content}
    out = io.BytesIO()
    marker = hashlib.sha256(f"{object_id} {candid}".encode()).digest()[:16]  # chance would make other bytes of the same packet
    fastavro.writer(out, _SCHEMA, [record], sync_marker=marker)
    return out.getvalue()


def read_cutout(content: bytes) -> bytes | None:
    """
    A cutout as packets carry it, gzipped FITS, from a broker's answer; None for an empty answer.

    Raises
    ------
    DamagedError
        If the answer is neither FITS nor gzipped FITS with an image.
    """
    if not content:
        return None
    packed = content if content.startswith(_GZIP_STARTS) else gzip.compress(content, mtime=0)
    try:
        decode_cutout(packed)
    except Rejection as why:
        raise DamagedError(f"the answer of {len(content)} bytes is no cutout: {why.reason}") from None
    return packed


def _fields() -> list[tuple[str, str]]:
    parts = (field.partition(":") for field in CANDIDATE_FIELDS.split())
    return [(name, kind.rstrip("?~")) for name, _, kind in parts]


def _value(value: Any, kind: str) -> Any:
    """``value`` as the schema's type; None where it is not given or has another meaning."""
    if value is None or isinstance(value, list | dict | bool):
        return None
    if kind == "string":
        return str(value)
    if kind in ("int", "long"):
        return _whole(value)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _whole(value: Any) -> int | None:
    """A whole number from an integer, digits, or a float small enough to have kept them all."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else None
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,19}", value):
        return None
    return int(value) if abs(int(value)) < 2**63 else None


def _schema() -> dict[str, Any]:
    candidate = [{"name": name, "type": kind if name in _REQUIRED else ["null", kind]} for name, kind in _fields()]
    cutout: Any = {
        "type": "record",
        "name": "ztf.alert.cutout",
        "fields": [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}],
    }
    fields: list[dict[str, Any]] = [{"name": name, "type": "string"} for name in ("schemavsn", "publisher", "objectId")]
    fields += [
        {"name": "candid", "type": "long"},
        {"name": "candidate", "type": {"type": "record", "name": "ztf.alert.candidate", "fields": candidate}},
    ]
    for name in CUTOUTS:
        fields.append({"name": name, "type": ["null", cutout]})
        cutout = "ztf.alert.cutout"
    return {"type": "record", "name": "ztf.alert", "fields": fields}


_SCHEMA = fastavro.parse_schema(_schema())
