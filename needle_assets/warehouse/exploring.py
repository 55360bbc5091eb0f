"""Questions to the published warehouse. Reading only: no table can be changed and no other file reached."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from needle_assets.warehouse.connection import Connection, reading

MAX_CELL_CHARACTERS = 48


class QueryError(ValueError):
    """A query that cannot be answered; the message is the database's own."""


def ask(published: Path, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows. Raises QueryError for anything that is not a question the file can answer."""
    with _asked(published, query) as result:
        return [column[0] for column in result.description or []], result.fetchall()


def frame(published: Path, query: str) -> pl.DataFrame:
    """The answer as a polars frame. Raises QueryError like :func:`ask`."""
    with _asked(published, query) as result:
        answer = pl.from_arrow(result.to_arrow_table())
    assert isinstance(answer, pl.DataFrame)
    return answer


@contextmanager
def _asked(published: Path, query: str) -> Iterator[Connection]:
    """The result of a query, to be fetched while this is open; refusals of the database, then too, become a QueryError."""
    with reading(published) as connection:
        try:
            if not duckdb.extract_statements(query):
                raise QueryError("there is no query in it; ask something, such as: select count(*) from core.objects")
            yield connection.execute(query)
        except duckdb.Error as error:
            raise QueryError(_in_one_line(error)) from error


def _in_one_line(error: duckdb.Error) -> str:
    """The database's sentence without the drawing of where in the query it was."""
    return " ".join(str(error).split("\n\nLINE ")[0].split())


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Comma-separated values with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def as_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Aligned text; long cells are cut."""
    cells = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*lines, f"({len(rows)} row{'s' * (len(rows) != 1)})"])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= MAX_CELL_CHARACTERS else text[: MAX_CELL_CHARACTERS - 3] + "..."
