"""Rows in and rows out: what a stage reads of some objects, and one transaction that replaces what it wrote of them."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from needle_assets.errors import Rejection, as_json
from needle_assets.stages import Stage
from needle_assets.warehouse import ledger
from needle_assets.warehouse.connection import WarehouseError, as_frame, table_of, transaction
from needle_assets.warehouse.lake import tables as lake_tables
from needle_assets.warehouse.lake.deposits import Deposit, take_in
from needle_assets.warehouse.schema import Table, bump_change, described, primary_key

if TYPE_CHECKING:
    import polars as pl

# DuckDB keeps 2,048 rows of each column at hand, 28 MiB of a stamp column, several times in one query.
PIXEL_COLUMNS_PER_QUERY = 2

# What the parents in the schema ``landing`` are: facts about files, kept by the manifest.
SNAPSHOTS = ("catalogue", "photometry", "hosts", "verdicts", "stamp_verdicts", "tns", "dust")
# With each object the file as it was read: another one there by now has not been looked at.
_SAID = (
    "select said.object_id, said.path, said.content_hash, file.size_bytes, file.mtime_ns from lineage.landing_rows said "
    "left join lineage.landing_files file on file.path = said.path where said.source = '{source}'"
)
LANDING_QUERIES = {
    "landing.packets": "select object_id, path, member, candid, sha256 from lineage.landing_packets",
    **{f"landing.{source}": _SAID.format(source=source) for source in SNAPSHOTS},
    "landing.photometry": _SAID.format(source="photometry").replace("said.content_hash", "said.content_hash, said.forced_hash"),
    "landing.field_images": "select object_id, path, band, sha256 from lineage.landing_images",
}
EMPTY = "empty"  # data version of an object of which a product holds no rows
NOTHING_TOLD: Mapping[str, Sequence[str]] = MappingProxyType({})


@dataclass(frozen=True)
class Written:
    """What one transaction stored for one object (``object_id`` None: for a whole product)."""

    object_id: str | None
    data_version: str
    n_rows: int
    n_rejected: int


@dataclass(frozen=True)
class Writer:
    """Who writes: the run, what asked for it, and the commit of the code."""

    run_id: str
    request_id: str
    git_sha: str | None


def load(
    connection: duckdb.DuckDBPyConnection,
    reads: Mapping[str, tuple[str, ...]],
    tables: Mapping[str, Table],
    keys: Sequence[str] | None,
    folders: Mapping[str, str],
) -> "dict[str, pl.DataFrame]":
    """
    Exactly the columns in ``reads`` (parent to columns, * for all), of the objects in ``keys`` (None: of all).

    Each frame is sorted by its table's key. Tables without objects are given whole. Parents in the schema ``landing`` also carry each
    of ``folders`` as a column.
    """
    if keys is not None:
        connection.register("wanted_keys", pa.table({"object_id": pa.array(keys, pa.string())}))
    frames = {parent: _frame(connection, parent, columns, tables, keys) for parent, columns in reads.items()}
    import polars as pl  # a third of an idle refresh, which reads no rows

    for parent in frames.keys() & LANDING_QUERIES.keys():
        frames[parent] = frames[parent].with_columns(**{name: pl.lit(path) for name, path in folders.items()})
    if keys is not None:
        connection.unregister("wanted_keys")
    return frames


def _frame(
    connection: duckdb.DuckDBPyConnection,
    parent: str,
    columns: tuple[str, ...],
    tables: Mapping[str, Table],
    keys: Sequence[str] | None,
) -> "pl.DataFrame":
    if parent in LANDING_QUERIES:
        source, wanted = f"({LANDING_QUERIES[parent]})", ["*"]
        key = ["object_id", "path", "member"] if parent == "landing.packets" else ["object_id"]
        has_objects = True
    else:
        has_objects = "object_id" in tables[parent].create
        source, key = parent, primary_key(tables[parent].create)
        wanted = list(dict.fromkeys((*(("object_id",) if has_objects else ()), *columns)))
    among = "where object_id in (select object_id from wanted_keys)" if keys is not None and has_objects else ""
    pixels = lake_tables.pixel_columns(tables[parent].create) if key and parent in tables else []
    apart = [name for name in wanted if name in pixels][PIXEL_COLUMNS_PER_QUERY:]
    first, *others = [[name for name in wanted if name not in apart], *([name] for name in apart)]
    frame = _sorted(connection, f"{source} {among}", first, key, pixels)
    for names in others:
        other = _sorted(connection, f"{source} {among}", names, key, pixels)
        frame = frame.join(other, on=key, how="left", maintain_order="left")
    return frame.select(wanted) if "*" not in wanted else frame


def _sorted(
    connection: duckdb.DuckDBPyConnection, source: str, wanted: Sequence[str], key: Sequence[str], pixels: Sequence[str]
) -> "pl.DataFrame":
    """These columns and those of the key, by which parts read apart are put together."""
    names = "*" if "*" in wanted else ", ".join(dict.fromkeys((*wanted, *key)))
    frame = lake_tables.with_arrays(as_frame(table_of(connection.execute(f"select {names} from {source}"))), pixels)
    # Sorted here and not in SQL: DuckDB sorts stamps in blocks of 2048 rows, 28 MiB a column, however few rows there are.
    return frame.sort(key, maintain_order=True) if key else frame


def weights(
    connection: duckdb.DuckDBPyConnection, parents: Sequence[str], tables: Mapping[str, Table], keys: Sequence[str]
) -> dict[str, int]:
    """How many rows each object has in the parent that has most of it; whole tables and files without packets do not count."""
    sources = [f"({LANDING_QUERIES[p]})" if p in LANDING_QUERIES else p for p in parents if p != "raw.objects"]
    sources = [source for source in sources if source not in tables or "object_id" in tables[source].create]
    among = "where object_id in (select object_id from wanted_keys) group by 1"
    counts = " union all ".join(f"select object_id, count(*) as n_rows from {source} {among}" for source in sources)
    if not counts:
        return {}
    connection.register("wanted_keys", pa.table({"object_id": pa.array(keys, pa.string())}))
    counted = dict(connection.execute(f"select object_id, max(n_rows) from ({counts}) group by 1").fetchall())
    connection.unregister("wanted_keys")
    return counted


def refusals_by_stage(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many refusals each stage wrote."""
    return dict(connection.execute("select stage, count(*) from core.rejections group by 1 order by 1").fetchall())


