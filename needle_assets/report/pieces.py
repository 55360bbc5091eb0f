"""Pieces of a page: a note, a picture, a table, and how they look. No file, no question to the warehouse."""

import base64
import html
import io
from typing import Any

import polars as pl
from matplotlib.figure import Figure

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;font-size:13px;margin:.6em 0}td,th{padding:.15em .7em;border-bottom:1px solid #ddd;text-align:right}"
    "td:first-child,th:first-child{text-align:left}td{white-space:nowrap}td:last-child{white-space:normal}"
    "img{max-width:100%}.simulated{background:#fff3cd;padding:.7em 1em;font-weight:bold}"
    ".wide{overflow-x:auto}.note{color:#555}"
)


def note(text: str) -> str:
    """A sentence beside the numbers."""
    return f'<p class="note">{html.escape(text)}</p>'


def picture(figure: Figure) -> str:
    """A figure, inside the page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return f'<p><img alt="" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"></p>'


def table(rows: pl.DataFrame) -> str:
    """Every row; a dash for what is null, floats to four digits."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows.columns)
    body = "".join("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>" for row in rows.iter_rows())
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 1e4 else f"{value:.4g}"
    return html.escape(str(value))
