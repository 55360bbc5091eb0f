"""``needle sql``: one query, or a conversation."""

import sys
from collections.abc import Iterator
from pathlib import Path

from needle_assets.home import Home
from needle_assets.warehouse import exploring
from needle_assets.warehouse.connection import named
from needle_assets.warehouse.copies import past


def run_sql(published: Path, query: str, *, style: str = "table", snapshot: int | None = None) -> str:
    """The answer of the published warehouse, of a lake as of a snapshot, as a table, CSV or JSON."""
    columns, rows = exploring.ask(published, query, snapshot=snapshot)
    if style == "json":
        return exploring.as_json(columns, rows)
    if style == "csv":
        return exploring.as_csv(columns, rows)
    return exploring.as_table(columns, rows)


def run_sql_of_past(home: Home, as_of: str, query: str, *, style: str = "table") -> str:
    """The answer of the warehouse as of a day, a run or a training. Raises WarehouseError if nothing that old is kept."""
    path, snapshot = past.find(home.published, home.backups, as_of)
    return run_sql(path, query, style=style, snapshot=snapshot)


def interactive_sql(published: Path) -> None:
    """Ask for queries until the end of the input. Raises WarehouseError at once if there is nothing to ask."""
    exploring.require(published)
    sys.stdout.write(f"{named(published)} (read-only). End a query with ; and leave with Ctrl-D.\n")
    for query in _queries():
        try:
            sys.stdout.write(run_sql(published, query) + "\n")
        except exploring.QueryError as error:
            sys.stdout.write(f"{error}\n")


def _queries() -> Iterator[str]:
    text = ""
    while True:
        try:
            text += input("needle> " if not text.strip() else "   ...> ") + "\n"
        except EOFError:
            if text.strip():
                yield text
            return
        if text.rstrip().endswith(";"):
            yield text
            text = ""
