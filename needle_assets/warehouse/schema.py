"""
Applies ``warehouse/tables`` and ``warehouse/views`` to a database and migrates it when they change.

Comments in a table's statement say what a migration cannot know: ``-- formerly ztf_id`` behind a column, or behind the opening
bracket for the table (several names, the oldest first, are joined by commas), and ``-- if absent: 'none'`` behind a column, the value
(SQL) of rows that were stored before there was such a column, and ``-- once check (...)`` or ``-- once not null`` what was taken
away. Neither a rename nor a check that is gone makes anything stale.
"""

import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import duckdb

from needle_assets.warehouse.connection import WarehouseError, settle, transaction
from needle_assets.warehouse.lake import tables as lake_tables

# Rows of lineage.state that say what was removed on purpose begin so.
REMOVED = "removed:"
SCHEMAS = ("raw", "core", "results", "lineage")
# What no input brings back: written by trainings and nights, or kept though the input moved on. A migration never drops their rows.
IRREPLACEABLE = (
    *("lineage.nights", "results.candidates", "results.fold_models", "results.other_models", "results.quality_models"),
    *("results.sent", "results.training_sets"),
)
# Why rows do not fit a description; any other error, such as a full disk, says nothing of the rows.
UNFIT = (
    duckdb.ConstraintException,
    duckdb.ConversionException,
    duckdb.BinderException,
    duckdb.InvalidInputException,
    duckdb.NotImplementedException,
    duckdb.OutOfRangeException,
    duckdb.TypeMismatchException,
)


@dataclass(frozen=True)
class Table:
    """
    A table as its SQL file describes it: ``name`` is schema.name, ``create`` the statement, ``comments`` the rest.

    ``formerly`` holds earlier names of the table, ``columns_formerly`` of columns, the oldest first; ``if_absent`` the value, in SQL,
    of a column in rows that were stored before it was there; ``once`` the check that a column had.
    """

    name: str
    create: str
    comments: str
    formerly: tuple[str, ...] = ()
    columns_formerly: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    if_absent: Mapping[str, str] = field(default_factory=dict)
    once: Mapping[str, str] = field(default_factory=dict)

    @property
    def first_name(self) -> str:
        """The oldest name of the table: what fingerprints know it by."""
        return self.formerly[0] if self.formerly else self.name

    def first_column(self, name: str) -> str:
        """The oldest name of a column: what fingerprints know it by."""
        return self.columns_formerly.get(name, (name,))[0]

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
        """
        Changes whenever columns, checks or key change, and then all of the table is stale.

        Comments, renames, columns with a value for older rows and checks taken away do not count.
        """
        first = {self.name: self.first_name, **{name: formerly[0] for name, formerly in self.columns_formerly.items()}}
        names = "|".join(re.escape(name) for name in first)
        lines = "\n".join(self._as_it_was(line) for line in self.create.splitlines())
        create = re.sub(rf"(?<![\w.])(?:{names})(?!\w)", lambda found: first[found[0]], lines)
        return _digest(" ".join(create.split()))

    def _as_it_was(self, line: str) -> str:
        """A line of the statement as it was before its column came (nothing), or lost its check."""
        name = line.strip().split(" ")[0].strip('"')
        with_check = re.sub(r"(?=,?$)", f" {self.once[name]}", line, count=1) if name in self.once else line
        return "" if name in self.if_absent else with_check

    @property
    def form(self) -> str:
        """Changes whenever the table has to be made anew, its rows kept where they can be."""
        return _digest(" ".join(self.statement.split()))


@cache
def sql_folder() -> Path:
    """The folder with tables, views and queries: inside an installed package, or the repository's ``warehouse/``."""
    packaged = Path(__file__).parent / "sql"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "warehouse"


def read_tables() -> dict[str, Table]:
    """Every table file, by name."""
    return {path.stem: _read_table(path) for path in sorted((sql_folder() / "tables").glob("*.sql"))}


@cache
def _remembered_tables(folder: Path) -> dict[str, Table]:
    return {path.stem: _read_table(path) for path in sorted((folder / "tables").glob("*.sql"))}


