"""Applies ``warehouse/tables`` and ``warehouse/views`` to a database, migrates it when they change, and writes the data dictionary."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from needle_assets.warehouse.connection import transaction

SCHEMAS = ("raw", "core", "results", "lineage")


@dataclass(frozen=True)
class Table:
    """A table as its SQL file describes it: ``name`` is schema.name, ``create`` the statement, ``comments`` the rest."""

    name: str
    create: str
    comments: str

    @property
    def statement(self) -> str:
        """
        What makes the table. Its key is told apart by whoever stores rows, not by an index of DuckDB's.

        DuckDB 1.5.5 loses entries of a key's index when it reads back from its log a transaction that replaced 2,048 rows or more
        by rows of the same keys (its pull request 24744 mends that); the next change to such a table ends the process.
        """
        grouped = re.sub(
            r"primary key\s*\(([^)]*)\)",
            lambda key: "check (" + " and ".join(f"{name.strip()} is not null" for name in key[1].split(",")) + ")",
            self.create,
            flags=re.IGNORECASE,
        )
        return re.sub(r"\bprimary key\b", "not null", grouped, flags=re.IGNORECASE)

    @property
    def digest(self) -> str:
        """Changes whenever the columns, checks or key change, and then everything in the table is stale; comments do not count."""
        return _digest(" ".join(self.create.split()))

    @property
    def form(self) -> str:
        """Changes whenever the table has to be made anew, its rows kept where they can be."""
        return _digest(" ".join(self.statement.split()))


def sql_folder() -> Path:
    """The folder with tables, views and queries: inside an installed package, or the repository's ``warehouse/``."""
    packaged = Path(__file__).parent / "sql"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "warehouse"


def read_tables() -> dict[str, Table]:
    """Every table file, by name."""
    return {path.stem: _read_table(path) for path in sorted((sql_folder() / "tables").glob("*.sql"))}


def _read_table(path: Path) -> Table:
    create, _, comments = path.read_text(encoding="utf-8").partition(";")
    return Table(path.stem, create.strip(), comments.strip())


def apply(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """
    Bring the database to the described schema; returns the tables whose rows had to be dropped.

    A table whose description changed is made anew and keeps the columns that old and new share; where the kept rows break a new
    check, it starts empty and whatever filled it computes it again.
    """
    tables = read_tables()
    with transaction(connection):
        for schema in SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
    known = _known_forms(connection)
    emptied = [table.name for table in tables.values() if known.get(table.name) != table.form and _migrate(connection, table)]
    views = _views()
    stamp = _digest_of_all(tables, views)
    if known.get("all") != stamp:
        _finish(connection, tables, views, stamp)
        connection.execute("checkpoint")  # DuckDB cannot read back every change of a schema in whatever way the file is opened
    return emptied


def _digest_of_all(tables: dict[str, Table], views: list[str]) -> str:
    return _digest("".join(t.statement + t.comments for t in tables.values()) + "".join(views))


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _views() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted((sql_folder() / "views").glob("*.sql"))]


def _known_forms(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    found = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'lineage' and table_name = 'state'"
    ).fetchone()
    if not found or not found[0]:
        return {}
    rows = connection.execute("select name, value from lineage.state where starts_with(name, 'schema:')").fetchall()
    return {name.removeprefix("schema:"): value for name, value in rows}


def _migrate(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Make one table as described; True if rows it held could not be kept."""
    old = columns_of(connection, table.name)
    if not old:
        connection.execute(table.statement)
        return False
    for view in connection.execute("select schema_name, view_name from duckdb_views() where not internal").fetchall():
        connection.execute(f"drop view if exists {view[0]}.{view[1]}")
    try:
        return _rebuild(connection, table, old, keep_rows=True)
    except duckdb.Error:
        return _rebuild(connection, table, old, keep_rows=False)


def _rebuild(connection: duckdb.DuckDBPyConnection, table: Table, old: list[str], *, keep_rows: bool) -> bool:
    kept = table.name + "_kept"
    with transaction(connection):
        connection.execute(f"alter table {table.name} rename to {kept.partition('.')[2]}")
        connection.execute(table.statement)
        if keep_rows:
            shared = ", ".join(name for name in columns_of(connection, table.name) if name in old)
            connection.execute(f"insert into {table.name} by name select {shared} from {kept}")
        connection.execute(f"drop table {kept}")
    connection.execute("checkpoint")  # the next table takes the place that this one had
    return not keep_rows


def _finish(connection: duckdb.DuckDBPyConnection, tables: dict[str, Table], views: list[str], stamp: str) -> None:
    with transaction(connection):
        for table in tables.values():
            connection.execute(table.comments)
        for view in views:
            connection.execute(view)
        forms = {**{name: table.form for name, table in tables.items()}, "all": stamp}
        for name, value in forms.items():
            _remember(connection, f"schema:{name}", value)
        bump_change(connection)


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Column names of a table in order; empty if there is no such table."""
    schema, name = table.split(".")
    rows = connection.execute(
        "select column_name from duckdb_columns() where schema_name = ? and table_name = ? order by column_index", [schema, name]
    ).fetchall()
    return [row[0] for row in rows]


def primary_key(create: str) -> list[str]:
    """Primary-key columns named in a create statement; empty if there is none."""
    grouped = re.search(r"primary key\s*\(([^)]*)\)", create, re.IGNORECASE)
    if grouped:
        return [name.strip() for name in grouped.group(1).split(",")]
    single = re.search(r"^\s*(\w+)[^,\n]*primary key", create, re.IGNORECASE | re.MULTILINE)
    return [single.group(1)] if single else []


def column_comments() -> dict[str, list[tuple[str, str, str]]]:
    """For every table: its columns as (name, type, comment)."""
    described: dict[str, list[tuple[str, str, str]]] = {}
    for table, *column in _described()[0]:
        described.setdefault(table, []).append((column[0], column[1], column[2]))
    return described


def table_comments() -> dict[str, str]:
    """The comment of every table and view."""
    return dict(_described()[1])


@cache
def _described() -> tuple[list[tuple[str, ...]], list[tuple[str, str]]]:
    """Columns and tables with their comments, read from a database made for the purpose; half a second, so once a process."""
    with duckdb.connect(":memory:") as connection:
        apply(connection)
        columns = connection.execute(
            "select schema_name || '.' || table_name, column_name, lower(data_type), coalesce(comment, '') "
            "from duckdb_columns() where not internal order by 1, column_index"
        ).fetchall()
        tables = connection.execute(
            "select schema_name || '.' || table_name, coalesce(comment, '') from duckdb_tables() where not internal union all "
            "select schema_name || '.' || view_name, coalesce(comment, '') from duckdb_views() where not internal order by 1"
        ).fetchall()
    return columns, tables


def change_number(connection: duckdb.DuckDBPyConnection) -> int:
    """Number of the last change to the content of this database."""
    row = connection.execute("select value from lineage.state where name = 'change'").fetchone()
    return int(row[0]) if row else 0


def bump_change(connection: duckdb.DuckDBPyConnection) -> None:
    """Say that the content changed, so that it is published again."""
    _remember(connection, "change", str(change_number(connection) + 1))


def _remember(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    connection.execute("delete from lineage.state where name = ?", [name])
    connection.execute("insert into lineage.state values (?, ?)", [name, value])
