"""
Rows that a worker writes beside the lake and its driver takes in by reference.

Images are most of what is stored, and writing them is most of what a driver does. So whoever computes them writes them, checked and
hashed, as a Parquet file among the lake's; the driver names the file in the transaction in which it stores refusals and ledger. A file that
was written and never named belongs to nobody, and upkeep removes it.
"""

import re
import uuid
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from needle_assets.warehouse.connection import MEMORY_LIMIT, THREADS
from needle_assets.warehouse.lake import attached
from needle_assets.warehouse.lake.place import Lake
from needle_assets.warehouse.lake.tables import PIXEL_ROWS_PER_GROUP, hold_against_checks

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Depot:
    """Where a worker leaves rows of a table: the lake, the statement that made it, its key, and the query of its rows' hashes."""

    lake: Lake
    table: str
    statement: str
    key: tuple[str, ...]
    hashes: str
    sets: tuple[str, ...]


@dataclass(frozen=True)
class Deposit:
    """A file of rows that nobody names yet, and the hashes of its rows: columns, object_id, content_hash."""

    path: str
    hashes: pa.Table

    def versions(self, columns: str) -> list[tuple[str, str]]:
        """The hashes of one set of columns, as (object_id, hash)."""
        told = self.hashes.to_pydict()
        return [
            pair[1:] for pair in zip(told["columns"], told["object_id"], told["content_hash"], strict=True) if pair[0] == columns
        ]


def is_worthwhile(statement: str) -> bool:
    """Whether a table holds images."""
    return re.search(r"\b(float|boolean)\[\d*\]", statement, re.IGNORECASE) is not None


def leave(depot: Depot, rows: pa.Table) -> Deposit:
    """
    Write rows beside the lake, after holding them against the checks of their table.

    Raises
    ------
    WarehouseError
        If the file cannot be written.
    duckdb.ConstraintException
        If rows break a check; nothing is written then.
    """
    path = f"{depot.lake.data}{depot.table.replace('.', '/')}/needle-{uuid.uuid4()}.parquet"
    connection = duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY_LIMIT})
    try:
        attached.prepare_files(connection, depot.lake)
        if "://" not in path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        connection.register("left_rows", rows)
        hold_against_checks(connection, depot.table, depot.statement, "left_rows")
        hashes = connection.execute(depot.hashes.format(source="left_rows"), [list(depot.sets)]).to_arrow_table()
        quoted = path.replace("'", "''")
        form = f"format parquet, compression zstd, row_group_size {PIXEL_ROWS_PER_GROUP}"
        connection.execute(f"copy left_rows to '{quoted}' ({form})")
    except (duckdb.IOException, duckdb.HTTPException) as error:
        raise attached.unreachable(depot.lake, error) from error
    finally:
        connection.close()
    return Deposit(path, hashes)


def take_in(connection: Connection, table: str, deposit: Deposit) -> None:
    """Name a file of rows as part of a table, in the transaction of whoever calls, and store the hashes of its rows."""
    schema, name = table.split(".")
    connection.execute("call ducklake_add_data_files('needle', ?, ?, schema => ?)", [name, deposit.path, schema])
    connection.register("left_hashes", deposit.hashes)
    connection.execute("insert into lineage.contents select ?, columns, object_id, content_hash from left_hashes", [table])
    connection.unregister("left_hashes")