def described(name: str) -> Table | None:
    """A table's description, read once a process; None for parents that are no tables."""
    return _remembered_tables(sql_folder()).get(name)


def first_column(table: str, column: str) -> str:
    """What fingerprints know a column by: its oldest name."""
    known = described(table)
    return known.first_column(column) if known else column


def renamed_tables() -> dict[str, str]:
    """Today's name of every table that once had another, by what fingerprints know it by."""
    return {table.first_name: name for name, table in _remembered_tables(sql_folder()).items() if table.formerly}


def _read_table(path: Path) -> Table:
    create, _, comments = path.read_text(encoding="utf-8").partition(";")
    notes = re.findall(r"^\s*\"?(\w+).*?--\s*(formerly|if absent:|once)\s+(.+?)\s*$", create, re.MULTILINE)
    formerly = {name: tuple(re.split(r"\s*,\s*", said)) for name, kind, said in notes if kind == "formerly"}
    return Table(
        path.stem,
        re.sub(r"[ \t]*--.*", "", create).strip(),
        comments.strip(),
        formerly.pop("create", ()),
        formerly,
        {name: said for name, kind, said in notes if kind == "if absent:"},
        {name: said for name, kind, said in notes if kind == "once"},
    )


def is_current(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the database has the described schema."""
    return _known_forms(connection).get("all") == _digest_of_all(read_tables(), _views())


def version(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Names content and schema of a database that is about to change, the same until a migration has ended; None if it is new."""
    known = _known_forms(connection).get("all")
    return f"{known[:8]}-{change_number(connection)}" if known else None


def apply(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """
    Bring the database to the described schema; returns the tables whose rows had to be dropped.

    A table whose description changed is made anew and keeps the columns that old and new share; where the kept rows break a new
    check, it starts empty and whatever filled it computes it again. Each table is one transaction: stopped in between, the next call
    goes on from there.

    Raises
    ------
    WarehouseError
        If rows that nothing computes again do not fit; that table stays as it was.
    """
    tables, views = read_tables(), _views()
    stamp, known = _digest_of_all(tables, views), _known_forms(connection)
    if known.get("all") == stamp:
        return []
    with transaction(connection):
        for schema in SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
    # The ledger before others: a table that gets another name is told of there, in today's columns.
    first = {name: tables[name] for name in sorted(tables, key=lambda name: not name.startswith("lineage."))}
    changed = [table for table in first.values() if known.get(table.name) != table.form]
    stored = _stored_tables(connection)
    emptied = [table.name for table in changed if _made(connection, table, tables, stored)]
    _finish(connection, tables, views, stamp)
    settle(connection)  # DuckDB cannot read back every change of a schema in whatever way the file is opened
    return emptied


def _digest_of_all(tables: dict[str, Table], views: list[str]) -> str:
    return _digest("".join(t.statement + t.comments for t in tables.values()) + "".join(views))


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _views() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted((sql_folder() / "views").glob("*.sql"))]


def _known_forms(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    known = "select name, value from lineage.state where starts_with(name, 'schema:')"
    rows = connection.execute(known).fetchall() if columns_of(connection, "lineage.state") else []
    return {name.removeprefix("schema:"): value for name, value in rows}


def _stored_tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    found = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = current_database()"
    ).fetchall()
    return {name for (name,) in found}


def _made(connection: duckdb.DuckDBPyConnection, table: Table, tables: Mapping[str, Table], stored: set[str]) -> bool:
    """Make one table as described; True if rows it held could not be kept."""
    if stored & {table.name, *table.formerly}:
        return _migrate(connection, table, tables)
    lake_tables.make(connection, table.statement)
    return False


def _migrate(connection: duckdb.DuckDBPyConnection, table: Table, tables: Mapping[str, Table]) -> bool:
    """Make one table as described; True if rows it held could not be kept."""
    old = stored_name(connection, table, tables)
    if old is None:
        lake_tables.make(connection, table.statement)
        return False
    _drop_views(connection)
    try:
        _rebuild(connection, table, old, keep_rows=True)
    except UNFIT as error:
        if table.name in IRREPLACEABLE and connection.execute(f"select 1 from {old} limit 1").fetchone():
            raise WarehouseError(
                f"{table.name}: what is stored does not fit its new description ({str(error).splitlines()[0]}) and nothing computes "
                "it again, so it stays as it was. This is a mistake in the description, please report it; go on with the version "
                "of needle_assets before, on the copy of the warehouse that `needle restore --list` names."
            ) from error
        _rebuild(connection, table, old, keep_rows=False)
        return True
    return False


def stored_name(
    connection: duckdb.DuckDBPyConnection, table: Table, tables: Mapping[str, Table], catalog: str = ""
) -> str | None:
    """What a table is called in a database (``catalog``, if it is not the one in use): its name, or an earlier one."""
    names = [table.name, *(name for name in reversed(table.formerly) if name not in tables)]
    return next((name for name in names if columns_of(connection, name, catalog)), None)


def stored_columns(connection: duckdb.DuckDBPyConnection, table: Table, stored: str, catalog: str = "") -> dict[str, str]:
    """For every column of a table that a database holds, under its name or an earlier one: what it is called there."""
    there = columns_of(connection, stored, catalog)
    names = column_names(table)
    found = {
        name: [n for n in (name, *reversed(table.columns_formerly.get(name, ()))) if n in there and (n == name or n not in names)]
        for name in names
    }
    return {name: known[0] for name, known in found.items() if known}


def column_names(table: Table) -> list[str]:
    """The columns of a table as its statement names them, in order."""
    lines = table.create[table.create.index("(") + 1 :].splitlines()
    first = [re.match(r'\s*(?:"(\w+)"|(\w+))\s', line) for line in lines]
    names = [found[1] or found[2] for found in first if found]
    return [name for name in names if name.lower() not in ("check", "primary", "unique", "constraint")]


def _drop_views(connection: duckdb.DuckDBPyConnection) -> None:
    of = "duckdb_views() where not internal and database_name = current_database()"
    for schema, name in connection.execute(f"select schema_name, view_name from {of}").fetchall():
        connection.execute(f"drop view if exists {schema}.{name}")


def _rebuild(connection: duckdb.DuckDBPyConnection, table: Table, old: str, *, keep_rows: bool) -> None:
    kept = old + "_kept"
    with transaction(connection):
        connection.execute(f"alter table {old} rename to {kept.partition('.')[2]}")
        lake_tables.make(connection, table.statement)
        columns = stored_columns(connection, table, kept)
        if keep_rows and columns:
            values = {name: f'"{there}"' for name, there in columns.items()}
            values |= {name: value for name, value in table.if_absent.items() if name not in columns}
            chosen = ", ".join(f'{value} as "{name}"' for name, value in values.items())
            connection.execute(f"insert into {table.name} by name select {chosen} from {kept}")
        connection.execute(f"drop table {kept}")
        _rename_in_lineage(connection, table, old, columns)
        if not keep_rows:
            for known in ("lineage.ledger", "lineage.contents"):
                connection.execute(f"delete from {known} where asset = ?", [table.name])
        _remember(connection, f"schema:{table.name}", table.form)
    settle(connection)  # the next table takes the place that this one had


def _rename_in_lineage(connection: duckdb.DuckDBPyConnection, table: Table, old: str, columns: Mapping[str, str]) -> None:
    """What is known of a table goes by its new names; Dagster, which knows products by name, is told of them again."""
    if old != table.name:
        connection.execute("delete from lineage.state where name = ?", [f"schema:{old}"])
        connection.execute("update lineage.contents set asset = ? where asset = ?", [table.name, old])
        connection.execute("update lineage.ledger set asset = ?, is_told = false where asset = ?", [table.name, old])
        connection.execute("update core.rejections set stage = ? where stage = ?", [table.name, old])
        connection.execute(
            "update lineage.ledger set parents = array_to_string([replace(p, $old || '=', $new || '=') for p in "
            "string_split(parents, '|')], '|') where contains('|' || parents, '|' || $old || '=')",
            {"old": old, "new": table.name},
        )
    renamed = {there: name for name, there in columns.items() if there != name}
    if not renamed:
        return
    sets = connection.execute(
        "select distinct columns from lineage.contents where asset = ? and columns <> '*'", [table.name]
    ).fetchall()
    for (before,) in sets:
        after = ",".join(renamed.get(name, name) for name in before.split(","))
        connection.execute("update lineage.contents set columns = ? where asset = ? and columns = ?", [after, table.name, before])


def _finish(connection: duckdb.DuckDBPyConnection, tables: dict[str, Table], views: list[str], stamp: str) -> None:
    _drop_views(connection)
    lake_tables.settle_options(connection, {name: table.statement for name, table in tables.items()})
    with transaction(connection):
        for table in tables.values():
            connection.execute(table.comments)
        for view in views:
            connection.execute(view)
        forms = {**{name: table.form for name, table in tables.items()}, "all": stamp}
        names = [f"schema:{name}" for name in forms]
        connection.execute("delete from lineage.state where list_contains(?, name)", [names])
        connection.execute("insert into lineage.state select unnest(?), unnest(?)", [names, list(forms.values())])
        if not connection.execute("select 1 from lineage.state where name = 'branch'").fetchone():
            begin_branch(connection)
        bump_change(connection)


def columns_of(connection: duckdb.DuckDBPyConnection, table: str, catalog: str = "") -> list[str]:
    """Column names of a table in order, in the database in use or in ``catalog``; empty if there is no such table."""
    schema, name = table.split(".")
    rows = connection.execute(
        "select column_name from duckdb_columns() where database_name = coalesce(nullif(?, ''), current_database()) "
        "and schema_name = ? and table_name = ? order by column_index",
        [catalog, schema, name],
    ).fetchall()
    return [row[0] for row in rows]


def primary_key(create: str) -> list[str]:
    """Primary-key columns named in a create statement; empty if there is none."""
    grouped = re.search(r"primary key\s*\(([^)]*)\)", create, re.IGNORECASE)
    if grouped:
        return [name.strip() for name in grouped.group(1).split(",")]
    single = re.search(r"^\s*(\w+)[^,\n]*primary key", create, re.IGNORECASE | re.MULTILINE)
    return [single.group(1)] if single else []


def change_number(connection: duckdb.DuckDBPyConnection) -> int:
    """Number of the last change to the content of this database."""
    row = connection.execute("select value from lineage.state where name = 'change'").fetchone()
    return int(row[0]) if row else 0


def change(connection: duckdb.DuckDBPyConnection) -> str:
    """Names the last change to the content of this database: the same in two files only if they hold the same."""
    row = connection.execute("select value from lineage.state where name = 'branch'").fetchone()
    return f"{row[0] if row else ''}:{change_number(connection)}"


def begin_branch(connection: duckdb.DuckDBPyConnection, number: int | None = None) -> None:
    """Tell changes from here on, counted from ``number``, from those of any other file."""
    _remember(connection, "branch", uuid.uuid4().hex)
    if number is not None:
        _remember(connection, "change", str(number + 1))


def note_removed(connection: duckdb.DuckDBPyConnection, table: str, keys: Iterable[Sequence[object]]) -> None:
    """Say that rows which no input brings back were removed on purpose."""
    for key in keys:
        _remember(connection, REMOVED + "|".join([table, *map(str, key)]), "on purpose")


def bump_change(connection: duckdb.DuckDBPyConnection) -> None:
    """Say that the content changed, so that it is published again."""
    found = connection.execute("update lineage.state set value = (value::bigint + 1)::varchar where name = 'change'").fetchone()
    if found == (0,):
        _remember(connection, "change", "1")


def _remember(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    connection.execute("delete from lineage.state where name = ?", [name])
    connection.execute("insert into lineage.state values (?, ?)", [name, value])
