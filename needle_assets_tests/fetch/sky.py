"""A few objects, and what each live service says of them: documented shapes, known content."""

import gzip
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from astropy.io import fits as files

from needle_assets.samples.hosts import PS1_ZONE_HEIGHT_DEG
from needle_assets_tests.fetch.loopback import Request, Response, says
from needle_assets_tests.landing.test_dust import dust_map
from needle_assets_tests.packets import cutout, fits, packet

NOW_MJD = 60410.0
NOW = (NOW_MJD - 40587.0) * 86400
TOKEN = "0123456789abcdef0123456789abcdef01234567"

ACTIVE, OLD, UNKNOWN, HOSTLESS = "ZTF24aaaaaaa", "ZTF18bbbbbbb", "ZTF24ccccccc", "ZTF24ddddddd"
ELSEWHERE = "ZTF24eeeeeee"  # has packets in the archive, but is in no catalogue
BTS_HEADER = "ZTFID,IAUID,RA,Dec,peakt,peakfilt,peakmag,peakabs,duration,rise,fade,type,redshift,b,A_V"
IMAGE = np.arange(63 * 63, dtype=np.float32).reshape(63, 63)


@dataclass(frozen=True)
class Seen:
    """One exposure of an object."""

    object_id: str
    candid: int
    mjd: float
    fid: int
    mag: float
    is_positive: bool = True
    has_stamp: bool = True

    @property
    def jd(self) -> float:
        return self.mjd + 2400000.5


def _seen(object_id: str, number: int, first_mjd: float) -> list[Seen]:
    base = 2_000_000_000_000_000_000 + number * 1_000_000
    return [
        Seen(object_id, base + 1, first_mjd, 2, 19.5),
        Seen(object_id, base + 2, first_mjd + 0.02, 1, 19.25),
        Seen(object_id, base + 3, first_mjd + 3.0, 2, 18.5),
        Seen(object_id, base + 4, first_mjd + 6.0, 2, 20.0, is_positive=False),
        Seen(object_id, base + 5, first_mjd + 9.0, 1, 18.75, has_stamp=False),
        Seen(object_id, base + 6, first_mjd + 9.1, 3, 18.0),
    ]


DETECTIONS = {
    ACTIVE: _seen(ACTIVE, 1, 60390.25),
    OLD: _seen(OLD, 2, 58300.5),
    HOSTLESS: _seen(HOSTLESS, 4, 60380.5),
}
PLACES = {ACTIVE: (150.25, 2.5), OLD: (210.5, 54.25), UNKNOWN: (10.0, 10.0), HOSTLESS: (30.0, -5.0), ELSEWHERE: (99.0, 1.0)}
HOSTS = {ACTIVE: (150.2505, 2.5003), OLD: (210.5004, 54.2501)}


def bts_csv(ids: tuple[str, ...] = (ACTIVE, OLD, UNKNOWN, HOSTLESS)) -> bytes:
    peaks = {ACTIVE: 60395.0, OLD: 58310.0, UNKNOWN: 60400.0, HOSTLESS: 60390.0}
    rows = [
        f"{object_id},SN2024abc,{PLACES[object_id][0]},{PLACES[object_id][1]},"
        f"{peaks.get(object_id, 60300.0) + 2400000.5 - 2458000.0:.2f},r,"
        f"18.5,-19.0,>20.1,10.0,12.0,SN Ia,0.05,30.1,0.12"
        for object_id in ids
    ]
    return "\n".join([BTS_HEADER, *rows, ""]).encode()


def ps1_id(ra_deg: float, dec_deg: float) -> int:
    """A Pan-STARRS object id that spells out a position."""
    height = (dec_deg + 90.0) / PS1_ZONE_HEIGHT_DEG
    return int(height) * 10**13 + round(ra_deg * 1e6) * 10**4 + int((height % 1) * 1e4)


