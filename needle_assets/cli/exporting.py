"""What `needle export`, `needle import` and `needle send` do, apart from parsing and printing."""

import sys
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


def run_export_candidates(home: Home, form: str, days: float, ids: tuple[str, ...], file: Path | None) -> str:
    """The published candidates as text, or what was written to ``file``. Raises ExportError and WarehouseError."""
    from needle_assets.exports.candidates import export_candidates

    text = export_candidates(home.published, home.settings(), form, days=days, ids=ids or None)
    if file is None:
        return text.rstrip("\n")
    file.write_text(text, encoding="utf-8")
    return f"{file}: {len(text.splitlines())} lines."


def run_import(home: Home, folder: Path) -> dict[str, Any]:
    """Fill a new home from an exported training set; returns what ``--json`` prints. Raises ExportError and WarehouseError."""
    from needle_assets.exports.importing import import_training_set

    return import_training_set(home, folder)


def run_send(home: Home, destination: str, *, live: bool, show: bool = False) -> dict[str, Any]:
    """Tell a destination of new and changed scores; returns what ``--json`` prints. Raises FetchError if it cannot start."""
    from needle_assets.cli.verbs import say_progress
    from needle_assets.fetch import Around
    from needle_assets.pipeline.send import send

    around = Around(progress=lambda progress: say_progress(str(progress))) if show and sys.stderr.isatty() else Around()
    return send(home, home.settings(), destination, live=live, around=around).as_dict()
