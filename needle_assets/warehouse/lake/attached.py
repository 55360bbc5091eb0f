"""
Attaches a lake: one connection a process for whoever writes, one for whoever reads what is published.

Attaching costs a tenth of a second to two seconds, so both stay for the life of the process, and every use gets a cursor.
"""

import os
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from needle_assets.errors import NeedleError, WarehouseError
from needle_assets.warehouse.connection import MEMORY_LIMIT, THREADS
from needle_assets.warehouse.lake import PUBLISHED
from needle_assets.warehouse.lake.place import Lake

_PACKAGES = {"postgres": "postgres_scanner", "sqlite": "sqlite_scanner"}
_LOOKER = "looker"
_kept: dict[tuple[Lake, str], duckdb.DuckDBPyConnection] = {}
_lock = threading.RLock()

Connection = duckdb.DuckDBPyConnection


def writer(lake: Lake) -> Connection:
    """A cursor that sees the newest snapshot and may write."""
    with _lock:
        if (lake, "") not in _kept:
            _kept[lake, ""] = attached(lake)
        return _cursor(_kept[lake, ""])


def reader(lake: Lake, snapshot: int, *, may_spill: bool = True) -> Connection:
    """A cursor that sees one snapshot, writes nothing and reaches no other file or address."""
    name = f"{snapshot} {may_spill}"
    with _lock:
        if (lake, name) not in _kept:
            _forget(lake, but=("", _LOOKER))
            _kept[lake, name] = locked(attached(lake, snapshot), lake, may_spill=may_spill)
        return _cursor(_kept[lake, name])


def let_go(lake: Lake) -> None:
    """Attach anew at the next use: after an error the server, or a connection to it, may be gone."""
    with _lock:
        _forget(lake)


def _forget(lake: Lake, but: Sequence[str] = ()) -> None:
    for key in [key for key in _kept if key[0] == lake and key[1] not in but]:
        del _kept[key]  # closed with the last cursor of it


def _cursor(connection: Connection) -> Connection:
    cursor = connection.cursor()
    cursor.execute("use needle")
    return cursor


def looker(lake: Lake) -> Connection:
    """A cursor that asks of the catalogue: the writer's, if there is one, else one that may only read."""
    with _lock:
        if (lake, "") in _kept:
            return writer(lake)
        if (lake, _LOOKER) not in _kept:
            _kept[lake, _LOOKER] = attached(lake, may_write=False)
        return _cursor(_kept[lake, _LOOKER])


def newest_published(lake: Lake) -> int | None:
    """The snapshot that was published last; None while nothing is."""
    found = looker(lake).execute(
        "select max(snapshot_id) from __ducklake_metadata_needle.ducklake_snapshot_changes where commit_message = ?", [PUBLISHED]
    )
    row = found.fetchone()
    return int(row[0]) if row and row[0] is not None else None


def attached(lake: Lake, snapshot: int | None = None, *, may_write: bool = True) -> Connection:
    """
    A connection of its own to a lake, to be closed by whoever asked; read-only where a snapshot is named.

    Raises
    ------
    WarehouseError
        If the packages are missing, or the catalogue cannot be reached.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": THREADS,
        "memory_limit": MEMORY_LIMIT,
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "temp_directory": str(lake.spill),
    }
    connection = duckdb.connect(config=config)
    try:
        attach(connection, lake, "needle", snapshot, may_write=may_write)
        connection.execute("use needle")
    except duckdb.Error as error:
        connection.close()
        raise unreachable(lake, error) from error
    except NeedleError:
        connection.close()
        raise
    return connection


def attach(connection: Connection, lake: Lake, name: str, snapshot: int | None = None, *, may_write: bool = True) -> None:
    """Attach a lake to an open connection under ``name``."""
    for package in ("ducklake", _PACKAGES[lake.kind]):
        connection.execute(f"load '{_extension(package)}'")
    prepare_files(connection, lake)
    pinned = "" if snapshot is None else f", snapshot_version {snapshot}"
    pinned += "" if may_write and snapshot is None else ", read_only"
    catalogue, data = (text.replace("'", "''") for text in (lake.catalogue, lake.data))
    connection.execute(f"attach 'ducklake:{catalogue}' as {name} (data_path '{data}'{pinned})")


def prepare_files(connection: Connection, lake: Lake) -> None:
    """Let a connection reach the files of a lake: those in a folder it reaches anyway."""
    if lake.data.startswith("s3://"):
        connection.execute(f"load '{_extension('httpfs')}'")
        if secret := _secret():
            connection.execute(f"create or replace secret (type s3, {secret})")


def locked(connection: Connection, lake: Lake, *, may_spill: bool) -> Connection:
    """The same connection, from which nothing but the lake can be reached, whatever is asked."""
    if not may_spill:
        connection.execute("set temp_directory = ''")
    connection.execute("set autoload_known_extensions = false")
    quoted = lake.data.replace("'", "''")
    connection.execute(f"set allowed_directories = ['{quoted}']")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def unreachable(lake: Lake, error: duckdb.Error) -> WarehouseError:
    """What an error of a lake means for whoever gave the command."""
    text = " ".join(str(error).split("\n\nLINE ")[0].split())
    return WarehouseError(
        f"{lake} cannot be used ({text[:300].rstrip('.')}); what was stored before is kept. See that catalogue and data can be "
        "reached from here, and that the credentials in the environment are right, then run the command again."
    )


def _extension(package: str) -> Path:
    """The file of an extension that came as a Python package: nothing is ever installed from elsewhere."""
    spec = find_spec(f"duckdb_extension_{package}")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [path for folder in folders for path in Path(folder).glob(f"extensions/v{duckdb.__version__}/*.duckdb_extension")]
    if not found:
        raise WarehouseError(
            f"this home lies in a lake, and DuckDB {duckdb.__version__} lacks its extension {package} for that; install it with "
            f"`pip install 'needle_assets[lake]' duckdb-extension-{package.replace('_', '-')}=={duckdb.__version__}`."
        )
    return found[0]


def _secret() -> str:
    """What the environment says of how S3 is asked, in DuckDB's words; nothing if it says nothing, and DuckDB's own secrets count."""
    given = {
        "key_id": os.environ.get("AWS_ACCESS_KEY_ID"),
        "secret": os.environ.get("AWS_SECRET_ACCESS_KEY"),
        "session_token": os.environ.get("AWS_SESSION_TOKEN"),
        "region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
    }
    parts = {name: f"'{value}'" for name, value in given.items() if value}
    if parts and (url := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")):
        found = urlsplit(url)
        parts |= {
            "endpoint": f"'{found.netloc}'",
            "url_style": "'path'",
            "use_ssl": str(found.scheme == "https").lower(),
        }
    return ", ".join(f"{name} {value}" for name, value in parts.items())