def count(connection: duckdb.DuckDBPyConnection, query: str, *, without: Sequence[str] = ()) -> int:
    """How many rows a query finds, apart from those of the objects in ``without``; none where a home of older code lacks its table."""
    among, values = ("where not list_contains($without, object_id)", {"without": list(without)}) if without else ("", {})
    try:
        return int(connection.execute(f"select count(*) from ({query}) {among}", values).fetchall()[0][0])
    except duckdb.CatalogException as error:
        if "Table with name" not in str(error):
            raise
        return 0


def tallies(
    connection: duckdb.DuckDBPyConnection, table: str, counts: Mapping[str, str], keys: Sequence[str]
) -> dict[str | None, dict[str, int]]:
    """How many rows of a table meet each condition: of the objects in ``keys`` that have rows, and of all under None."""
    conditions = ", ".join(f"count(*) filter ({condition})" for condition in counts.values())
    connection.register("tallied_keys", pa.table({"object_id": pa.array(keys, pa.string())}))
    found = connection.execute(
        f"select object_id, {conditions} from {table} where object_id in (select object_id from tallied_keys) group by 1 "
        f"union all select null, {conditions} from {table}"
    ).fetchall()
    connection.unregister("tallied_keys")
    return {row[0]: dict(zip(counts, row[1:], strict=True)) for row in found}


def arrow_schema(connection: duckdb.DuckDBPyConnection, table: str) -> pa.Schema:
    """The Arrow schema of a stored table."""
    known = described(table)
    return lake_tables.arrow_schema(connection, table, known.statement if known else "")


def require_checked(connection: duckdb.DuckDBPyConnection, table: str, source: str) -> None:
    """Raise duckdb.ConstraintException where rows on their way into a table break its checks, if the table cannot hold them itself."""
    if (known := described(table)) is not None:
        lake_tables.require_checked(connection, table, known.statement, source)


@dataclass(frozen=True)
class Batch:
    """
    What one transaction stores of a stage.

    ``keys`` are the objects whose rows are replaced (None: everything). ``plans`` gives fingerprint and parents' hashes by object;
    an object that has none (it failed) keeps no ledger row and so stays stale. ``key`` names the columns that tell rows apart.
    ``deposits`` are files in which workers left the rows; ``rows`` are then their keys alone.
    """

    stage: Stage
    key: Sequence[str]
    keys: Sequence[str] | None
    rows: pa.Table
    rejections: Sequence[Rejection]
    plans: Mapping[str | None, ledger.Plan]
    parameters: str
    writer: Writer
    write_id: str
    deposits: Sequence[Deposit] = ()


