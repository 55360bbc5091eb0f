"""`needle import`: a new home from an exported training set. It trains and reports; nothing lands there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

from needle_assets.exports.folder import ExportError, require_whole
from needle_assets.exports.training_set import FORMAT, KIND
from needle_assets.home import Home
from needle_assets.stages import IMPORTED_STAGES
from needle_assets.warehouse import schema
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.copies.publish import publish
from needle_assets.warehouse.results import exported, models

# Of these a home has the rows; the others are for people.
TAKEN = ("objects", "light_curves", "epochs", "features", "early_features", "stamps", "synthetic_samples")


def import_training_set(home: Home, folder: Path) -> dict[str, Any]:
    """
    Fill a new home from an exported training set, with the settings that it was made by; returns what ``--json`` prints.

    Raises
    ------
    ExportError
        If the folder is no whole export, the home is not new, or what was stored is another training set than the one exported.
    HomeBusyError, WarehouseError
        If the home cannot be used.
    """
    manifest = require_whole(folder, KIND)
    if manifest["format"] != FORMAT:
        raise ExportError(
            f"{folder} has format {manifest['format']}, known here is {FORMAT}; use the needle_assets that wrote it."
        )
    with home.prepare().lock(what="import"):
        _require_new(home)
        home.settings_file.write_text(as_toml(manifest["settings"]), encoding="utf-8")
        home.imported.write_text(manifest["training_set_id"] + "\n", encoding="utf-8")
        try:
            home.remember_preset(home.settings().preset)
            _fill(home, folder, manifest)
        except BaseException:  # a signal too: half a training set is none
            _undo(home)
            raise
    return {
        "home": str(home.path),
        "training_set_id": manifest["training_set_id"],
        "rows": {name: manifest["tables"][name]["n_rows"] for name in TAKEN},
    }


def _require_new(home: Home) -> None:
    used = [path for path in (home.working, home.published, home.settings_file) if path.exists()]
    if used:
        raise ExportError(
            f"{home.path} is in use ({used[0].name} is there); set NEEDLE_HOME to a folder that does not exist yet."
        )


def _undo(home: Home) -> None:
    """A home that could not be filled is new again."""
    paths = (
        home.imported,
        home.settings_file,
        home.state / "preset",
        home.published,
        home.working,
        home.working.with_suffix(".duckdb.wal"),
    )
    for path in paths:
        path.unlink(missing_ok=True)


def _fill(home: Home, folder: Path, manifest: Mapping[str, Any]) -> None:
    with writing(home.working) as connection:
        schema.apply(connection)
        for name in TAKEN:
            exported.take_in(connection, name, _rows(folder, manifest["tables"][name]["files"]))
        exported.settle(connection)
        rows = models.training_rows(connection, IMPORTED_STAGES).filter(~pl.col("is_untouched"))
    if models.training_set_id(rows) != manifest["training_set_id"]:
        raise ExportError(
            f"{folder}: what was stored is not the training set that was exported; please report it. Nothing was kept."
        )
    publish(home.working, home.published, backups=home.backups)


def _rows(folder: Path, files: Sequence[Mapping[str, Any]]) -> pa.RecordBatchReader:
    """The rows of a table, few at a time."""
    table = ds.dataset([folder / file["path"] for file in files])
    return table.scanner(batch_size=exported.ROWS_PER_BATCH, batch_readahead=1, fragment_readahead=1).to_reader()


def as_toml(settings: Mapping[str, Any]) -> str:
    """Nested plain settings as a settings file; what is null is left out."""
    return "\n".join(_section("", settings)) + "\n"


def _section(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    if name:
        yield f"\n[{name}]"
    sections = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    for key, value in values.items():
        if key not in sections and value is not None:
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}"  # what JSON and TOML write alike
    for key, value in sections.items():
        yield from _section(f"{name}.{key}".lstrip("."), value)
