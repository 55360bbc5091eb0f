"""What the warehouse said before: as of a day, a run, or a training."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from needle_assets.errors import WarehouseError
from needle_assets.warehouse.connection import Connection, reading, writing
from needle_assets.warehouse.copies.backups import PUBLISHED
from needle_assets.warehouse.lake.history import as_of, moment_of, published
from needle_assets.warehouse.lake.place import Lake, lake_of

FOLDER = "trainings"
# What metrics, and models without stamps, are computed from; of what was computed from stamps the hashes.
_WHOLE = (
    *("core.splits", "core.features", "core.early_features", "core.epochs", "core.synthetic_samples", "results.fold_models"),
    *("results.predictions", "results.metrics", "results.early_metrics", "results.feature_importance"),
)
_PARTS = {
    "results.training_sets": "training_set_id = $id",
    "lineage.contents": "asset in ('core.features', 'core.masked_stamps', 'core.splits')",
    "lineage.ledger": "object_id is null",
}
_JUDGED = (
    "select distinct m.training_set_id from results.fold_models m semi join results.predictions p using (model_id) order by 1"
)


def freeze(working: Path, home: Path) -> list[Path]:
    """
    Keep each training set whose models have scored, with all that its metrics were computed from, as a file of its own; returns the new
    ones. A lake needs none: its snapshots are kept.
    """
    if lake_of(working) is not None:
        return []
    with writing(working) as connection:
        judged = [name for (name,) in connection.execute(_JUDGED).fetchall()]
        new = [path for name in judged if not (path := home / FOLDER / f"{name}.duckdb").exists()]
        for path in new:
            _write(connection, path)
    return new


def _write(connection: Connection, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    quoted = str(partial).replace("'", "''")
    connection.execute(f"attach '{quoted}' as frozen")
    try:
        for name, condition in {**dict.fromkeys(_WHOLE, "true"), **_PARTS}.items():
            connection.execute(f"create schema if not exists frozen.{name.partition('.')[0]}")
            values = {"id": path.stem} if "$id" in condition else {}
            connection.execute(f"create table frozen.{name} as from {name} where {condition}", values)
        connection.execute("checkpoint frozen")
    finally:
        connection.execute("detach frozen")
    partial.chmod(0o444)
    partial.replace(path)


def find(published_file: Path, backups: Path, what: str) -> tuple[Path, int | None]:
    """
    Where readers find the warehouse as it was: a file, or the lake with the number of a snapshot.

    Parameters
    ----------
    published_file, backups : Path
        What readers open of a home, and its folder of kept copies.
    what : str
        A day or moment [UTC], the id of a run (its first letters are enough), or that of a training set.

    Raises
    ------
    WarehouseError
        If nothing that old is kept.
    """
    if (lake := lake_of(published_file)) is not None:
        if (found := as_of(lake, what)) is None:
            raise WarehouseError(f"{lake} keeps nothing of {what}; {_kept_in(lake)}")
        return published_file, found.number
    trainings = published_file.parent / FOLDER
    path = next((path for path in sorted(trainings.glob("*.duckdb")) if path.stem == what), None)
    path = path or next(_files_of(what, published_file, backups), None)
    if path is None:
        ids = ", ".join(sorted(path.stem for path in trainings.glob("*.duckdb"))) or "none"
        raise WarehouseError(
            f"{published_file.parent} keeps nothing of {what}: give a day or a run of a copy that `needle restore --list` names, "
            f"or a training set that was frozen ({ids})."
        )
    return path, None


def _kept_in(lake: Lake) -> str:
    found = published(lake)
    if not found:
        return "nothing is published yet."
    trainings = sorted({name for snapshot in found for name in snapshot.trainings})
    return (
        f"{len(found)} published snapshots are kept, the oldest of {found[-1].at:%Y-%m-%d %H:%M} UTC, with the training sets "
        f"{', '.join(trainings) or 'of nobody'}."
    )


def _files_of(what: str, published_file: Path, backups: Path) -> Iterator[Path]:
    """Published files of a moment (the newest first) or a run (the oldest that knows it first)."""
    kept = sorted(backups.glob(PUBLISHED), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    files = [*([published_file] if published_file.exists() else []), *kept]
    if (moment := moment_of(what)) is not None:
        yield from (path for path in files if _published_at(path) <= moment)
        return
    for path in reversed(files):
        with reading(path) as connection:
            if connection.execute("select 1 from lineage.ledger where starts_with(run_id, ?) limit 1", [what]).fetchone():
                yield path


def _published_at(path: Path) -> dt.datetime:
    return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC).replace(tzinfo=None)