def store(
    connection: duckdb.DuckDBPyConnection, batch: Batch, stages: Sequence[Stage], told: Mapping[str, Sequence[str]] = NOTHING_TOLD
) -> list[Written]:
    """
    Replace rows, refusals, hashes and ledger of a batch in one transaction; ``stages`` says which columns anybody reads.

    The events still have to be emitted: the ledger says so, until a later transaction remembers that they are ``told`` (writes by
    product).

    Raises
    ------
    WarehouseError
        If two rows have the same key; nothing of the batch is stored.
    """
    table = batch.stage.table
    require_distinct(batch.rows, table, batch.key)
    connection.register("new_rows", batch.rows)
    connection.register("written_keys", pa.table({"object_id": pa.array(batch.keys or [], pa.string())}))
    with transaction(connection):
        _delete(connection, table, batch.keys)
        _insert(connection, batch, stages)
        _insert_rejections(connection, table, batch.rejections)
        written = _written(connection, batch)
        _insert_ledger(connection, batch, written)
        ledger.mark_told(connection, told)
        bump_change(connection)
    connection.unregister("new_rows")
    connection.unregister("written_keys")
    return written


def _insert(connection: duckdb.DuckDBPyConnection, batch: Batch, stages: Sequence[Stage]) -> None:
    table = batch.stage.table
    for deposit in batch.deposits:
        take_in(connection, table, deposit)
    if batch.rows.num_rows and not batch.deposits:
        require_checked(connection, table, "new_rows")
        connection.execute(f"insert into {table} by name select * from new_rows")
        columns = ledger.hashed_column_sets(stages, table)
        ledger.hash_rows(connection, "new_rows", table, columns, has_objects="object_id" in batch.rows.schema.names)


def require_distinct(rows: pa.Table, table: str, key: Sequence[str]) -> None:
    """Raise WarehouseError if two rows have the same ``key``; an empty one tells nothing apart."""
    if not key:
        return
    keys = as_frame(rows.select(list(key)))
    if len(twice := keys.filter(keys.is_duplicated())):
        raise WarehouseError(
            f"{table}: {len(twice)} rows share a key that one row may have ({', '.join(key)}: {twice.row(0)}); nothing of this "
            "step was stored. This is a mistake in the code of the stage, please report it."
        )


def _delete(connection: duckdb.DuckDBPyConnection, table: str, keys: Sequence[str] | None) -> None:
    """Delete what is known of objects. Between the first and the last of them, as whole files and groups of rows are passed over so."""
    among = "true" if keys is None else "object_id between ? and ? and object_id in (select object_id from written_keys)"
    bounds = [] if keys is None else [min(keys, default=""), max(keys, default="")]
    hashed = connection.execute(f"delete from lineage.contents where asset = ? and {among}", [table, *bounds]).fetchone()
    if keys is None or hashed != (0,):  # what has no hashes has no rows, which need not be searched for in many files
        connection.execute(f"delete from {table} where {among}", bounds)
    connection.execute(f"delete from core.rejections where stage = ? and {among}", [table, *bounds])
    connection.execute(f"delete from lineage.ledger where asset = ? and {among}", [table, *bounds])


def store_failures(connection: duckdb.DuckDBPyConnection, stage: str, failed: Sequence[Rejection]) -> None:
    """Say why objects failed, beside the rows they had before."""
    with transaction(connection):
        for failure in failed:
            connection.execute(
                "delete from core.rejections where stage = ? and object_id is not distinct from ? and (measured->>'traceback') is not null",
                [stage, failure.object_id],
            )
        _insert_rejections(connection, stage, failed)
        bump_change(connection)


def replace_rejections(connection: duckdb.DuckDBPyConnection, stage: str, rejections: Sequence[Rejection]) -> None:
    """Say what a training left undone and why, in place of what was said before."""
    with transaction(connection):
        connection.execute("delete from core.rejections where stage = ?", [stage])
        _insert_rejections(connection, stage, rejections)
        bump_change(connection)


def _insert_rejections(connection: duckdb.DuckDBPyConnection, stage: str, rejections: Sequence[Rejection]) -> None:
    if not rejections:
        return
    measured = [{name: value for name, value in why.measured.items() if name != "object_id"} for why in rejections]
    columns = {
        "object_id": pa.array([why.object_id for why in rejections], pa.string()),
        "candid": pa.array([why.candid for why in rejections], pa.int64()),
        "reason": pa.array([why.reason for why in rejections], pa.string()),
        "measured": pa.array([as_json(values) for values in measured], pa.string()),
    }
    connection.register("refused_rows", pa.table(columns))
    connection.execute(
        "insert into core.rejections select ?, object_id, candid, reason, measured::json, ? from refused_rows", [stage, now()]
    )
    connection.unregister("refused_rows")


