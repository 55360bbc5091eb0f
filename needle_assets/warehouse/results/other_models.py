"""The model of what is none of the classes, in and out of the warehouse, and who can train it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from needle_assets.stages import Stage, stage_named
from needle_assets.warehouse import ledger, rows
from needle_assets.warehouse.connection import as_frame, table_of, transaction
from needle_assets.warehouse.schema import Table, bump_change, note_removed

if TYPE_CHECKING:
    import polars as pl

TABLE = "results.other_models"
# What people call an object counts, not that they want to see more of it; of all who judged it the last counts.
_SAID = """
    select object_id, arg_max(verdict, (coalesce(judged_at, 'epoch'::timestamp), verdict_id)) as verdict from raw.verdicts
    where candid is null and verdict in ('SN', 'SLSN-I', 'TDE', 'other', 'junk') group by object_id"""
CATALOGUE = f"""
    select object_id, o.type, o.label, o.iau_name, o.ra_deg, o.dec_deg, v.verdict,
        object_id in (select object_id from core.identities where label is not null) as is_served
    from raw.objects o full join ({_SAID}) v using (object_id) order by object_id"""
_EPOCHS = ("first_mjd", "peak_mjd", "classification_mjd")


def catalogue(connection: duckdb.DuckDBPyConnection) -> "pl.DataFrame":
    """Type, label, names and place of every object of the catalogue, and what people said of these and of others."""
    return as_frame(table_of(connection.execute(CATALOGUE)))


def frames_of(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Table], ids: Sequence[str]
) -> "dict[str, pl.DataFrame]":
    """What ``core.features`` is made from, of some objects."""
    asked = {**stage_named("core.features").reads, "core.epochs": _EPOCHS, "lineage.objects": ("survey",)}
    return rows.load(connection, asked, tables, ids, {})


def fingerprint(connection: duckdb.DuckDBPyConnection) -> str | None:
    """That of the stored model; None without one."""
    found = connection.execute(f"select fingerprint from {TABLE}").fetchone()
    return str(found[0]) if found else None


def store_model(connection: duckdb.DuckDBPyConnection, row: Mapping[str, Any] | None, stages: Sequence[Stage]) -> None:
    """Keep a trained model in the place of the one before, or none."""
    with transaction(connection):
        gone = connection.execute(f"select model_kind from {TABLE}").fetchall()
        connection.execute(f"delete from {TABLE}")
        if row is None:
            note_removed(connection, TABLE, gone)
        else:
            stored = rows.to_arrow([{**row, "trained_at": rows.now()}], rows.arrow_schema(connection, TABLE))
            connection.register("new_model", stored)
            rows.require_checked(connection, TABLE, "new_model")
            connection.execute(f"insert into {TABLE} by name select * from new_model")
            connection.unregister("new_model")
        connection.execute("delete from lineage.contents where asset = ?", [TABLE])
        ledger.hash_rows(connection, TABLE, TABLE, ledger.hashed_column_sets(stages, TABLE), has_objects=False)
        bump_change(connection)
