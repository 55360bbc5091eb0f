"""Models in and out of the warehouse: the training set in bulk, the models it made, and how far they are behind."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from needle_assets.stages import Stage
from needle_assets.warehouse import ledger
from needle_assets.warehouse.connection import as_frame, table_of, transaction
from needle_assets.warehouse.rows import arrow_schema, now, require_checked, to_arrow
from needle_assets.warehouse.schema import bump_change, note_removed

if TYPE_CHECKING:
    import polars as pl

TABLE, SNAPSHOTS = "results.fold_models", "results.training_sets"
PREDICTIONS = "results.predictions"
STAMP_COLUMNS = ("science", "reference", "science_unmasked", "reference_unmasked", "mask", "science_noise", "reference_noise")
STAMPS_PER_BATCH = 256


@dataclass(frozen=True)
class Behind:
    """How far the models are behind: those trained from another training set than today's, and what has changed since."""

    n_models: int
    n_behind: int
    added: int
    changed: int
    removed: int


def training_rows(connection: duckdb.DuckDBPyConnection, stages: Sequence[Stage]) -> "pl.DataFrame":
    """
    Every object that may train or validate a model, sorted by id: splits with ``row_hash``, which changes with its label, place,
    features or stamps. Nothing else of the warehouse is read for it, so it is cheap.
    """
    hashed = {parent: _columns_read(stages, parent) for parent in ("core.features", "core.masked_stamps")}
    answer = connection.execute(
        "select s.*, md5(concat_ws('|', label, is_hosted, validation_of::varchar, f.content_hash, m.content_hash)) as row_hash "
        "from core.splits s "
        "left join lineage.contents f on f.asset = 'core.features' and f.columns = $features and f.object_id = s.object_id "
        "left join lineage.contents m on m.asset = 'core.masked_stamps' and m.columns = $stamps and m.object_id = s.object_id "
        "order by s.object_id",
        {"features": hashed["core.features"], "stamps": hashed["core.masked_stamps"]},
    )
    return as_frame(table_of(answer))


def _columns_read(stages: Sequence[Stage], parent: str) -> str:
    reader = next((stage for stage in stages if stage.table == PREDICTIONS), None)
    return ledger.columns_key(parent, reader.reads[parent]) if reader and parent in reader.reads else ledger.ALL_COLUMNS


