"""
Tables in a lake. DuckLake knows no checks, no arrays of a fixed length and no lists as default values.

So every batch passes through a temporary table that has them all, and lists become arrays again where they are read.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

if TYPE_CHECKING:
    import polars as pl

# Fewer rows than this are kept in the catalogue until maintenance writes them out: in Parquet each would be a file.
INLINED_ROWS = 1000
INLINED_LISTS = 50
N_PIXELS = 3600
# A group is held in memory while it is written, 14 kB an image.
PIXEL_ROWS_PER_GROUP = 1024
_PIXEL_LINE = re.compile(r"^\s*(\w+)\s+\w+\[3600\].*\n", re.MULTILINE)

Connection = duckdb.DuckDBPyConnection


def is_lake(connection: Connection) -> bool:
    """Whether the tables of this connection lie in a lake."""
    found = connection.execute("select type from duckdb_databases() where database_name = current_database()").fetchone()
    return bool(found and found[0] == "ducklake")


def make(connection: Connection, statement: str) -> None:
    """Make a table where this connection leads."""
    connection.execute(lake_statement(statement) if is_lake(connection) else statement)


@cache
def lake_statement(statement: str) -> str:
    """A create statement without what a lake cannot keep."""
    bare = re.sub(r"\s+(default\s+\[\]|unique\b)", "", _without(_without(statement, "check"), "unique"), flags=re.IGNORECASE)
    return re.sub(r"\[\d+\]", "[]", bare)


def _without(statement: str, word: str) -> str:
    """A create statement without its constraints of one kind, brackets and all."""
    while found := re.search(rf",?\s*\b{word}\s*\(", statement, re.IGNORECASE):
        end, depth = found.end(), 1
        while depth:
            end = statement.index("'", end + 1) if statement[end] == "'" else end
            depth += {"(": 1, ")": -1}.get(statement[end], 0)
            end += 1
        is_own_line = statement[found.start()] == ","
        statement = statement[: found.start()] + ("" if is_own_line else " ") + statement[end:]
    return statement


def _local(connection: Connection, name: str, statement: str) -> str:
    """A temporary table with the columns and checks of a described one."""
    made = statement.replace(f"create table {name}", f'create temp table if not exists "{name}"', 1)
    connection.execute(made)
    return f'temp.main."{name}"'


def require_checked(connection: Connection, name: str, statement: str, source: str) -> None:
    """Hold the rows of ``source`` against the checks of a table that a lake cannot keep; a file holds them itself. Raises duckdb.Error."""
    if is_lake(connection):
        hold_against_checks(connection, name, statement, source)


def hold_against_checks(connection: Connection, name: str, statement: str, source: str) -> None:
    """Raise duckdb.ConstraintException if rows of ``source`` break a check in the statement of their table."""
    local = _local(connection, name, _PIXEL_LINE.sub("", statement))
    without = ", ".join(f"'{column}'" for column in pixel_columns(statement))
    chosen = f"columns(c -> c not in ({without}))" if without else "*"
    try:
        connection.execute(f"insert into {local} by name select {chosen} from {source}")
    finally:
        with suppress(duckdb.TransactionException):  # after a broken check the table goes with the transaction
            connection.execute(f"drop table {local}")


def pixel_columns(statement: str) -> list[str]:
    """Columns that hold an image: arrays of a fixed length, lists in a lake."""
    return _PIXEL_LINE.findall(statement)


def with_arrays(frame: "pl.DataFrame", pixels: Sequence[str]) -> "pl.DataFrame":
    """The same frame with its images as arrays, which a lake gives as lists."""
    lists = [name for name in pixels if name in frame.columns and frame.schema[name].base_type().__name__ == "List"]
    if not lists:
        return frame
    import polars as pl

    return frame.with_columns(pl.col(lists).list.to_array(N_PIXELS))


def arrow_schema(connection: Connection, name: str, statement: str) -> pa.Schema:
    """The Arrow schema of a described table, arrays as arrays."""
    if not is_lake(connection):
        return connection.execute(f"select * from {name} limit 0").to_arrow_table(1).schema
    local = _local(connection, name, statement)
    schema = connection.execute(f"select * from {local}").to_arrow_table(1).schema
    connection.execute(f"drop table {local}")
    return schema


def settle_options(connection: Connection, statements: dict[str, str]) -> None:
    """Say of every table how it is kept: small batches in the catalogue, images and weights never."""
    if not is_lake(connection):
        return
    connection.execute("call needle.set_option('parquet_compression', 'zstd')")
    for name, statement in statements.items():
        schema, table = name.split(".")
        options = {"data_inlining_row_limit": _inlined_rows(statement)}
        if pixel_columns(statement):
            options["parquet_row_group_size"] = PIXEL_ROWS_PER_GROUP
        for option, value in options.items():
            connection.execute(f"call needle.set_option('{option}', {value}, schema => '{schema}', table_name => '{table}')")


def _inlined_rows(statement: str) -> int:
    if pixel_columns(statement) or re.search(r"\bblob\b", statement, re.IGNORECASE):
        return 0
    return INLINED_LISTS if re.search(r"\b(float|double)\[\]", statement, re.IGNORECASE) else INLINED_ROWS
