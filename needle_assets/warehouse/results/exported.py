"""A training set out of one warehouse and into another: row by row, in an order that never changes, a few at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from needle_assets.stages import IMPORTED, STAGES
from needle_assets.surveys.known import survey_name_of_id
from needle_assets.warehouse import ledger
from needle_assets.warehouse.connection import WarehouseError, cursor_of, transaction
from needle_assets.warehouse.dictionary import column_comments
from needle_assets.warehouse.rows import arrow_schema, now
from needle_assets.warehouse.schema import bump_change, columns_of, read_tables

ROWS_PER_BATCH = 256
FOLD_MODELS = "results.fold_models"
_LABELLED = "semi join core.splits using (object_id)"
# What an object is: its catalogue row (with the source of its label) beside its place in the splits.
_OBJECTS = "select o.*, s.* exclude (object_id, label) from raw.objects o join core.splits s using (object_id) order by object_id"


@dataclass(frozen=True)
class Exported:
    """A table of an exported training set: the question that it answers, and the tables whose columns it has.

    ``pages``, if given, asks for the ids in their order, a few hundred of which at a time become the parameters of the question:
    DuckDB would hold all pixels in memory to sort their rows.
    """

    query: str
    tables: tuple[str, ...]
    what: str
    pages: str | None = None


def _of(table: str, what: str, key: str, *, among: str = _LABELLED) -> Exported:
    return Exported(f"select t.* from {table} t {among} order by {key}", (table,), what)


TABLES: Mapping[str, Exported] = {
    "objects": Exported(
        _OBJECTS,
        ("raw.objects", "core.splits"),
        "One row per labelled object: its label and the source of it, its fold and whether it is untouched.",
    ),
    "light_curves": _of("core.light_curves", "One row per clean epoch of an object.", "object_id, band, mjd"),
    "epochs": _of("core.epochs", "One row per object: first detection, peak and classification epoch.", "object_id"),
    "features": _of(
        "core.features", "One row per object: its features as of the classification epoch; null is missing.", "object_id"
    ),
    "early_features": _of(
        "core.early_features", "One row per object and moment: its features as of that moment.", "object_id, as_of_mjd, moment"
    ),
    "stamps": Exported(
        "select * from core.masked_stamps where object_id between $first and $last and list_contains($ids, object_id)",
        ("core.masked_stamps",),
        "One row per object that has a good pair of stamps: 60 x 60 pixels, row by row, masked and as observed.",
        pages=f"select object_id from core.masked_stamps {_LABELLED} order by object_id",
    ),
    "synthetic_samples": _of(
        "core.synthetic_samples",
        "One row per synthetic sample: its parents, the recipe of its stamps and its features.",
        "model_kind, fold, label, sample",
        among="",
    ),
    "packets": Exported(
        f"select object_id, candid, jd, sha256 from raw.alerts {_LABELLED} order by object_id, candid, sha256",
        ("raw.alerts",),
        "One row per alert packet that an object was made from.",
    ),
}


def batches(connection: duckdb.DuckDBPyConnection, name: str) -> pa.RecordBatchReader:
    """The rows of a table of an exported training set, sorted by its key, a few hundred in memory at a time."""
    table = TABLES[name]
    if table.pages is None:
        return connection.execute(table.query).to_arrow_reader(ROWS_PER_BATCH)
    ids = [row[0] for row in connection.execute(table.pages).fetchall()]
    schema = arrow_schema(connection, table.tables[0])
    return pa.RecordBatchReader.from_batches(schema, _paged(cursor_of(connection), table.query, ids, schema))


def _paged(connection: duckdb.DuckDBPyConnection, query: str, ids: Sequence[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(ids), ROWS_PER_BATCH):
        page = connection.execute(query, _page(ids[start : start + ROWS_PER_BATCH])).to_arrow_table(ROWS_PER_BATCH)
        yield from page.cast(schema).sort_by("object_id").combine_chunks().to_batches()  # a lake gives lists


def _page(ids: Sequence[str]) -> dict[str, Any]:
    return {"first": ids[0], "last": ids[-1], "ids": list(ids)}


def described(name: str) -> dict[str, str]:
    """What the columns of an exported table mean, by their names."""
    return {column: text for table in TABLES[name].tables for column, _, text in column_comments()[table]}


def counted(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """How many objects of each label there are: hosted, with a pair of stamps, untouched; and how many of them are simulated."""
    return _records(
        connection,
        "select label, count(*) as objects, count(*) filter (is_hosted) as hosted, count(*) filter (has_good_pair) as with_stamps, "
        "count(*) filter (is_untouched) as untouched from core.splits group by 1 order by 1",
    )


def origins(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """From which packets and by which code: ``n_packets``, ``first_jd``, ``last_jd``, ``surveys``, ``commits``, ``code_versions``."""
    packets = f"select count(*) as n_packets, min(jd) as first_jd, max(jd) as last_jd from raw.alerts {_LABELLED}"
    tables = ", ".join(f"'{table}'" for table in IMPORTED)
    of = f"from lineage.ledger where asset in ({tables})"
    named = "select list_sort(list(distinct {0})) as found {1}"
    return {
        **_records(connection, packets)[0],
        "surveys": _records(connection, named.format("survey", f"from lineage.objects {_LABELLED}"))[0]["found"] or [],
        "commits": _records(connection, named.format("git_sha", f"{of} and git_sha is not null"))[0]["found"] or [],
        "code_versions": {stage.table: stage.code_version for stage in STAGES if stage.table in IMPORTED},
    }


def _records(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    result = connection.execute(query)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


# -- into a new home ---------------------------------------------------------------------------------------------------


def take_in(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.RecordBatchReader) -> None:
    """
    Store the rows of an exported table, a batch at a time.

    Raises
    ------
    WarehouseError
        If columns are missing, or rows break what a table asks of its rows.
    """
    given = rows.schema.names
    connection.register("given_rows", rows.read_all() if len(TABLES[name].tables) > 1 else rows)
    try:
        for table in TABLES[name].tables:
            columns = columns_of(connection, table)
            _require(name, [column for column in columns if column not in given])
            chosen = ", ".join(f'"{column}"' for column in columns)
            connection.execute(f"insert into {table} by name select {chosen} from given_rows")
    except (duckdb.ConversionException, duckdb.ConstraintException) as error:
        raise WarehouseError(f"{name}: its rows cannot be stored ({str(error).splitlines()[0]}); export it again.") from error
    finally:
        connection.unregister("given_rows")


def _require(name: str, missing: Sequence[str]) -> None:
    if missing:
        raise WarehouseError(
            f"{name} of this export lacks {', '.join(missing)}, which this version of needle_assets needs; export it again with the "
            "version that imports it, or import it with the version that its README names."
        )


def settle(connection: duckdb.DuckDBPyConnection) -> None:
    """Say which objects there are and what was taken in, so that the home can tell what is stale."""
    ids = [row[0] for row in connection.execute("select object_id from core.splits order by 1").fetchall()]
    surveys = [survey_name_of_id(object_id) or "ztf" for object_id in ids]
    told = pa.table({"object_id": ids, "survey": surveys, "landed_at": [now()] * len(ids)})
    tables = read_tables()
    connection.register("told_objects", told)
    with transaction(connection):
        connection.execute("insert into lineage.objects by name select * from told_objects")
        for table in IMPORTED:
            columns = ledger.hashed_column_sets(STAGES, table)
            ledger.hash_rows(connection, table, table, columns, has_objects="object_id" in tables[table].create)
        bump_change(connection)
    connection.unregister("told_objects")


# -- models ------------------------------------------------------------------------------------------------------------


def models_of(connection: duckdb.DuckDBPyConnection, ablations: Sequence[str]) -> list[dict[str, Any]]:
    """Every stored model of some ablations, with its weights, sorted."""
    return _records(
        connection,
        "select * exclude (trained_ids, validated_ids, parent_ids, scaled_ids, history_training_loss, history_validation_loss) "
        f"from {FOLD_MODELS} where ablation in ({', '.join(repr(name) for name in ablations)}) order by ablation, model_kind, fold",
    )


def measured(connection: duckdb.DuckDBPyConnection, ablation: str, model_kind: str) -> list[dict[str, Any]]:
    """What stands in results.metrics of an ensemble, for its card; the temperature among it."""
    chosen = "metric in ('pr_area', 'temperature') or metric in ('purity', 'completeness_all') and threshold = 0.5 and class is not null"
    return _records(
        connection,
        'select "set", metric, class, threshold, value, ci_low, ci_high, n, reason, warning, is_simulated from results.metrics '
        f"where ablation = '{ablation}' and model_kind = '{model_kind}' and aggregate = 'ensemble' and ({chosen}) order by all",
    )


def an_object(connection: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
    """Features and masked stamps of the first labelled hosted object that has both."""
    found = _records(
        connection,
        "select f.*, m.science, m.reference from core.features f join core.masked_stamps m using (object_id) "
        "join core.splits s using (object_id) where is_hosted order by object_id limit 1",
    )
    return found[0] if found else None