@cache
def packet_of(seen: Seen) -> bytes:
    """The survey's own packet of an exposure; its nearest Pan-STARRS source is a galaxy."""
    ra, dec = PLACES[seen.object_id]
    galaxy = {"objectidps1": ps1_id(ra + 0.0003, dec), "distpsnr1": 1.1, "sgscore1": 0.05, "srmag1": 18.0, "sgmag1": 18.6}
    return packet(
        object_id=seen.object_id,
        candid=seen.candid,
        jd=seen.jd,
        fid=seen.fid,
        magpsf=seen.mag,
        isdiffpos="t" if seen.is_positive else "f",
        ra=ra,
        dec=dec,
        **galaxy,
    )


def bts(_request: Request) -> Response:
    return Response(bts_csv(), headers={"Content-Type": "text/csv"})


def tns_zip(*lines: str) -> bytes:
    """The Transient Name Server's list as it is published."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        told = zipfile.ZipInfo("tns_public_objects.csv", (2026, 11, 29, 0, 0, 0))
        archive.writestr(told, "\n".join(['"2026-11-29 00:00:00"', TNS_HEADER, *lines, ""]))
    return content.getvalue()


TNS_HEADER = '"objid","name_prefix","name","ra","declination","redshift","type","internal_names"'
TNS_LINES = (f'"1","SN","2024abc","150.25","2.5","0.1","SN Ia","{ACTIVE}"', '"2","AT","2024abd","10","10","","",""')


def tns(request: Request) -> Response:
    assert json.loads(request.headers["User-Agent"].removeprefix("tns_marker")) == {
        "tns_id": 77,
        "type": "bot",
        "name": "needle_bot",
    }
    if request.form() != {"api_key": TOKEN} or "Authorization" in request.headers:
        return says({"id_code": 401, "id_message": "Unauthorized"}, status=401)
    assert (request.method, request.path) == ("POST", "/tns_public_objects.csv.zip")
    return Response(tns_zip(*TNS_LINES))


def alerce(request: Request) -> Response:
    """ALeRCE's ZTF API; it gives two objects a page whatever is asked for."""
    if request.path == "/objects":
        ids = [object_id for object_id in request.query["oid"] if object_id in DETECTIONS]
        page = int(request.query["page"][0])
        some = ids[2 * page - 2 : 2 * page]
        items = [{"oid": i, "ndet": len(DETECTIONS[i]), "lastmjd": DETECTIONS[i][-1].mjd, "stellar": False} for i in some]
        more = len(ids) > 2 * page
        return says({"total": None, "page": page, "next": page + 1, "has_next": more, "items": items})
    found = re.fullmatch(r"/objects/(\w+)/detections", request.path)
    if found is None or found[1] not in DETECTIONS:
        return says({"errors": {}, "detail": "Not found"}, status=404)
    return says([_alerce_row(seen) for seen in DETECTIONS[found[1]]])


def _alerce_row(seen: Seen) -> dict[str, Any]:
    return {
        "tid": "ZTF", "mjd": seen.mjd, "candid": str(seen.candid), "fid": seen.fid, "isdiffpos": 1 if seen.is_positive else -1,
        "magpsf": seen.mag, "sigmapsf": 0.08, "magpsf_corr": None, "rb": 0.9, "has_stamp": seen.has_stamp, "parent_candid": None,
    }  # fmt: skip


def alerce_packets(request: Request) -> Response:
    wanted = (request.query["oid"][0], int(request.query["candid"][0]))
    for seen in DETECTIONS.get(wanted[0], ()):
        if seen.candid == wanted[1] and seen.has_stamp:
            return Response(packet_of(seen), headers={"Content-Type": "app/avro+binary"})
    return says({"message": "AVRO not found"}, status=404)


def lasair(request: Request, images: str) -> Response:
    """Lasair's API; unknown objects are null, limits have no candid but a magnitude."""
    if request.headers.get("Authorization") != f"Token {TOKEN}":
        return says({"detail": "Invalid token."}, status=401)
    form = request.form()
    if request.path == "/query/":
        start, stop = int(form["offset"]), int(form["offset"]) + int(form["limit"])
        return says([{"objectId": object_id} for object_id in (HOSTLESS, ELSEWHERE)][start:stop])
    return says([_lasair_object(object_id, images) for object_id in form["objectIds"].split(",")])


