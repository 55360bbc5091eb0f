"""What a new version of the warehouse lacks of the one before, of rows that no input brings back."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from needle_assets.warehouse import schema
from needle_assets.warehouse.connection import attach_published
from needle_assets.warehouse.results import sent

# The columns by which a row lives on: a model by its place, as training puts a new one there; a night by its run.
KEYS: Mapping[str, tuple[str, ...]] = {
    "lineage.nights": ("run_id",),
    "results.fold_models": ("ablation", "model_kind", "fold"),
    "results.other_models": ("model_kind",),
    "results.quality_models": ("model_kind",),
    "results.candidates": ("object_id", "as_of_mjd"),
    "results.sent": ("message_id",),
    "results.training_sets": ("training_set_id",),
}
WHAT = {
    "lineage.nights": "nights",
    "results.fold_models": "trained classifiers",
    "results.other_models": "trained models of what is none of the classes",
    "results.quality_models": "trained quality checkers",
    "results.candidates": "scores of candidates",
    "results.sent": "sent messages",
    "results.training_sets": "snapshots of training sets",
}
# A score goes when a newer one says something of the same epoch or an earlier one.
SCORES = """
    select count(*) from gone left join (
        select object_id, min(as_of_mjd) as first_mjd from (select * from now anti join before using (object_id, as_of_mjd)) group by 1
    ) fresh using (object_id) where first_mjd is null or first_mjd > as_of_mjd"""
# A snapshot is kept as long as a model refers to it.
SNAPSHOTS = "select count(*) from gone where training_set_id in (select training_set_id from results.fold_models)"
COUNTED = {"results.candidates": SCORES, "results.training_sets": SNAPSHOTS}


def take_over_sent(connection: duckdb.DuckDBPyConnection, published: Path) -> None:
    """Add the sent messages that only the published file holds: they are told, whatever copy the open database was made of."""
    with _beside(connection, published) as catalog:
        sent.take_over(connection, catalog)


def lost(connection: duckdb.DuckDBPyConnection, published: Path) -> list[str]:
    """What the published file holds and the open database does not, such as "3 trained classifiers"; empty if nothing is lost."""
    tables = schema.read_tables()
    with _beside(connection, published) as catalog:
        counts = {name: _lost_rows(connection, catalog, name, keys, tables) for name, keys in KEYS.items()}
    return [f"{count} {WHAT[name]}" for name, count in counts.items() if count]


def _lost_rows(
    connection: duckdb.DuckDBPyConnection, catalog: str, name: str, keys: Sequence[str], tables: Mapping[str, schema.Table]
) -> int:
    table = tables[name]
    stored = schema.stored_name(connection, table, tables, catalog)
    columns = schema.stored_columns(connection, table, stored, catalog) if stored else {}
    if not set(keys) <= columns.keys():
        return 0
    then, today = ", ".join(f'"{columns[key]}" as "{key}"' for key in keys), ", ".join(f'"{key}"' for key in keys)
    removed = " || '|' || ".join([f"'{schema.REMOVED}{name}'", *(f'"{key}"::varchar' for key in keys)])
    row = connection.execute(
        f"with before as (select distinct {then} from {catalog}.{stored}), now as (select distinct {today} from {name}), "
        f"gone as (select * from before anti join now using ({today}) "
        f"where {removed} not in (select name from lineage.state)) {COUNTED.get(name, 'select count(*) from gone')}"
    ).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def _beside(connection: duckdb.DuckDBPyConnection, published: Path) -> Iterator[str]:
    attach_published(connection, published, "published_before")
    try:
        yield "published_before"
    finally:
        connection.execute("detach published_before")