def _written(connection: duckdb.DuckDBPyConnection, batch: Batch) -> list[Written]:
    if batch.keys is None:
        return [_written_whole(connection, batch)] if None in batch.plans else []
    known = [left.versions(ledger.ALL_COLUMNS) for left in batch.deposits] or [
        connection.execute(
            "select object_id, content_hash from lineage.contents where asset = ? and columns = ? "
            "and object_id in (select object_id from written_keys)",
            [batch.stage.table, ledger.ALL_COLUMNS],
        ).fetchall()
    ]
    versions = dict(pair for pairs in known for pair in pairs)
    n_rows = dict(connection.execute("select object_id, count(*) from new_rows group by 1").fetchall())
    n_rejected = Counter(why.object_id for why in batch.rejections)
    kept = [key for key in batch.keys if key in batch.plans]
    return [Written(key, versions.get(key, EMPTY), n_rows.get(key, 0), n_rejected[key]) for key in kept]


def _written_whole(connection: duckdb.DuckDBPyConnection, batch: Batch) -> Written:
    row = connection.execute(
        "select md5(string_agg(object_id || content_hash, '|' order by object_id)) from lineage.contents where asset = ? and columns = ?",
        [batch.stage.table, ledger.ALL_COLUMNS],
    ).fetchone()
    return Written(None, (row and row[0]) or EMPTY, batch.rows.num_rows, len(batch.rejections))


def _insert_ledger(connection: duckdb.DuckDBPyConnection, batch: Batch, written: Sequence[Written]) -> None:
    columns = {
        "object_id": pa.array([w.object_id for w in written], pa.string()),
        "fingerprint": pa.array([batch.plans[w.object_id].fingerprint for w in written], pa.string()),
        "parents": pa.array([batch.plans[w.object_id].parents for w in written], pa.string()),
        "data_version": pa.array([w.data_version for w in written], pa.string()),
        "n_rows": pa.array([w.n_rows for w in written], pa.int32()),
        "n_rejected": pa.array([w.n_rejected for w in written], pa.int32()),
    }
    connection.register("ledger_rows", pa.table(columns))
    writer, stage = batch.writer, batch.stage
    connection.execute(
        "insert into lineage.ledger by name select ? as asset, *, ? as code_version, ? as parameters, ? as run_id, "
        "? as request_id, ? as write_id, ? as git_sha, ? as written_at, false as is_told from ledger_rows",
        [
            stage.table,
            stage.code_version,
            batch.parameters,
            writer.run_id,
            writer.request_id,
            batch.write_id,
            writer.git_sha,
            now(),
        ],
    )
    connection.unregister("ledger_rows")


def to_arrow(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """
    Rows as an Arrow table of a stored table's schema.

    A missing key or None becomes NULL, and so does NaN in a scalar column; NaN inside an array stays NaN. Images may be arrays of
    shape (n, n) or (n * n,).

    Raises
    ------
    WarehouseError
        If a row has a key that the table has no column for: its value would be lost.
    """
    unknown = sorted(set().union(*rows).difference(schema.names))
    if unknown:
        raise WarehouseError(
            f"a row has {', '.join(unknown)}, for which its table has no column; the columns are {', '.join(schema.names)}. "
            "Add the column to the table's SQL file, or leave the value out of the row."
        )
    return pa.table([_column([row.get(field.name) for row in rows], field.type) for field in schema], schema=schema)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(kind):
        flat = [None if value is None else pa.array(_flattened(value), kind.value_type, from_pandas=False) for value in values]
        return pa.array(flat, kind) if None in flat else _stacked(flat, kind)
    if pa.types.is_list(kind):
        return pa.array([None if value is None else list(value) for value in values], kind, from_pandas=False)
    return pa.array(values, kind, from_pandas=True)


def _flattened(value: Any) -> Any:
    return value.reshape(-1) if hasattr(value, "reshape") else value


def _stacked(flat: list[pa.Array], kind: pa.FixedSizeListType) -> pa.Array:
    values = pa.concat_arrays(flat) if flat else pa.array([], kind.value_type)
    return pa.FixedSizeListArray.from_arrays(values, type=kind)


def now() -> dt.datetime:
    """The time [UTC, no zone], as the warehouse stores it."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)
