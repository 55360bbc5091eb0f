"""What ``needle restore`` does: go back to the published warehouse, or to a kept copy of one."""

import datetime as dt
from pathlib import Path
from typing import Any

from needle_assets.home import Home
from needle_assets.warehouse import exploring, questions
from needle_assets.warehouse.connection import WarehouseError
from needle_assets.warehouse.copies import backups

KINDS = {"needle": "published before", "before-upgrade": "before its schema changed", "replaced": "replaced by a restore"}


def run_restore(home: Home, file: Path | None, *, wait_seconds: float = 0.0) -> dict[str, Any]:
    """
    Make the published warehouse, or a copy of one, the working one; returns what ``--json`` prints.

    Raises
    ------
    WarehouseError, HomeBusyError
        If there is no such file, it cannot be read whole, or the home is in use; nothing is changed then.
    """
    source = _source(home, file)
    with home.prepare().lock(wait_seconds=wait_seconds, what="restore"):
        replaced = backups.restore(source, home.working, home.published, home.backups)
    objects, models, nights = exploring.ask(home.working, questions.HELD)[1][0]
    return {
        "restored": str(source),
        "working": str(home.working),
        "replaced": str(replaced) if replaced else None,
        "objects": objects,
        "models": models,
        "nights": nights,
    }


def _source(home: Home, file: Path | None) -> Path:
    """The file that is meant: a path, or a name in the folder of copies."""
    if file is None:
        if home.published.exists():
            return home.published
        raise WarehouseError(f"{home.published} does not exist; {_choice(home)}")
    found = next((path for path in (file.expanduser(), home.backups / file) if path.is_file()), None)
    if found is None:
        raise WarehouseError(f"{file} is no file; {_choice(home)}")
    if found.resolve() == home.working:
        raise WarehouseError(f"{file} is the working file itself; {_choice(home)}")
    return found.resolve()


def _choice(home: Home) -> str:
    names = [path.name for path in backups.listed(home.backups)]
    return f"name one of {', '.join(names)}." if names else f"there are no copies in {home.backups}."


def copies(home: Home) -> list[dict[str, Any]]:
    """What can be restored, the newest first."""
    published = [home.published] if home.published.exists() else []
    return [
        {
            "file": path.name if path != home.published else str(path),
            "kind": "published" if path == home.published else next(k for n, k in KINDS.items() if path.name.startswith(n)),
            "written_at": f"{dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC):%Y-%m-%d %H:%M:%S}",
            "size_bytes": path.stat().st_size,
        }
        for path in [*published, *backups.listed(home.backups)]
    ]