def _lasair_object(object_id: str, images: str) -> dict[str, Any] | None:
    if object_id not in DETECTIONS:
        return None
    ra, dec = PLACES[object_id]
    candidates = [
        {
            "candid": seen.candid, "jd": seen.jd, "ra": ra, "dec": dec, "fid": seen.fid, "nid": 2650, "magpsf": seen.mag,
            "sigmapsf": 0.08, "magzpsci": 26.3, "isdiffpos": "t" if seen.is_positive else "f", "ssdistnr": -999.0, "drb": None,
            "image_urls": {k: f"{images}/fits/a1/{seen.candid}_cutout{k}.fits" for k in ("Science", "Template", "Difference")},
        }
        for seen in reversed(DETECTIONS[object_id])
    ]  # fmt: skip
    candidates.append({"jd": 2460380.5, "fid": 1, "diffmaglim": 20.4, "magpsf": 20.4})
    sherlock: dict[str, Any] = {}
    if object_id in HOSTS:
        host_ra, host_dec = HOSTS[object_id]
        sherlock = {"classification": "SN", "catalogue_table_name": "SDSS", "raDeg": host_ra, "decDeg": host_dec}
        sherlock["separationArcsec"] = 2.1
    return {"objectId": object_id, "objectData": {"ncand": 6}, "candidates": candidates, "sherlock": sherlock, "TNS": {}}


def lasair_images(request: Request) -> Response:
    found = re.fullmatch(r"/fits/a1/(\d+)_cutout(Science|Template|Difference)\.fits", request.path)
    return Response(cutout(IMAGE)) if found else Response(status=404)


def fink(request: Request) -> Response:
    body = request.json()
    if request.path == "/objects":
        wanted = [seen for object_id in body["objectId"].split(",") for seen in reversed(DETECTIONS.get(object_id, ()))]
        return says([_fink_row(seen) for seen in wanted])
    known = {str(seen.candid) for seen in DETECTIONS[body["objectId"]]}
    if body["candid"] not in known:
        return Response(b"<h1>Internal Server Error</h1>", status=500)
    return Response(fits(IMAGE) if body["kind"] == "Science" else cutout(IMAGE))


def _fink_row(seen: Seen) -> dict[str, Any]:
    ra, dec = PLACES[seen.object_id]
    zogy = {"i:jd": seen.jd, "i:fid": seen.fid, "i:magpsf": seen.mag, "i:sigmapsf": 0.08, "i:ra": ra, "i:dec": dec, "i:rb": 0.9}
    names = {"i:objectId": seen.object_id, "i:candid": seen.candid, "i:isdiffpos": "t" if seen.is_positive else "f"}
    return {"d:cdsxmatch": "Unknown", "v:lastdate": "2024-04-01", "i:xpos": 1000.25, "i:ypos": 2000.0, **names, **zogy}


RUBIN, OTHER_RUBIN = "313888639341330438", "313888639341330439"  # the second is known to nobody
RUBIN_SOURCES = [
    {
        "diaSourceId": 170000000000000001 + number,
        "midpointMjdTai": 61100.25 + number,
        "band": band,
        "psfFlux": flux,
        "psfFluxErr": 100.0,
    }
    for number, (band, flux) in enumerate([("i", 2000.0), ("z", 2500.0), ("i", -900.0), ("g", None)])
]


def fink_lsst(request: Request) -> Response:
    """Fink's API of Rubin's sources; a row of each source, none for an unknown object."""
    asked = request.json()["diaObjectId"]
    rows = [{"diaObjectId": int(RUBIN), "isNegative": False, **source} for source in RUBIN_SOURCES if asked == RUBIN]
    return says([{f"r:{name}": value for name, value in row.items()} | {"f:clf_cats_class": 11} for row in rows])


