"""`needle export training-set`: a frozen training set as Parquet, which opens without this package; the same bytes each time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from needle_assets.exports.croissant import croissant
from needle_assets.exports.data_card import data_card
from needle_assets.exports.folder import MANIFEST, ExportError, sha256_of, write_json, written
from needle_assets.settings import Settings, as_nested_dict
from needle_assets.stages import IMPORTED_STAGES
from needle_assets.surveys.known import is_simulated
from needle_assets.warehouse.connection import Connection, reading
from needle_assets.warehouse.results import exported, models

KIND = "training set"
FORMAT = 1
# Rows of a file, and of what is read of it at once: those of stamps are 73 kB each.
ROWS_PER_SHARD = {"stamps": 512}
ROWS_PER_GROUP = {"stamps": 64}
ROWS_PER_SHARD_ELSE, ROWS_PER_GROUP_ELSE = 262_144, 16_384
# Enough to sort all but the stamps; the rest of it would only keep parts of the file that are not read again.
MEMORY_LIMIT = "300MB"
# What says how a home is run, not what is in it.
NOT_SCIENCE = ("schedule", "publishing", "compute", "dagster", "warehouse", "fetch", "send", "landing")


@dataclass(frozen=True)
class ExportReport:
    """What was written."""

    folder: str
    training_set_id: str
    rows: Mapping[str, int]
    n_files: int
    n_bytes: int


def export_training_set(published: Path, settings: Settings, target: Path, licence: str | None = None) -> ExportReport:
    """
    Write the training set of a published warehouse to a folder.

    Parameters
    ----------
    published : Path
        The warehouse that people read.
    settings : Settings
        Of its home; they go along.
    target : Path
        Made, or put in the place of an earlier export.
    licence : str, optional
        Under which others may use it, such as CC-BY-4.0; to be filled in by hand if left out.

    Raises
    ------
    ExportError, WarehouseError
        If nothing is labelled yet, the folder holds something else, or the warehouse cannot be read.
    """
    with reading(published, memory_limit=MEMORY_LIMIT) as connection:
        identity = _identity(connection, published)
        with written(target, KIND) as folder:
            tables = {name: _table(connection, name, folder) for name in exported.TABLES}
            manifest = {
                "kind": KIND,
                "format": FORMAT,
                "training_set_id": identity,
                "licence": licence,
                "is_simulated": _is_simulated(folder),
                "counts": exported.counted(connection),
                "origins": exported.origins(connection),
                "settings": _science(settings),
                "tables": tables,
            }
            write_json(folder / MANIFEST, manifest)
            write_json(folder / "croissant.json", croissant(manifest))
            (folder / "README.md").write_text(data_card(manifest), encoding="utf-8")
    files = [path for path in target.rglob("*") if path.is_file()]
    rows = {name: table["n_rows"] for name, table in tables.items()}
    return ExportReport(str(target), identity, rows, len(files), sum(path.stat().st_size for path in files))


def _identity(connection: Connection, published: Path) -> str:
    rows = models.training_rows(connection, IMPORTED_STAGES)
    if rows.is_empty():
        raise ExportError(f"{published} holds no labelled objects; run `needle refresh` first.")
    return models.training_set_id(rows.filter(~pl.col("is_untouched")))


def _science(settings: Settings) -> dict[str, Any]:
    return {name: value for name, value in as_nested_dict(settings).items() if name not in NOT_SCIENCE}


def _is_simulated(folder: Path) -> bool:
    ids = pl.read_parquet(folder / "objects" / "*.parquet", columns=["object_id"])["object_id"]
    return any(map(is_simulated, ids))


def _table(connection: Connection, name: str, folder: Path) -> dict[str, Any]:
    """Write one table; returns what the manifest says of it."""
    meanings = exported.described(name)
    reader = exported.batches(connection, name)
    files = list(_shards(reader, name, folder))
    return {
        "what": exported.TABLES[name].what,
        "n_rows": sum(file["n_rows"] for file in files),
        "columns": [{"name": of.name, "type": str(of.type), "what": meanings.get(of.name, "")} for of in reader.schema],
        "files": [{**file, "path": f"{name}/{file['path']}"} for file in files],
    }


def _shards(reader: pa.RecordBatchReader, name: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Write files of equally many rows; yields of each what the manifest says."""
    per_shard, per_group = ROWS_PER_SHARD.get(name, ROWS_PER_SHARD_ELSE), ROWS_PER_GROUP.get(name, ROWS_PER_GROUP_ELSE)
    (folder / name).mkdir()
    groups, number, more = _groups(reader, per_group), 0, True
    while more:
        path = folder / name / f"part-{number:05d}.parquet"
        with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
            n_rows, more = _fill(writer, groups, per_shard)
        if n_rows or number == 0:
            yield {"path": path.name, "n_rows": n_rows, "n_bytes": path.stat().st_size, "sha256": sha256_of(path)}
        else:
            path.unlink()
        number += 1


def _fill(writer: pq.ParquetWriter, groups: Iterator[pa.Table], per_shard: int) -> tuple[int, bool]:
    """Write groups until the file is full; how many rows that were, and whether it is full."""
    n_rows = 0
    for group in groups:
        writer.write_table(group)
        n_rows += len(group)
        if n_rows >= per_shard:
            return n_rows, True
    return n_rows, False


def _groups(reader: pa.RecordBatchReader, size: int) -> Iterator[pa.Table]:
    """The rows in groups of exactly ``size``, whatever the batches they come in; the last holds the rest."""
    waiting: list[pa.RecordBatch] = []
    for batch in reader:
        waiting.append(batch)
        while sum(map(len, waiting)) >= size:
            together = pa.Table.from_batches(waiting).combine_chunks()
            yield together.slice(0, size)
            waiting = together.slice(size).to_batches()
    rest: Sequence[pa.RecordBatch] = [batch for batch in waiting if len(batch)]
    if rest:
        yield pa.Table.from_batches(rest)
