"""Small alert packets and cutouts made in memory for tests: ZTF's field names, schemas like 3.3 and 4.02, no file."""

import copy
import gzip
import io
from typing import Any

import fastavro
import numpy as np

CANDID = 1105331582815010004
ZTF_ID = "ZTF18abcdefg"
JD = 2458859.83

_REQUIRED = {"jd": "double", "fid": "int", "pid": "long", "programid": "int", "candid": "long", "isdiffpos": "string"}
_POSITION = {"ra": "double", "dec": "double", "magpsf": "float", "sigmapsf": "float"}
_OPTIONAL = {
    **dict.fromkeys(("diffmaglim", "xpos", "ypos", "magzpsci", "rb", "drb", "fwhm", "classtar", "distnr", "magnr"), "float"),
    **dict.fromkeys(("ssdistnr", "sgscore1", "distpsnr1", "sgmag1", "srmag1", "simag1", "szmag1"), "float"),
    **dict.fromkeys(("nid", "rcid", "field", "ndethist"), "int"),
    "objectidps1": "long",
    "jdstarthist": "double",
    "ssnamenr": "string",
}
_FORCED = {"jd": "double", "fid": "int", "forcediffimflux": "float", "forcediffimfluxunc": "float", "diffmaglim": "float"}


def schema(version: str = "3.3") -> dict[str, Any]:
    """A packet schema in the shape of ZTF's; 3.3 writes its unions the other way round than 4.02 and has no ``fp_hists``."""
    optional = (
        (lambda kind: ["float", "null"] if kind == "float" else [kind, "null"])
        if version < "4"
        else (lambda kind: ["null", kind])
    )
    names = {**_REQUIRED, **_POSITION}
    candidate = [{"name": n, "type": t} for n, t in names.items()] + [
        {"name": n, "type": optional(t)} for n, t in _OPTIONAL.items()
    ]
    nullable = ("candid", "isdiffpos", *_POSITION)
    previous = [{"name": n, "type": optional(t) if n in nullable else t} for n, t in names.items()]
    previous += [{"name": n, "type": optional(_OPTIONAL[n])} for n in ("diffmaglim", "rb", "xpos", "ypos")]
    fields: list[dict[str, Any]] = [{"name": n, "type": "string"} for n in ("schemavsn", "publisher", "objectId")]
    fields += [{"name": "candid", "type": "long"}, {"name": "candidate", "type": _record("candidate", candidate)}]
    fields += [{"name": "prv_candidates", "type": [{"type": "array", "items": _record("prv_candidate", previous)}, "null"]}]
    if version >= "4":
        forced = [{"name": n, "type": t} for n, t in _FORCED.items()]
        fields += [{"name": "fp_hists", "type": ["null", {"type": "array", "items": _record("fp_hist", forced)}]}]
    cutout: Any = _record("cutout", [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}])
    for name in ("Science", "Template", "Difference"):
        fields.append({"name": f"cutout{name}", "type": [cutout, "null"]})
        cutout = "ztf.alert.cutout"
    return {"type": "record", "name": "alert", "namespace": "ztf", "version": version, "fields": fields}


def record(version: str = "3.3", **changes: Any) -> dict[str, Any]:
    """A packet of a 63 x 63 cutout with one detection and one limit before it; ``changes`` replace fields of ``candidate``."""
    candidate = dict.fromkeys(_OPTIONAL) | {
        "jd": JD, "fid": 2, "pid": 1, "programid": 1, "candid": CANDID, "isdiffpos": "t", "ra": 150.25, "dec": 2.5,
        "magpsf": 18.5, "sigmapsf": 0.08, "xpos": 1000.25, "ypos": 2000.0, "rb": 0.9, "diffmaglim": 20.4, "sgmag1": -999.0,
    }  # fmt: skip
    earlier = {name: candidate[name] for name in (*_REQUIRED, *_POSITION, "diffmaglim", "rb", "xpos", "ypos")}
    detection = earlier | {"candid": CANDID - 1, "jd": JD - 3, "magpsf": 19.0}
    limit = earlier | dict.fromkeys(("candid", "isdiffpos", *_POSITION)) | {"jd": JD - 6}
    made = {
        "schemavsn": version, "publisher": "needle_assets tests", "objectId": ZTF_ID, "candid": CANDID,
        "candidate": candidate | changes, "prv_candidates": [detection, limit],
        "fp_hists": [{"jd": JD - 9, "fid": 1, "forcediffimflux": 12.0, "forcediffimfluxunc": 3.0, "diffmaglim": 20.1}],
    }  # fmt: skip
    for name in ("Science", "Template", "Difference"):
        made[f"cutout{name}"] = {"fileName": f"{name}.fits.gz", "stampData": _CUTOUT}
    return made


def avro(records: list[dict[str, Any]] | dict[str, Any], version: str = "3.3", codec: str = "null", **settings: Any) -> bytes:
    """Records as the bytes of an Avro file."""
    out = io.BytesIO()
    given = records if isinstance(records, list) else [records]
    fastavro.writer(out, fastavro.parse_schema(settings.get("schema") or schema(version)), given, codec=codec)
    return out.getvalue()


def packet(version: str = "3.3", *, object_id: str = ZTF_ID, candid: int = CANDID, **changes: Any) -> bytes:
    """One packet as the bytes of an Avro file."""
    made = copy.deepcopy(record(version, candid=candid, **changes))
    return avro(made | {"objectId": object_id, "candid": candid}, version)


def fits(image: np.ndarray, *cards: str) -> bytes:
    """``image`` as an uncompressed FITS file; ``cards`` are added to the header."""
    bitpix = {"f": -8, "i": 8, "u": 8}[image.dtype.kind] * image.dtype.itemsize
    axes = [f"NAXIS{k} = {n}" for k, n in enumerate(image.shape[::-1], 1)]
    lines = [
        f"SIMPLE  = {'T':>20}",
        *(_card(text) for text in (f"BITPIX = {bitpix}", f"NAXIS = {image.ndim}", *axes, *cards)),
        "END",
    ]
    header = "".join(f"{line:<80}" for line in lines).encode()
    return _padded(header, b" ") + _padded(image.astype(image.dtype.newbyteorder(">")).tobytes(), b"\0")


def cutout(image: np.ndarray, *cards: str) -> bytes:
    """``image`` as packets carry it: gzipped FITS."""
    return gzip.compress(fits(image, *cards), mtime=0)


def _record(name: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "ztf.alert", "fields": fields}


def _card(text: str) -> str:
    key, _, value = text.partition("=")
    return f"{key.strip():<8}= {value.strip():>20}"


def _padded(content: bytes, filler: bytes) -> bytes:
    return content + filler * (-len(content) % 2880)


_CUTOUT = cutout(np.arange(63 * 63, dtype=np.float32).reshape(63, 63))
