"""What `needle export` and `needle import` do, apart from parsing and printing."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from needle_assets.home import Home


def run_export_training_set(home: Home, folder: Path, licence: str | None) -> dict[str, Any]:
    """Write the published training set to a folder; returns what ``--json`` prints. Raises ExportError and WarehouseError."""
    from needle_assets.exports.training_set import export_training_set

    return asdict(export_training_set(home.published, home.settings(), folder, licence))


def run_export_model(home: Home, folder: Path) -> dict[str, Any]:
    """Write the deployed models to a folder; returns what ``--json`` prints. Raises ExportError and WarehouseError."""
    from needle_assets.exports.model import export_model

    return asdict(export_model(home.published, home.settings(), folder))


def run_import(home: Home, folder: Path) -> dict[str, Any]:
    """Fill a new home from an exported training set; returns what ``--json`` prints. Raises ExportError and WarehouseError."""
    from needle_assets.exports.importing import import_training_set

    return import_training_set(home, folder)
