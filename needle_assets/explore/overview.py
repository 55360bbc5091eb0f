"""What there is: counts, the last night, models, the newest candidates, refusals; nights and the report; and the gallery."""

import datetime as dt
from pathlib import Path
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from needle_assets.explore.rendering import HEADERS, filled, message, offset_of, page
from needle_assets.warehouse.pages import overview as stored

REPORT = ("report", "needle_report.html")
# The report is made by us, holds its own style and pictures, and runs nothing.
REPORT_HEADERS = HEADERS | {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    )
}
GALLERY_ROWS = 120


def overview(request: Request) -> Response:
    """The first page."""
    published = request.app.state.published
    counts = published.kept("overview", stored.counts)
    book = request.app.state.book
    judged = len(book.judged("any"))
    return page(
        request,
        "overview.html",
        **counts,
        n_judged=judged,
        said=book.of_objects(),
        version=published.version,
        published_at=_written(published.path),
    )


def nights(request: Request) -> Response:
    """Summaries of nights, and the report if there is one."""
    path = request.app.state.home.path.joinpath(*REPORT)
    written = _written(path) if path.is_file() else None
    return page(request, "nights.html", nights=stored.nights(request.app.state.published), report_written=written)


def report(request: Request) -> Response:
    """The report's page as it was written last."""
    path = request.app.state.home.path.joinpath(*REPORT)
    if not path.is_file():
        return message(request, 404, "No report yet", "run `needle report` to write it, then load this page again.")
    return FileResponse(path, media_type="text/html", headers=REPORT_HEADERS)


def gallery(request: Request) -> Response:
    """Stamps by class, by reason of refusal and by repair."""
    published = request.app.state.published
    values = filled({name: request.query_params.get(name, "")[:100] for name in ("label", "reason", "repair", "image")})
    offset = offset_of(request)
    n_found, rows = stored.gallery(published, values, offset=offset, limit=GALLERY_ROWS)
    return page(
        request,
        "gallery.html",
        rows=rows,
        n_found=n_found,
        offset=offset,
        page_rows=GALLERY_ROWS,
        values=values,
        query=urlencode(values),
        reasons=published.kept("reasons", stored.reasons),
        labels=published.kept("labels", stored.labels),
        said_of_stamps=request.app.state.book.of_stamps(),
        version=published.version,
    )


def _written(path: Path) -> str:
    try:
        seconds = path.stat().st_mtime
    except OSError:
        return ""
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M} UTC"
