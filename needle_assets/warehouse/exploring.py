"""Questions to the published warehouse. Reading only: no table can be changed and no other file reached."""

import csv
import datetime as dt
import io
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from needle_assets.errors import NeedleError
from needle_assets.warehouse.connection import Connection, as_frame, reading, table_of
from needle_assets.warehouse.lake.place import lake_of

if TYPE_CHECKING:
    import polars as pl

MAX_CELL_CHARACTERS = 48
# Kinds of statements that change nothing.
READING = ("SELECT", "EXPLAIN")
# What DuckDB gives for infinite days and times.
_INFINITE = (dt.date.max, dt.date.min, dt.datetime.max, dt.datetime.min)


class QueryError(NeedleError):
    """A query that cannot be answered; the message is the database's own."""


def require(published: Path) -> None:
    """Raise WarehouseError if there is nothing to ask."""
    with reading(published):
        pass


def ask(published: Path, query: str, *, snapshot: int | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows, of a lake as of a snapshot. Raises QueryError for anything that is not a question the file can answer."""
    with _asked(published, query, snapshot=snapshot) as result:
        return [column[0] for column in result.description or []], result.fetchall()


def ask_few(published: Path, query: str, most: int, kinds: Collection[str]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Like :func:`ask`, for one statement of these kinds, such as SELECT, and at most so many rows."""
    with _asked(published, query, kinds, may_spill=False) as result:
        return [column[0] for column in result.description or []], result.fetchmany(most)


def frame(published: Path, query: str) -> "pl.DataFrame":
    """The answer as a polars frame. Raises QueryError like :func:`ask`."""
    with _asked(published, query) as result:
        return as_frame(table_of(result))


@contextmanager
def _asked(
    published: Path, query: str, kinds: Collection[str] | None = None, *, may_spill: bool = True, snapshot: int | None = None
) -> Iterator[Connection]:
    """The result of a query, to be fetched while this is open; refusals of the database, then too, become a QueryError."""
    with reading(published, may_spill=may_spill, snapshot=snapshot) as connection:
        try:
            statements = connection.extract_statements(query)  # one that imports is looked up in its folder while it is read
            if not statements:
                raise QueryError("there is no query in it; ask something, such as: select count(*) from core.objects")
            _require_reading(published, statements)
            if kinds is not None and (len(statements) > 1 or statements[0].type.name not in kinds):
                raise QueryError(
                    "one question is answered here, and nothing but reading is done; begin with select, from or with."
                )
            yield connection.execute(query)
        except duckdb.Error as error:
            raise QueryError(_in_one_line(error)) from error


def _require_reading(published: Path, statements: Sequence[Any]) -> None:
    """A published file can be read alone; among the files of a lake anybody who may read them could also write."""
    if lake_of(published) is None:
        return
    for statement in statements:
        kind, text = statement.type.name, statement.query.lower()
        if kind not in READING or (kind == "EXPLAIN" and re.search(r"\b(copy|export)\b", text)):
            raise QueryError("a lake is only read here; begin with select, from or with.")


def _in_one_line(error: duckdb.Error) -> str:
    """The database's sentence without the drawing of where in the query it was."""
    return " ".join(str(error).split("\n\nLINE ")[0].split())


def as_json(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A list of one object for each row, as :func:`plain` gives its values; a name that stands twice gets a number."""
    names = _each_once(columns)
    return json.dumps([dict(zip(names, map(plain, row), strict=True)) for row in rows], allow_nan=False)


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Comma-separated values with a header; nothing for what is null or no number, JSON for what has parts."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(value) for value in row] for row in rows)
    return text.getvalue().rstrip("\n")


def plain(value: Any) -> Any:
    """
    A value of the database as JSON knows it.

    NaN and everything infinite are null, days and times ISO 8601 text, intervals text, blobs hexadecimal digits; decimals are numbers where
    they can be without loss, else text; structs and maps are objects.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return float(value) if Decimal(repr(float(value))) == value else str(value)
    if isinstance(value, dt.date | dt.time):
        naive = value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value
        return None if naive in _INFINITE else value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {name if isinstance(name := plain(key), str) else json.dumps(name): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return str(value)


def _csv_cell(value: Any) -> Any:
    found = plain(value)
    if isinstance(found, bool):
        return str(found).lower()
    return json.dumps(found, allow_nan=False) if isinstance(found, dict | list) else found


def _each_once(columns: Sequence[str]) -> list[str]:
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


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