def features_of(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> "pl.DataFrame":
    """Features under ``names`` of every object in core.splits, sorted by id."""
    columns = ", ".join(f"f.{name}" for name in names)
    answer = connection.execute(
        f"select s.object_id, {columns} from core.splits s left join core.features f using (object_id) order by s.object_id"
    )
    return as_frame(table_of(answer))


def early_rows(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> "pl.DataFrame":
    """Features under ``names`` of every object in core.splits as of several moments, sorted by object and time."""
    columns = ", ".join(f"f.{name}" for name in ("object_id", "moment", "as_of_mjd", *names))
    answer = connection.execute(
        f"select {columns} from core.early_features f semi join core.splits using (object_id) order by 1, 3, 2"
    )
    return as_frame(table_of(answer))


def synthetic_rows(connection: duckdb.DuckDBPyConnection) -> "pl.DataFrame":
    """All recipes, sorted by their key."""
    answer = connection.execute("select * from core.synthetic_samples order by model_kind, fold, label, sample")
    return as_frame(table_of(answer))


def stamps(
    connection: duckdb.DuckDBPyConnection, ids: Sequence[str], columns: Sequence[str] = STAMP_COLUMNS
) -> Iterator[dict[str, Any]]:
    """Rows of core.masked_stamps of the named objects, sorted by id, a few hundred in memory at a time."""
    connection.register("wanted_ids", pa.table({"object_id": pa.array(ids, pa.string())}))
    names = ", ".join(("object_id", "target_x_px", "target_y_px", "host_x_px", "host_y_px", *columns))
    reader = connection.execute(
        f"select {names} from core.masked_stamps where object_id in (select object_id from wanted_ids) order by object_id"
    ).to_arrow_reader(STAMPS_PER_BATCH)
    for batch in reader:
        arrays = {name: _pixels(batch.column(name)) for name in columns}
        for k, row in enumerate(batch.drop_columns(list(columns)).to_pylist()):
            yield {**row, **{name: values[k] for name, values in arrays.items()}}
    connection.unregister("wanted_ids")


def _pixels(column: pa.Array) -> Sequence[np.ndarray]:
    assert column.null_count == 0, "flattened, a missing image would move the pixels of all that follow"
    if pa.types.is_fixed_size_list(column.type):
        return list(np.asarray(column.flatten().to_numpy(zero_copy_only=False)).reshape(len(column), -1))
    return [np.asarray(values.values.to_numpy(zero_copy_only=False)) for values in column]


def known_models(connection: duckdb.DuckDBPyConnection) -> "pl.DataFrame":
    """Every stored model without its weights and without the objects that had a part in it."""
    left_out = "weights, trained_ids, validated_ids, parent_ids, scaled_ids"
    answer = connection.execute(f"select * exclude ({left_out}) from {TABLE} order by ablation, model_kind, fold")
    return as_frame(table_of(answer))


def store_snapshot(
    connection: duckdb.DuckDBPyConnection, training_set_id: str, rows: "pl.DataFrame", stages: Sequence[Stage]
) -> None:
    """Keep who is in a training set; ``rows`` from :func:`training_rows`, untouched ones left out."""
    connection.register(
        "snapshot_rows", rows.select("object_id", "label", "validation_of", "rule", "row_hash", "other_ids").to_arrow()
    )
    with transaction(connection):
        connection.execute(f"delete from {SNAPSHOTS} where training_set_id = ?", [training_set_id])
        connection.execute(
            f"insert into {SNAPSHOTS} by name select ? as training_set_id, * from snapshot_rows", [training_set_id]
        )
        _rehash(connection, SNAPSHOTS, stages, has_objects=True)
        bump_change(connection)
    connection.unregister("snapshot_rows")


def store_model(connection: duckdb.DuckDBPyConnection, row: Mapping[str, Any], stages: Sequence[Stage]) -> None:
    """Keep a trained model in the place of the one before."""
    stored = {**row, "trained_at": now()}
    connection.register("new_model", to_arrow([stored], arrow_schema(connection, TABLE)))
    require_checked(connection, TABLE, "new_model")
    with transaction(connection):
        connection.execute(
            f"delete from {TABLE} where ablation = ? and model_kind = ? and fold = ?",
            [row["ablation"], row["model_kind"], row["fold"]],
        )
        connection.execute(f"insert into {TABLE} by name select * from new_model")
        _rehash(connection, TABLE, stages, has_objects=False)
        bump_change(connection)
    connection.unregister("new_model")


def adopt_snapshot(
    connection: duckdb.DuckDBPyConnection, training_set_id: str, model_ids: Sequence[str], stages: Sequence[Stage]
) -> None:
    """Say that models whose training rows are unchanged belong to this snapshot; forget snapshots no model refers to."""
    with transaction(connection):
        connection.execute(
            f"update {TABLE} set training_set_id = ? where list_contains(?, model_id)", [training_set_id, list(model_ids)]
        )
        connection.execute(f"delete from {SNAPSHOTS} where training_set_id not in (select training_set_id from {TABLE})")
        _rehash(connection, TABLE, stages, has_objects=False)
        _rehash(connection, SNAPSHOTS, stages, has_objects=True)
        bump_change(connection)


def remove_models(connection: duckdb.DuckDBPyConnection, model_ids: Sequence[str], stages: Sequence[Stage]) -> None:
    """Forget models that nothing would train any more."""
    with transaction(connection):
        among = f"from {TABLE} where list_contains(?, model_id)"
        gone = connection.execute(f"select ablation, model_kind, fold {among}", [list(model_ids)]).fetchall()
        connection.execute(f"delete {among}", [list(model_ids)])
        note_removed(connection, TABLE, gone)
        _rehash(connection, TABLE, stages, has_objects=False)
        bump_change(connection)


def behind(connection: duckdb.DuckDBPyConnection, stages: Sequence[Stage]) -> Behind:
    """How far the stored models are behind: objects that are new, changed or gone since the newest snapshot."""
    import polars as pl

    rows = training_rows(connection, stages).filter(~pl.col("is_untouched"))
    models = known_models(connection)
    if models.is_empty():
        return Behind(0, 0, len(rows), 0, 0)
    newest = models.sort("trained_at")["training_set_id"][-1]
    answer = connection.execute(f"select object_id, row_hash from {SNAPSHOTS} where training_set_id = ?", [newest])
    then = dict(as_frame(table_of(answer)).iter_rows())
    now_rows = dict(rows.select("object_id", "row_hash").iter_rows())
    today = training_set_id(rows)
    return Behind(
        n_models=len(models),
        n_behind=int((models["training_set_id"] != today).sum()),
        added=len(now_rows.keys() - then.keys()),
        changed=sum(then[object_id] != row_hash for object_id, row_hash in now_rows.items() if object_id in then),
        removed=len(then.keys() - now_rows.keys()),
    )


def training_set_id(rows: "pl.DataFrame") -> str:
    """Hash of a snapshot's rows, from :func:`training_rows` without untouched ones."""
    text = "\n".join(f"{object_id} {row_hash}" for object_id, row_hash in rows.select("object_id", "row_hash").iter_rows())
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _rehash(connection: duckdb.DuckDBPyConnection, table: str, stages: Sequence[Stage], *, has_objects: bool) -> None:
    connection.execute("delete from lineage.contents where asset = ?", [table])
    ledger.hash_rows(connection, table, table, ledger.hashed_column_sets(stages, table), has_objects=has_objects)
