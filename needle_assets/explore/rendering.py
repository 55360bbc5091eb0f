"""Templates to pages: everything that came from outside is escaped, and no page may run or load what is not ours."""

import datetime as dt
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse

from needle_assets.surveys.clock import MJD_DAY_0
from needle_assets.surveys.known import is_object_id, is_simulated

HERE = Path(__file__).parent
# Hashes of an empty text and of the style of maps: Plotly makes an element of each, and fills the first by rules. It also sets attributes.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' "
    "'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='; "
    "style-src-attr 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; form-action 'self'; frame-src 'self'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def number(value: Any, digits: int = 2) -> str:
    """A number to some digits after the point; a dash for what is missing."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def date(mjd: float | None) -> str:
    """A modified Julian date as a day."""
    return "–" if mjd is None else f"{MJD_DAY_0 + dt.timedelta(days=mjd):%Y-%m-%d}"


def measured(value: float, name: str) -> str:
    """A number to as many digits as its column can mean: positions and days to a fraction of an arcsec and minute, others to five."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.5f}" if name.endswith("_deg") else f"{value:.3f}" if name.endswith("mjd") else f"{value:.5g}"


_ENVIRONMENT = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
_ENVIRONMENT.filters.update(number=number, date=date, measured=measured)
_ENVIRONMENT.tests.update(object_id=is_object_id, simulated=is_simulated)


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """One page."""
    shared = {
        "path": request.url.path,
        "judge": request.cookies.get("judge", ""),
        "home": request.app.state.home.path,
        "beside_dagster": request.app.state.beside_dagster,
    }
    text = _ENVIRONMENT.get_template(template).render({**shared, **values})
    return HTMLResponse(text, status, headers=HEADERS)


def message(request: Request, status: int, title: str, sentence: str) -> HTMLResponse:
    """A page that only says something."""
    return page(request, "message.html", status, title=title, sentence=sentence)


def offset_of(request: Request) -> int:
    """How many rows of a list the address passes over; 0 where it says nothing sensible."""
    text = request.query_params.get("offset", "0")
    return int(text) if text.isdigit() and len(text) < 9 else 0


def filled(values: Mapping[str, str]) -> dict[str, str]:
    """The values that say something."""
    return {name: value for name, value in values.items() if value}
