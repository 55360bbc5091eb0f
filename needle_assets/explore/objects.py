"""One object: its page, its pictures, and what may be downloaded of it."""

import io
from typing import Any
from urllib.parse import urlencode

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from needle_assets.assets.stored_stamps import square
from needle_assets.explore import pictures, plots
from needle_assets.explore.lists import NAMES, FilterError, wanted_from
from needle_assets.explore.rendering import filled, message, page
from needle_assets.labels import LABELS
from needle_assets.landing.verdicts import OBJECT_VERDICTS, new_id
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.surveys.known import is_simulated
from needle_assets.warehouse import exploring
from needle_assets.warehouse.pages import listing
from needle_assets.warehouse.pages import objects as stored

PNG_HEADERS = {
    "cache-control": "private, max-age=86400",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'",
}
FILE_HEADERS = {"x-content-type-options": "nosniff", "content-security-policy": "default-src 'none'", "cache-control": "no-store"}


def show(request: Request) -> Response:
    """The page of an object."""
    published, object_id = request.app.state.published, request.path_params["object_id"]
    known = stored.known(published, object_id)
    if not known:
        return message(
            request,
            404,
            "No such object",
            f"{object_id[:80]!r} is in no table of this warehouse; search for another id, name or position.",
        )
    told = stored.told(published, object_id)
    before, after, within = _neighbours(request, object_id)
    book = request.app.state.book
    return page(
        request,
        "object.html",
        object_id=object_id,
        known=known,
        told=told,
        features=_features(told["features"], stored.spreads(published)),
        light_curve={"mag": plots.light_curve(told, in_flux=False), "flux": plots.light_curve(told, in_flux=True)}
        if told["detections"] or told["forced"]
        else None,
        scores=plots.scores(told["history"]) if told["history"] else None,
        best=max(told["history"], key=lambda row: row["as_of_mjd"]) if told["history"] else None,
        said=book.of_objects().get(object_id, []),
        said_of_stamps={(candid, image): row for (of, candid, image), row in book.of_stamps().items() if of == object_id},
        links=_links(object_id, told["catalogue"], known),
        tables=stored.TABLES,
        verdicts=OBJECT_VERDICTS,
        verdict_id=new_id(),
        before=before,
        after=after,
        within=within,
        version=published.version,
    )


def _neighbours(request: Request, object_id: str) -> tuple[str | None, str | None, str]:
    """Objects before and after this one in the list that somebody came from, and what leads back to it."""
    kind = request.query_params.get("list", "")
    if kind not in ("candidates", "objects"):
        return None, None, ""
    values = filled({name: request.query_params.get(name, "")[:200] for name in NAMES})
    # Who judges leaves the list of those that nobody judged; it is gone through as if they had stayed.
    unjudged = {name: value for name, value in values.items() if name != "verdict"}
    try:
        wanted = wanted_from(unjudged, request.app.state.book, only_candidates=kind == "candidates")
    except FilterError:
        return None, None, ""
    return *listing.neighbours(request.app.state.published, wanted, object_id), urlencode({"list": kind, **values})


def _links(object_id: str, catalogue: dict[str, Any], known: dict[str, Any]) -> list[tuple[str, str]]:
    """Public pages of the object; made-up objects have none."""
    if is_simulated(object_id):
        return []
    found = [
        ("ALeRCE", f"https://alerce.online/object/{object_id}"),
        ("Lasair", f"https://lasair-ztf.lsst.ac.uk/objects/{object_id}/"),
        ("Fink", f"https://ztf.fink-portal.org/{object_id}"),
    ]
    name = str(catalogue.get("iau_name") or "")
    if name[:2] in ("SN", "AT") and name[2:].isalnum():
        found.append(("TNS", f"https://www.wis-tns.org/object/{name[2:]}"))
    ra, dec = known.get("ra_deg"), known.get("dec_deg")
    if ra is not None and dec is not None:
        found.append(
            ("Legacy Survey", f"https://www.legacysurvey.org/viewer?ra={ra:.6f}&dec={dec:.6f}&zoom=15&mark={ra:.6f},{dec:.6f}")
        )
    return found


def _features(values: dict[str, Any], spreads: dict[tuple[str, str], tuple[float, ...]]) -> list[dict[str, Any]]:
    """Each feature with its place among the classes, as fractions of the width that is shown."""
    rows = []
    for name in HOSTED_FEATURES if values else ():
        classes = {label: spreads[name, label] for label in LABELS if (name, label) in spreads}
        value = values.get(name)
        ends = [number for spread in classes.values() for number in (spread[0], spread[-1])] or (
            [value] if value is not None else [0.0]
        )
        low, high = min(ends), max(ends)
        span = (high - low) or 1.0
        low, high = low - 0.06 * span, high + 0.06 * span
        place = {label: [_within((q - low) / (high - low)) for q in spread] for label, spread in classes.items()}
        rows.append(
            {
                "name": name,
                "value": value,
                "classes": place,
                "at": None if value is None else _within((value - low) / (high - low)),
            }
        )
    return rows


