"""The published warehouse, kept open for many questions: opened once for each version, so that a page costs its queries alone."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import polars as pl

from needle_assets.warehouse.connection import Connection, WarehouseError, as_frame, opened_reader, table_of, version_of

T = TypeVar("T")
# Of ? in order, or of $name.
Values = Sequence[object] | Mapping[str, object]
# What must hold of a row, and the values of the $names in it.
Condition = tuple[str, Mapping[str, object]]


class Published:
    """
    The newest published file. Every question is asked of the version that is there when it is asked.

    Parameters
    ----------
    path : Path
        Where a refresh publishes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._version = ""
        self._connection: Connection | None = None
        self._kept: dict[str, Any] = {}

    @property
    def version(self) -> str:
        """Changes whenever something is published; empty while nothing is."""
        return version_of(self.path)

    def rows(self, query: str, values: Values = ()) -> list[dict[str, Any]]:
        """The answer, one dictionary a row. Raises WarehouseError while nothing is published, and where other code published it."""
        found = self._asked(query, values)
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def first(self, query: str, values: Values = ()) -> dict[str, Any]:
        """The first row; empty if there is none."""
        return next(iter(self.rows(query, values)), {})

    def some_rows(
        self, query: str, conditions: Sequence[Condition], *, order: str, limit: int, offset: int
    ) -> tuple[int, list[dict[str, Any]]]:
        """How many rows of ``query`` fulfil all conditions (0 beyond the last of them), and those from ``offset`` on."""
        where, values = all_of(conditions)
        listed = f"with listed as ({query}) select *, count(*) over () as n_found from listed {where} order by {order}"
        rows = self.rows(f"{listed} limit {int(limit)} offset {int(offset)}", values)
        return (rows[0]["n_found"] if rows else 0), rows

    def frame(self, query: str, values: Values = ()) -> pl.DataFrame:
        """The answer as a frame."""
        return as_frame(table_of(self._asked(query, values)))

    def kept(self, name: str, make: Callable[["Published"], T]) -> T:
        """What ``make`` says of this version of the warehouse, made once for each."""
        key = f"{self.version} {name}"
        if key not in self._kept:
            made = make(self)
            with self._lock:
                self._kept = {k: v for k, v in self._kept.items() if k.startswith(f"{self.version} ")} | {key: made}
        found: T = self._kept[key]
        return found

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection, self._version = None, ""

    def _asked(self, query: str, values: Values) -> Connection:
        try:
            return self._cursor().execute(query, values)
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise WarehouseError(
                f"{self.path} was published by another version of the code, which kept other tables; `needle refresh` publishes it anew."
            ) from error

    def _cursor(self) -> Connection:
        with self._lock:
            version = self.version
            if not version:
                raise WarehouseError(f"{self.path} does not exist yet; run `needle refresh --landing FOLDER` to make it.")
            if self._connection is None or version != self._version:
                # Cursors of the version before stay whole: what they read is closed when the last of them is done.
                self._connection, self._version = opened_reader(self.path, version), version
            cursor = self._connection.cursor()
        cursor.execute("use needle")
        return cursor


def all_of(conditions: Sequence[Condition]) -> tuple[str, dict[str, object]]:
    """A WHERE in which all conditions hold (nothing without any), and their values by name."""
    where = f"where {' and '.join(condition for condition, _ in conditions)}" if conditions else ""
    return where, {name: value for _, given in conditions for name, value in given.items()}
