"""Rubin's alert packet as an Avro schema, written as short lists of ``name:type``. Data only; ``simulation`` writes it.

``?`` after a type: may be null, null by default. Field names and types are those of the public schema 10.0, apart from ``mpc_orbits``
and most of ``ssSource``, which nobody here writes.
"""

from collections.abc import Iterator
from typing import Any

from needle_assets.surveys.lsst import LSST

_FITS = """
centroid_flag:boolean? apFlux:float? apFluxErr:float? apFlux_flag:boolean? apFlux_flag_apertureTruncated:boolean? isNegative:boolean?
snr:float? psfFlux:float? psfFluxErr:float? psfLnL:float? psfChi2:float? psfNdata:int? psfFlux_flag:boolean? psfFlux_flag_edge:boolean?
psfFlux_flag_noGoodPixels:boolean? trailFlux:float? trailFluxErr:float? trailRa:double? trailRaErr:float? trailDec:double?
trailDecErr:float? trailLength:float? trailLengthErr:float? trailAngle:float? trailAngleErr:float? trailChi2:float? trailNdata:int?
trail_flag_edge:boolean? dipoleMeanFlux:float? dipoleMeanFluxErr:float? dipoleFluxDiff:float? dipoleFluxDiffErr:float?
dipoleLength:float? dipoleAngle:float? dipoleChi2:float? dipoleNdata:int? scienceFlux:float? scienceFluxErr:float?
forced_PsfFlux_flag:boolean? forced_PsfFlux_flag_edge:boolean? forced_PsfFlux_flag_noGoodPixels:boolean? templateFlux:float?
templateFluxErr:float? ixx:float? iyy:float? ixy:float? ixxPSF:float? iyyPSF:float? ixyPSF:float? shape_flag:boolean?
shape_flag_no_pixels:boolean? shape_flag_not_contained:boolean? shape_flag_parent_source:boolean? extendedness:float?
reliability:float? band:string? isDipole:boolean? dipoleFitAttempted:boolean? timeProcessedMjdTai:double timeWithdrawnMjdTai:double?
bboxSize:int? pixelFlags:boolean? pixelFlags_bad:boolean? pixelFlags_cr:boolean? pixelFlags_crCenter:boolean?
pixelFlags_edge:boolean? pixelFlags_nodata:boolean? pixelFlags_nodataCenter:boolean? pixelFlags_interpolated:boolean?
pixelFlags_interpolatedCenter:boolean? pixelFlags_offimage:boolean? pixelFlags_saturated:boolean? pixelFlags_saturatedCenter:boolean?
pixelFlags_suspect:boolean? pixelFlags_suspectCenter:boolean? pixelFlags_streak:boolean? pixelFlags_streakCenter:boolean?
pixelFlags_injected:boolean? pixelFlags_injectedCenter:boolean? pixelFlags_injected_template:boolean?
pixelFlags_injected_templateCenter:boolean? glint_trail:boolean?
"""
SOURCE_FIELDS = f"""
diaSourceId:long visit:long detector:int diaObjectId:long? ssObjectId:long? parentDiaSourceId:long? midpointMjdTai:double ra:double
raErr:float? dec:double decErr:float? ra_dec_Cov:float? x:float xErr:float? y:float yErr:float? {_FITS}
"""
FORCED_FIELDS = """
diaForcedSourceId:long diaObjectId:long ra:double dec:double visit:long detector:int psfFlux:float? psfFluxErr:float?
midpointMjdTai:double scienceFlux:float? scienceFluxErr:float? band:string? timeProcessedMjdTai:double timeWithdrawnMjdTai:double?
"""
_OF_BAND = (
    ("psfFluxMean:float psfFluxMeanErr:float psfFluxSigma:float psfFluxNdata:int fpFluxMean:float fpFluxMeanErr:float"),
    "scienceFluxMean:float scienceFluxMeanErr:float",
    "psfFluxMin:float psfFluxMax:float psfFluxMaxSlope:float psfFluxErrMean:float",
)
OBJECT_FIELDS = " ".join(
    (
        "diaObjectId:long validityStartMjdTai:double ra:double raErr:float? dec:double decErr:float? ra_dec_Cov:float?",
        *(f"{band}_{field}?" for fields in _OF_BAND for band in LSST.bands for field in fields.split()),
        "firstDiaSourceMjdTai:double? lastDiaSourceMjdTai:double? nDiaSources:int",
    )
)
SOLAR_FIELDS = "diaSourceId:long ssObjectId:long designation:string?"
CUTOUTS = ("cutoutDifference", "cutoutScience", "cutoutTemplate")


def packet_schema(version: str = "10.0") -> dict[str, Any]:
    """The Avro schema of a whole packet; ``version`` names its records, and from 11.1 on a source says how long was exposed."""
    space = f"lsst.v{version.replace('.', '_')}"
    more = " exposureTime:float? reliabilityVersion:string?" if version == "11.1" else ""
    fields = [
        *_fields("diaSourceId:long observation_reason:string? target_name:string?"),
        {"name": "diaSource", "type": _record("diaSource", SOURCE_FIELDS + more)},
        _nullable("prvDiaSources", {"type": "array", "items": f"{space}.diaSource"}),
        _nullable("prvDiaForcedSources", {"type": "array", "items": _record("diaForcedSource", FORCED_FIELDS)}),
        _nullable("diaObject", _record("diaObject", OBJECT_FIELDS)),
        _nullable("ssSource", _record("ssSource", SOLAR_FIELDS)),
        *(_nullable(name, "bytes") for name in CUTOUTS),
    ]
    doc = "alert packet of the needle_assets simulation, in the layout of Rubin's public alert schema"
    return {"type": "record", "namespace": space, "name": "alert", "doc": doc, "fields": fields}


def _record(name: str, fields: str) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(_fields(fields))}


def _fields(text: str) -> Iterator[dict[str, Any]]:
    for field in text.split():
        name, _, kind = field.partition(":")
        yield _nullable(name, kind[:-1]) if kind.endswith("?") else {"name": name, "type": kind}


def _nullable(name: str, kind: Any) -> dict[str, Any]:
    return {"name": name, "type": ["null", kind], "default": None}