def _within(fraction: float) -> float:
    return round(200 * min(max(fraction, 0.0), 1.0), 1)


# -- pictures --------------------------------------------------------------------------------------------------------


def picture(request: Request) -> Response:
    """One image of a packet."""
    name = request.path_params["name"]
    found = (
        stored.picture(request.app.state.published, request.path_params["object_id"], request.path_params["candid"], name)
        if name in stored.PICTURES
        else {}
    )
    return _drawn(found, name)


def field_picture(request: Request) -> Response:
    """One image of the field from elsewhere."""
    band, name = request.path_params["band"], request.path_params["name"]
    found = (
        stored.field_picture(request.app.state.published, request.path_params["object_id"], band, name)
        if name in stored.FIELD_PICTURES
        else {}
    )
    return _drawn(found, name)


def _drawn(found: dict[str, Any], name: str) -> Response:
    if not found:
        return Response("there is no such picture.\n", 404, media_type="text/plain", headers=FILE_HEADERS)
    if name == "mask" or name.startswith("written_"):
        data = pictures.mask_png(square(found["pixels"], bool), is_written=name != "mask")
    else:
        data = pictures.stamp_png(
            _array(found["pixels"]),
            (found.get("target_x_px"), found.get("target_y_px")),
            (found.get("host_x_px"), found.get("host_y_px")),
        )
    return Response(data, media_type="image/png", headers=PNG_HEADERS)


def thumbnail(request: Request) -> Response:
    """The pair of a packet side by side, as small as it is stored."""
    found = stored.stamp(request.app.state.published, request.path_params["object_id"], request.path_params["candid"])
    data = pictures.pair_png(_array(found.get("science")), _array(found.get("reference")))
    return Response(data, media_type="image/png", headers=PNG_HEADERS)


def attention(request: Request) -> Response:
    """Where the first model that knows the object's kind looks for the class it prefers, over the science stamp."""
    from needle_assets.explore.attention import attention_of_object  # torch

    found = attention_of_object(request.app.state.published, request.path_params["object_id"])
    if found is None:
        return Response("no network has looked at stamps of this object.\n", 404, media_type="text/plain", headers=FILE_HEADERS)
    return Response(pictures.attention_png(*found), media_type="image/png", headers=PNG_HEADERS)


def _array(pixels: Any) -> np.ndarray | None:
    return (
        None
        if pixels is None
        else np.array([np.nan if value is None else value for value in pixels] if None in pixels else pixels, dtype=float)
    )


# -- downloads -------------------------------------------------------------------------------------------------------


def rows(request: Request) -> Response:
    """An object's rows of one table, as CSV or Parquet."""
    object_id, table, kind = (request.path_params[name] for name in ("object_id", "table", "kind"))
    if kind not in ("csv", "parquet") or table not in stored.TABLES:
        return message(request, 404, "No such download", f"choose csv or parquet of {', '.join(stored.TABLES)}.")
    frame = stored.rows_of(request.app.state.published, object_id, table)
    if kind == "csv":
        data, media = (exploring.as_csv(frame.columns, frame.rows()) + "\n").encode(), "text/csv; charset=utf-8"
    else:
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        data, media = buffer.getvalue(), "application/vnd.apache.parquet"
    return Response(data, media_type=media, headers=FILE_HEADERS | _attached(f"{object_id}_{table}.{kind}"))


def fits(request: Request) -> Response:
    """Both images of a packet as FITS."""
    from astropy.io import fits as files  # needed for this alone

    object_id, candid = request.path_params["object_id"], request.path_params["candid"]
    found = stored.stamp(request.app.state.published, object_id, candid)
    if not found:
        return message(request, 404, "No such stamps", f"{object_id[:80]} has no stamps of packet {candid}.")
    units = files.HDUList([files.PrimaryHDU()])
    units[0].header.update(OBJECT=object_id, CANDID=str(candid), FILTER=found["band"], **{"MJD-OBS": found["mjd"]})
    for name in ("science", "reference"):
        pixels = _array(found[name])
        if pixels is not None:
            units.append(files.ImageHDU(square(pixels), name=name.upper()))
    buffer = io.BytesIO()
    units.writeto(buffer)
    return Response(
        buffer.getvalue(), media_type="application/fits", headers=FILE_HEADERS | _attached(f"{object_id}_{candid}.fits")
    )


def _attached(name: str) -> dict[str, str]:
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    return {"content-disposition": f'attachment; filename="{safe}"'}
