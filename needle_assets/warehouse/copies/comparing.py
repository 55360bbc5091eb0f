"""Whether two warehouses hold the same rows, wherever each of them lies."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb

from needle_assets.warehouse import schema
from needle_assets.warehouse.connection import Connection

# What says when, by which run and from which file as it lay on a disk: of two homes filled alike it differs.
OF_A_RUN = frozenset(
    {
        *("run_id", "request_id", "write_id", "git_sha", "is_told", "mtime_ns", "seconds", "as_of", "number"),
        *("written_at", "scanned_at", "landed_at", "trained_at", "started_at", "ended_at", "sent_at"),
    }
)
# What is told of one home, not of its rows.
OF_A_HOME = frozenset({"lineage.state"})

# Hashes over rows that say when and how fast a model was trained.
_AMONG = {"lineage.contents": "asset not in ('results.fold_models', 'results.quality_models', 'results.other_models')"}

Content = Mapping[str, tuple[int, Mapping[str, int]]]
Opened = AbstractContextManager[Connection]


def content(connection: Connection, *, is_exact: bool = False, catalog: str = "") -> Content:
    """
    Of every table its number of rows, a hash of whole rows under ``*`` and one of each column; the order of rows does not matter.

    Parameters
    ----------
    connection
        An open database.
    is_exact : bool
        Times, runs and what is told of the home count too.
    catalog : str
        An attached database; that in use if empty.
    """
    tables = schema.read_tables()
    names = [name for name in tables if is_exact or name not in OF_A_HOME]
    return {name: _content(connection, tables[name], catalog, is_exact=is_exact) for name in names}


def _content(connection: Connection, table: schema.Table, catalog: str, *, is_exact: bool) -> tuple[int, dict[str, int]]:
    columns = [name for name in schema.column_names(table) if is_exact or name not in OF_A_RUN]
    hashes = {"*": ", ".join(f'"{name}"' for name in columns), **{name: f'"{name}"' for name in columns}}
    sums = ", ".join(f"coalesce(sum(hash({values})::hugeint), 0)" for values in hashes.values())
    among = "true" if is_exact else _AMONG.get(table.name, "true")
    source = f"{catalog}.{table.name}" if catalog else table.name
    row = connection.execute(f"select count(*), {sums} from {source} where {among}").fetchone()
    assert row is not None
    return int(row[0]), {name: int(value) for name, value in zip(hashes, row[1:], strict=True)}


def differences(one: Content, other: Content) -> list[str]:
    """A sentence on every table in which two contents differ; none if they are equal."""
    told = []
    for name, (n_one, of_one) in one.items():
        n_other, of_other = other[name]
        if n_one != n_other:
            told.append(f"{name}: {n_one} rows and {n_other}")
        elif of_one != of_other:
            differing = [column for column, value in of_one.items() if column != "*" and value != of_other[column]]
            told.append(f"{name}: {', '.join(differing) or 'which values belong to one row'}")
    return told


def compared(opened: Sequence[tuple[Path, Opened]], *, is_exact: bool = False) -> tuple[list[str], int, int]:
    """
    What differs between two warehouses, and how many tables and rows the first holds.

    Raises
    ------
    NeedleError
        If one of them cannot be opened, or was written by another version of the code.
    """
    found = []
    for path, warehouse in opened:
        with warehouse as connection:
            try:
                found.append(content(connection, is_exact=is_exact))
            except (duckdb.BinderException, duckdb.CatalogException) as error:
                raise schema.WarehouseError(
                    f"{path} holds other tables than this version of needle_assets knows; run `needle refresh` there, then compare again."
                ) from error
    one, other = ({name: held for name, held in home.items() if name not in OF_A_HOME} for home in found)
    return differences(one, other), len(one), sum(n for n, _ in one.values())
