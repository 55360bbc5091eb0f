"""Candidates and objects in lists, with filters that stand in the address of the page."""

import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from astropy.coordinates import Angle
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from needle_assets.errors import NeedleError
from needle_assets.explore.rendering import filled, offset_of, page
from needle_assets.explore.verdicts import Book
from needle_assets.warehouse.pages import listing
from needle_assets.warehouse.pages.listing import PAGE_ROWS, Wanted

NAMES = ("label", "min_p", "max_age_days", "max_mag", "host", "verdict", "recent", "search", "cone", "order")
# The three lists of the paper's footnote 2.
READY = (
    ("SLSN candidates", {"label": "SLSN-I", "min_p": "0.5"}),
    ("TDE candidates", {"label": "TDE", "min_p": "0.5"}),
    ("scored in the last three months", {"recent": "yes"}),
    ("not judged yet", {"verdict": "none"}),
)
DEFAULT_RADIUS_ARCSEC = 10.0
LARGEST_RADIUS_DEG = 30.0


class FilterError(NeedleError):
    """A filter that cannot be read; the message is for whoever typed it."""


def wanted_from(values: Mapping[str, str], book: Book, *, only_candidates: bool) -> Wanted:
    """Filters as they stand in an address. Raises FilterError."""
    verdict = values.get("verdict", "")
    return Wanted(
        only_candidates=only_candidates,
        label=values.get("label", ""),
        min_p=_number(values, "min_p"),
        max_age_days=_number(values, "max_age_days"),
        max_mag=_number(values, "max_mag"),
        host=values.get("host", ""),
        recent=bool(values.get("recent")),
        search=values.get("search", "").strip(),
        cone=cone(values["cone"]) if values.get("cone", "").strip() else None,
        among=book.judged(verdict) if verdict not in ("", "none") else None,
        without=book.judged("any") if verdict == "none" else (),
        order=values.get("order") or ("rank" if only_candidates else "newest"),
    )


def cone(text: str) -> tuple[float, float, float]:
    """
    Right ascension, declination and radius in degrees from "RA DEC [RADIUS]": degrees or hours:minutes:seconds, the radius in arcsec.

    Raises FilterError if that is no position.
    """
    parts = [part for part in re.split(r"[\s,]+", text.strip()) if part]
    try:
        ra = Angle(parts[0], unit="hourangle" if ":" in parts[0] else "deg").deg
        dec = Angle(parts[1], unit="deg").deg
        radius = float(parts[2]) / 3600.0 if len(parts) > 2 else DEFAULT_RADIUS_ARCSEC / 3600.0
    except (ValueError, IndexError):
        ra = dec = radius = math.nan
    if len(parts) > 3 or not (0 <= ra <= 360 and -90 <= dec <= 90 and 0 < radius <= LARGEST_RADIUS_DEG):
        raise FilterError(
            f"{text[:80]!r} is no position; write RA and DEC in degrees or as 12:34:56 -1:23:45, then a radius in arcsec, "
            "such as 180.5 22.1 30."
        )
    return float(ra), float(dec), radius


def _number(values: Mapping[str, str], name: str) -> float | None:
    text = values.get(name, "").strip()
    try:
        number = float(text) if text else None
    except ValueError as error:
        raise FilterError(f"{name} is {text[:40]!r}, which is no number; leave it empty or give one.") from error
    return number if number is None or abs(number) < 1e9 else None


def candidates(request: Request) -> Response:
    """The ranked list."""
    return _list(request, only_candidates=True)


def objects(request: Request) -> Response:
    """All objects; a search that names exactly one leads to its page."""
    search = request.query_params.get("search", "").strip()
    found = listing.exact(request.app.state.published, search) if search else None
    return RedirectResponse(f"/objects/{found}", 303) if found else _list(request, only_candidates=False)


def _list(request: Request, *, only_candidates: bool) -> Response:
    values = filled({name: request.query_params.get(name, "")[:200] for name in NAMES})
    published, book = request.app.state.published, request.app.state.book
    offset = offset_of(request)
    problem, n_found = "", 0
    rows: list[dict[str, Any]] = []
    try:
        n_found, rows = listing.listed(published, wanted_from(values, book, only_candidates=only_candidates), offset=offset)
    except FilterError as error:
        problem = str(error)
    kind = "candidates" if only_candidates else "objects"
    return page(
        request,
        "list.html",
        kind=kind,
        rows=rows,
        n_found=n_found,
        offset=offset,
        page_rows=PAGE_ROWS,
        values=values,
        order=values.get("order") or ("rank" if only_candidates else "newest"),
        query=urlencode(values),
        within=urlencode({"list": kind, **values}),
        ready=[(name, urlencode(given), given == values) for name, given in READY] if only_candidates else [],
        said=book.of_objects(),
        problem=problem,
        version=published.version,
    )