def lasair_lsst(request: Request) -> Response:
    """Lasair's API of Rubin's objects; 404 for an unknown one."""
    if request.headers.get("Authorization") != f"Token {TOKEN}":
        return says({"detail": "Invalid token."}, status=401)
    if request.form()["objectId"] != RUBIN:
        return says({"error": "no such object"}, status=404)
    return says({"diaObjectId": int(RUBIN), "diaSourcesList": RUBIN_SOURCES, "diaForcedSourcesList": []})


LEGACY_HEADER = "ls_id,ra,dec,type,mag_g,mag_r,mag_i,mag_z,z_phot_median,z_phot_std,z_spec"


def legacy_row(
    ls_id: int, ra: float, dec: float, kind: str = "EXP", mags: str = "20.4,19.8,Infinity,19.3", more: str = "0.21,0.03,"
) -> str:
    return f"{ls_id},{ra!r},{dec!r},{kind},{mags},{more}"


def legacy(request: Request) -> Response:
    """NOIRLab's TAP: a galaxy 2 arcsec off, a faint one, and a star nearer than both; nothing at all south of -60 degrees."""
    found = re.search(r"RADIAL_QUERY\(t\.ra, t\.dec, ([-0-9.]+), ([-0-9.]+), ([-0-9.]+)\)", request.query["QUERY"][0])
    assert found is not None
    ra, dec = float(found[1]), float(found[2])
    galaxy = legacy_row(8796093022208001, ra, dec + 2 / 3600)
    faint = legacy_row(8796093022208002, ra, dec + 20 / 3600, mags="24.9,24.5,,", more="-99,-99,-99")
    star = legacy_row(8796093022208003, ra, dec + 0.5 / 3600, kind="PSF", mags="15,15,15,15")
    rows = [] if dec < -60 else [star, faint] if dec < -50 else [faint, star, galaxy]
    return Response("\n".join([LEGACY_HEADER, *rows, ""]).encode(), headers={"Content-Type": "text/csv"})


def field_images(request: Request) -> Response:
    """The viewer of the Legacy Surveys: pixels without an image, as there are none north of -30 degrees here, are 0."""
    place = tuple(float(request.query[name][0]) for name in ("ra", "dec"))
    size, scale = int(request.query["size"][0]), float(request.query["pixscale"][0])
    return Response(field_fits(*place, size, scale, is_empty=place[1] > -30))


def field_images_ps1(request: Request) -> Response:
    """Names of Pan-STARRS's stacks, none at right ascensions below 10 degrees, and cutouts of them."""
    ra, dec = (float(request.query[name][0]) for name in ("ra", "dec"))
    if request.path == "/fitscut.cgi":
        return Response(field_fits(ra, dec, int(request.query["size"][0]), 0.25))
    band = request.query["filters"][0]
    row = f"1000 1 {ra} {dec} {band} 0 stack /rings.v3/skycell.1000.001.{band}.unconv.fits 1000.001.{band}.fits 0\n"
    header = "projcell subcell ra dec filter mjd type filename shortname badflag\n"
    return Response((header + (row if ra >= 10 else "")).encode())


def field_fits(ra: float, dec: float, size: int, scale_arcsec: float, *, is_empty: bool = False, **more: object) -> bytes:
    """An image with north up and a source 5 arcsec east and 3 arcsec north of the middle."""
    step, middle = scale_arcsec / 3600, (size + 1) / 2
    columns, rows = np.arange(size) - middle + 1, (np.arange(size) - middle + 1)[:, np.newaxis]
    away = (columns + 5.0 / scale_arcsec) ** 2 + (rows - 3.0 / scale_arcsec) ** 2
    noise = np.random.default_rng(3).normal(0.0, 0.01, (size, size))
    image = np.zeros((size, size)) if is_empty else noise + np.exp(-0.5 * away / (0.6 / scale_arcsec) ** 2)
    unit = files.PrimaryHDU(image.astype(np.float32))
    unit.header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=ra, CRVAL2=dec, CRPIX1=middle, CRPIX2=middle)
    unit.header.update(CD1_1=-step, CD1_2=0.0, CD2_1=0.0, CD2_2=step, BUNIT="nanomaggy", **more)
    out = io.BytesIO()
    unit.writeto(out)
    return out.getvalue()


