"""Pieces of a page: notes, headings, pictures, tables. How they look stands in ``page.html``, which writes every text as text."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import jinja2
import polars as pl
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Note:
    """A sentence beside the numbers."""

    text: str
    kind: ClassVar[str] = "note"


@dataclass(frozen=True)
class Heading:
    """A title inside a section."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Picture:
    """A figure as PNG in base64, so that it lies inside the page."""

    png: str
    kind: ClassVar[str] = "picture"


@dataclass(frozen=True)
class Table:
    """Every cell as text; ``is_wide``: it may be moved sideways."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_wide: bool = False
    kind: ClassVar[str] = "table"


Piece = Note | Heading | Picture | Table


def picture(figure: Figure) -> Picture:
    """A figure, inside the page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return Picture(base64.b64encode(buffer.getvalue()).decode())


def table(rows: pl.DataFrame, *, is_wide: bool = False) -> Table:
    """Every row; a dash for what is null, floats to four digits."""
    return Table(rows.columns, [[_cell(value) for value in row] for row in rows.iter_rows()], is_wide)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 1e4 else f"{value:.4g}"
    return str(value)


def rendered(**given: object) -> str:
    """The page; texts in ``given`` are shown as they are, whatever markup they hold."""
    return _template().render(**given)


@cache
def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("needle_assets.report", "")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html")
