"""The ZTF alert packet as an Avro schema, written as short lists of ``name:type``. Data only; ``simulation`` and ``fetch`` write it.

``?`` after a type: may be null, null by default. ``~``: may be null, but must be given.
Field names and types are those of ZTF's public schema 4.02; schema 3.3 is the same packet without ``fp_hists``.
"""

from typing import Any

_IDENTIFIERS = "schemavsn:string publisher:string objectId:string candid:long"
_IDENTITY = "jd:double fid:int pid:long diffmaglim:float? pdiffimfilename:string? programpi:string? programid:int"
_SOURCE = """
chipsf:float? magap:float? sigmagap:float? distnr:float? magnr:float? sigmagnr:float? chinr:float? sharpnr:float? sky:float?
magdiff:float? fwhm:float? classtar:float? mindtoedge:float? magfromlim:float? seeratio:float? aimage:float? bimage:float?
aimagerat:float? bimagerat:float? elong:float? nneg:int? nbad:int? rb:float? ssdistnr:float? ssmagnr:float? ssnamenr:string?
sumrat:float? magapbig:float? sigmagapbig:float?
"""
_POSITION = "tblid:long? nid:int? rcid:int? field:int? xpos:float? ypos:float?"
_PS1 = "sgmag{0}:float? srmag{0}:float? simag{0}:float? szmag{0}:float? sgscore{0}:float? distpsnr{0}:float?"
_CALIBRATION = "magzpsci:float? magzpsciunc:float? magzpscirms:float?"

CANDIDATE_FIELDS = f"""
{_IDENTITY} candid:long isdiffpos:string {_POSITION} ra:double dec:double magpsf:float sigmapsf:float {_SOURCE}
ranr:double decnr:double {_PS1.format(1)} ndethist:int ncovhist:int jdstarthist:double? jdendhist:double? scorr:double?
tooflag:int? objectidps1:long? objectidps2:long? {_PS1.format(2)} objectidps3:long? {_PS1.format(3)} nmtchps:int rfid:long
jdstartref:double jdendref:double nframesref:int rbversion:string dsnrms:float? ssnrms:float? dsdiff:float? {_CALIBRATION}
nmatches:int clrcoeff:float? clrcounc:float? zpclrcov:float? zpmed:float? clrmed:float? clrrms:float? neargaia:float?
neargaiabright:float? maggaia:float? maggaiabright:float? exptime:float? drb:float? drbversion:string
"""
PRV_CANDIDATE_FIELDS = f"""
{_IDENTITY} candid:long~ isdiffpos:string~ {_POSITION} ra:double~ dec:double~ magpsf:float~ sigmapsf:float~ {_SOURCE}
ranr:double~ decnr:double~ scorr:double? {_CALIBRATION} clrcoeff:float? clrcounc:float? rbversion:string
"""
FP_HIST_FIELDS = f"""
field:int? rcid:int? fid:int pid:long rfid:long sciinpseeing:float? scibckgnd:float? scisigpix:float? {_CALIBRATION}
clrcoeff:float? clrcounc:float? exptime:float? adpctdif1:float? adpctdif2:float? diffmaglim:float? programid:int jd:double
forcediffimflux:float? forcediffimfluxunc:float? procstatus:string? distnr:float? ranr:double decnr:double magnr:float?
sigmagnr:float? chinr:float? sharpnr:float?
"""
CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")


def field_names(fields: str) -> tuple[str, ...]:
    """Names in one of the field lists above, in schema order."""
    return tuple(field.partition(":")[0] for field in fields.split())


def _field(text: str) -> dict[str, Any]:
    name, _, kind = text.partition(":")
    if kind.endswith("?"):
        return {"name": name, "type": ["null", kind[:-1]], "default": None}
    return {"name": name, "type": ["null", kind[:-1]] if kind.endswith("~") else kind}


def _record(name: str, fields: str, version: str) -> dict[str, Any]:
    return {"type": "record", "name": f"ztf.alert.{name}", "version": version, "fields": [_field(f) for f in fields.split()]}


def _nullable(name: str, kind: object) -> dict[str, Any]:
    return {"name": name, "type": ["null", kind], "default": None}


def packet_schema(version: str) -> dict[str, Any]:
    """The Avro schema of a whole packet; ``version`` is '4.02' or '3.3'."""
    cutout: Any = _record("cutout", "fileName:string stampData:bytes", version)
    fields = [_field(f) for f in _IDENTIFIERS.split()]
    fields.append({"name": "candidate", "type": _record("candidate", CANDIDATE_FIELDS, version)})
    fields.append(
        _nullable("prv_candidates", {"type": "array", "items": _record("prv_candidate", PRV_CANDIDATE_FIELDS, version)})
    )
    if version != "3.3":
        fields.append(_nullable("fp_hists", {"type": "array", "items": _record("fp_hist", FP_HIST_FIELDS, version)}))
    for name in CUTOUTS:
        fields.append(_nullable(name, cutout))
        cutout = "ztf.alert.cutout"
    doc = "alert packet of the needle_assets simulation, in the layout of ZTF's public alert schema"
    return {"type": "record", "name": "ztf.alert", "doc": doc, "version": version, "fields": fields}
