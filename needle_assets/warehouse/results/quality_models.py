"""Quality checkers in and out of the warehouse: the stamps that train them, the networks, and which one is chosen."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from needle_assets.stages import Stage
from needle_assets.warehouse import ledger, rows
from needle_assets.warehouse.connection import as_frame, table_of, transaction
from needle_assets.warehouse.schema import Table, bump_change, note_removed

if TYPE_CHECKING:
    import polars as pl

TABLE = "results.quality_models"
# All of them without the networks, for those who show them.
CHECKERS = f"select * exclude (weights) from {TABLE} order by model_kind"
OBJECTS_PER_BATCH = 64
_STAMPS: Mapping[str, tuple[str, ...]] = {
    "core.stamps": ("candid", "band", "science", "reference"),
    "core.stamp_quality": ("candid", "image", "reasons"),
}


def judged_images(connection: duckdb.DuckDBPyConnection) -> "pl.DataFrame":
    """Object, packet, name, band and broken rules of every image in ``core.stamp_quality``, without its pixels."""
    order = "order by object_id, candid, image"
    return _frame(connection, f"select object_id, candid, image, band, reasons from core.stamp_quality {order}")


def verdicts_on_images(connection: duckdb.DuckDBPyConnection) -> "pl.DataFrame":
    """The newest of what people said of each image: object, packet, name, and good or bad."""
    newest = "partition by object_id, candid, image order by judged_at desc nulls last, verdict_id desc"
    return _frame(
        connection,
        "select object_id, candid, image, verdict from raw.verdicts where candid is not null and verdict in ('good', 'bad') "
        f"qualify row_number() over ({newest}) = 1 order by all",
    )


def stamps_of_objects(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Table], ids: Sequence[str]
) -> "Iterator[dict[str, pl.DataFrame]]":
    """Stamps of some objects and what the rules say of them, a few objects at a time."""
    for start in range(0, len(ids), OBJECTS_PER_BATCH):
        yield rows.load(connection, _STAMPS, tables, ids[start : start + OBJECTS_PER_BATCH], {})


def known_models(connection: duckdb.DuckDBPyConnection) -> "pl.DataFrame":
    """Every stored checker without its weights."""
    return _frame(connection, f"select * exclude (weights) from {TABLE} order by model_kind, trained_at")


def store_model(connection: duckdb.DuckDBPyConnection, row: Mapping[str, Any], stages: Sequence[Stage]) -> None:
    """Keep a trained checker beside those there are; it is not chosen yet."""
    stored = {**row, "is_chosen": False, "trained_at": rows.now()}
    connection.register("new_model", rows.to_arrow([stored], rows.arrow_schema(connection, TABLE)))
    rows.require_checked(connection, TABLE, "new_model")
    with transaction(connection):
        connection.execute(f"delete from {TABLE} where model_id = ?", [row["model_id"]])
        connection.execute(f"insert into {TABLE} by name select * from new_model")
        _changed(connection, stages)
    connection.unregister("new_model")


def choose_model(
    connection: duckdb.DuckDBPyConnection, model_id: str | None, kept: Sequence[str], stages: Sequence[Stage]
) -> None:
    """Say which checker scores images (None: none of them), and forget all but those in ``kept``."""
    with transaction(connection):
        among = f"from {TABLE} where not list_contains(?, model_id)"
        gone = connection.execute(f"select model_kind {among}", [list(kept)]).fetchall()
        connection.execute(f"delete {among}", [list(kept)])
        note_removed(connection, TABLE, gone)
        connection.execute(f"update {TABLE} set is_chosen = coalesce(model_id = ?, false)", [model_id])
        connection.execute("delete from core.rejections where stage = ?", [TABLE])
        _changed(connection, stages)


def _changed(connection: duckdb.DuckDBPyConnection, stages: Sequence[Stage]) -> None:
    connection.execute("delete from lineage.contents where asset = ?", [TABLE])
    ledger.hash_rows(connection, TABLE, TABLE, ledger.hashed_column_sets(stages, TABLE), has_objects=False)
    bump_change(connection)


def _frame(connection: duckdb.DuckDBPyConnection, query: str) -> "pl.DataFrame":
    return as_frame(table_of(connection.execute(query)))
