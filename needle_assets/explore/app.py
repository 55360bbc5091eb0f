"""The application: which address is which page, and what is said when something goes wrong."""

from importlib.util import find_spec
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from needle_assets.explore import judging, lists, objects, overview, query
from needle_assets.explore.rendering import HERE, message
from needle_assets.explore.verdicts import Book
from needle_assets.home import Home
from needle_assets.warehouse.connection import WarehouseError
from needle_assets.warehouse.pages.asking import Asker
from needle_assets.warehouse.pages.published import Published

FILES = {
    "explore.css": (HERE / "files" / "explore.css", "text/css"),
    "explore.js": (HERE / "files" / "explore.js", "text/javascript"),
    "plotly.js": (None, "text/javascript"),
}
FILE_HEADERS = {"cache-control": "private, max-age=3600", "x-content-type-options": "nosniff"}
# What these pages answer beside Dagster's own; the rest is Dagster's.
PLACES = (
    "/explore",
    "/explore-files",
    "/candidates",
    "/objects",
    "/gallery",
    "/sql",
    "/nights",
    "/report",
    "/verdicts",
    "/stamp-verdicts",
)


def make_app(home: Home, *, beside_dagster: bool = False) -> Starlette:
    """The pages of a home."""
    app = Starlette(
        routes=[
            *([] if beside_dagster else [Route("/", overview.overview)]),
            Route("/explore", overview.overview),
            Route("/candidates", lists.candidates),
            Route("/objects", lists.objects),
            Route("/objects/{object_id}", objects.show),
            Route("/objects/{object_id}/attention.png", objects.attention),
            Route("/objects/{object_id}/stamps/{candid:int}.fits", objects.fits),
            Route("/objects/{object_id}/stamps/{candid:int}/pair.png", objects.thumbnail),
            Route("/objects/{object_id}/stamps/{candid:int}/{name}.png", objects.picture),
            Route("/objects/{object_id}/field/{band}/{name}.png", objects.field_picture),
            Route("/objects/{object_id}/rows/{table}.{kind}", objects.rows),
            Route("/verdicts", judging.of_object, methods=["POST"]),
            Route("/stamp-verdicts", judging.of_stamp, methods=["POST"]),
            Route("/gallery", overview.gallery),
            Route("/sql", query.form, methods=["GET"]),
            Route("/sql", query.ask, methods=["POST"]),
            Route("/nights", overview.nights),
            Route("/report", overview.report),
            Route("/explore-files/{name}", _file),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=2000, compresslevel=4)],
        exception_handlers={WarehouseError: _no_warehouse, HTTPException: _refused, Exception: _failed},
    )
    app.state.home, app.state.published, app.state.book = home, Published(home.published), Book(home.landing)
    app.state.asker, app.state.beside_dagster = Asker(home.published), beside_dagster
    return app


class Beside:
    """
    Two applications at one address: the pages at PLACES, and whatever was there.

    Parameters
    ----------
    pages, others
        ASGI applications.
    """

    def __init__(self, pages: ASGIApp, others: ASGIApp) -> None:
        self.pages, self.others = pages, others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to whom it is for."""
        path = scope.get("path", "")
        is_page = scope["type"] == "http" and any(path == place or path.startswith(f"{place}/") for place in PLACES)
        await (self.pages if is_page else self.others)(scope, receive, send)


def _file(request: Request) -> Response:
    path, media = FILES.get(request.path_params["name"], (None, ""))
    if not media:
        return message(request, 404, "No such file", "the pages have no file of this name.")
    return FileResponse(path or _plotly(), media_type=media, headers=FILE_HEADERS)


def _plotly() -> Path:
    """Plotly's own file as its Python package brings it."""
    found = find_spec("plotly")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "package_data" / "plotly.min.js"


def _no_warehouse(request: Request, error: Exception) -> Response:
    return message(request, 503, "Nothing to show yet", str(error))


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return message(
        request,
        error.status_code,
        "No such page" if error.status_code == 404 else str(error.detail),
        "choose one of the pages above.",
    )


def _failed(request: Request, error: Exception) -> Response:
    return message(request, 500, "This page could not be made", f"{type(error).__name__}: {str(error)[:300]}")