def mast(request: Request) -> Response:
    """MAST's stack catalogue: three sources around any host, the nearest twice and in the middle, one page of two at a time."""
    ra, dec = float(request.query["ra"][0]), float(request.query["dec"][0])
    names = request.query["columns"][0].strip("[]").split(",")
    page, size = int(request.query["page"][0]), int(request.query["pagesize"][0])
    rows = [] if request.query["ra"][0].startswith("99") else [_ps1_row(names, **source) for source in ps1_sources(ra, dec)]
    some = rows[(page - 1) * size : page * size]
    return says({"info": [{"name": name, "type": "float"} for name in names], "data": some, "paging": {"page": page}})


def ps1_sources(ra: float, dec: float) -> list[dict[str, Any]]:
    return [
        {"raStack": ra + 0.0009, "decStack": dec, "gApMag": 14.0, "rApMag": 14.0, "iApMag": 14.0, "zApMag": 14.0, "yApMag": 14.0},
        {"raStack": ra, "decStack": dec + 0.00002, "gApMag": 19.4, "rApMag": 18.8, "iApMag": 18.5, "zApMag": -999.0},
        {
            "raStack": ra,
            "decStack": dec + 0.00012,
            "gApMag": 19.9,
            "rApMag": 18.9,
            "iApMag": 18.6,
            "zApMag": 18.3,
            "yApMag": 18.1,
        },
        {"raStack": -999.0, "decStack": -999.0, "gApMag": 12.0},
    ]


def _ps1_row(names: list[str], **values: float) -> list[Any]:
    return [values.get(name, 123456789 if name == "objID" else -999.0) for name in names]


NIGHTS = ("20240319", "20240320", "20240322")


def night_tar(night: str) -> bytes:
    """A night of the archive: every known object's packets, one of nobody, and a directory."""
    out = io.BytesIO()
    number = NIGHTS.index(night)
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        folder = tarfile.TarInfo("alerts")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for object_id in (*DETECTIONS, ELSEWHERE):
            for seen in DETECTIONS.get(object_id) or _seen(ELSEWHERE, 5, 60385.0):
                if seen.candid % 3 == number:
                    _add(tar, f"{seen.candid}.avro", packet_of(seen))
        _add(tar, "README", b"not a packet")
    return out.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


_TARS = {night: night_tar(night) for night in NIGHTS}


def archive(request: Request) -> Response:
    """The archive's index and its nights; a part of a night can be asked for."""
    if request.path == "/":
        links = "".join(f'<a href="ztf_public_{n}.tar.gz">ztf_public_{n}.tar.gz</a> 2024-03-23 12:00 1.2G\n' for n in NIGHTS)
        return Response(f"<html><h1>Index of /alerts/public</h1><pre>{links}</pre></html>".encode())
    found = re.fullmatch(r"/ztf_public_(\d{8})\.tar\.gz", request.path)
    if found is None or found[1] not in _TARS:
        return Response(status=404)
    return _ranged(request, _TARS[found[1]], f'"{found[1]}"')


DUST_MAPS = {f"SFD_dust_4096_{pole}gp.fits": dust_map(sign) for pole, sign in (("n", 1), ("s", -1))}


def dust(request: Request) -> Response:
    name = request.path.removeprefix("/")
    return _ranged(request, DUST_MAPS[name], f'"{name}"') if name in DUST_MAPS else Response(b"", status=404)


def _ranged(request: Request, content: bytes, tag: str) -> Response:
    asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    if asked is None or request.headers.get("If-Range", tag) != tag:
        return Response(content, headers={"ETag": tag})
    start = int(asked[1])
    place = {"ETag": tag, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
    return Response(content[start:], status=206, headers=place)


def unpacked(content: bytes) -> bytes:
    return gzip.decompress(content)


def gap(values: Mapping[str, float], other: Mapping[str, float]) -> float:
    return max(abs(values[name] - other[name]) for name in values)
