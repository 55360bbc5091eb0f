"""Takes a warehouse from its file into a lake, or back, row for row; what it is taken from stays as it is."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from needle_assets.errors import WarehouseError
from needle_assets.home import Home, remember_place
from needle_assets.warehouse import schema
from needle_assets.warehouse.connection import Connection, transaction, writing
from needle_assets.warehouse.copies import backups, comparing
from needle_assets.warehouse.copies.publish import publish
from needle_assets.warehouse.lake import attached
from needle_assets.warehouse.lake.alone import alone
from needle_assets.warehouse.lake.place import Lake, lake_of

# Says in a warehouse that is being filled that it is not whole.
FILLING = "filling"

Progress = Callable[[str, int, int], None]


def move(home: Home, wanted: dict[str, str] | None, progress: Progress) -> dict[str, Any]:
    """
    Take a home's tables into the lake ``wanted``, or (None) into its file, and publish them there.

    Raises
    ------
    WarehouseError
        If something lies there already, or what arrived is not what was sent; the home stays as it was.
    """
    lake = lake_of(home.working) if wanted is None else Lake(wanted["catalogue"], wanted["data"], home.state / "spilled")
    assert lake is not None
    with alone(lake, what="copy of the warehouse"):
        if wanted is None:
            tables, rows = into_file(home.working, copy := home.working.with_name("copied.duckdb"), progress)
            kept = str(lake)
            copy.replace(home.working)
        else:
            tables, rows = into_lake(home.working, lake, progress)
            kept = str(_set_file_aside(home))
    remember_place(home, wanted)  # last: killed before, the same command does it again or finds it done
    publish(home.working, home.published, backups=home.backups)
    return {"tables": tables, "rows": rows, "now_in": str(lake_of(home.working) or home.working), "kept": kept}


def _set_file_aside(home: Home) -> Path | None:
    """The file is kept among the copies; nobody shall take it for what is published now."""
    kept = backups.set_aside(home.working, home.backups)
    with suppress(FileNotFoundError):
        home.published.unlink()
    return kept


def into_lake(working: Path, lake: Lake, progress: Progress) -> tuple[int, int]:
    """
    Copy a home's rows from its file into a lake that holds nothing; returns how many tables and rows there are now, each equal.

    Raises
    ------
    WarehouseError
        If the lake holds a warehouse already, or what is there afterwards is not what was copied.
    """
    with writing(working) as connection:
        _require_current(connection, working)
        schema.settle(connection)
    target = attached.attached(lake)
    try:
        quoted = str(working).replace("'", "''")
        target.execute(f"attach '{quoted}' as source (read_only)")
        return _filled(target, str(lake), progress)
    finally:
        target.close()


def into_file(working: Path, copy: Path, progress: Progress) -> tuple[int, int]:
    """The same from a lake into the new file ``copy``."""
    lake = lake_of(working)
    assert lake is not None
    with writing(working) as connection:
        _require_current(connection, working)
    for left_over in (copy, copy.with_name(copy.name + ".wal")):
        left_over.unlink(missing_ok=True)
    with writing(copy) as target:
        attached.attach(target, lake, "source")
        done = _filled(target, str(copy), progress)
        target.execute("detach source")
        schema.settle(target)
    return done


def _require_current(connection: Connection, working: Path) -> None:
    if not schema.is_current(connection):
        raise WarehouseError(f"{working} was written by another version of needle_assets; run `needle refresh`, then copy it.")


def _filled(target: Connection, name: str, progress: Progress) -> tuple[int, int]:
    if schema.version(target) and not _is_filling(target):
        raise WarehouseError(f"{name} holds a warehouse already; name an empty place, or remove what lies there.")
    schema.apply(target)
    tables = schema.read_tables()
    _begin(target, tables)
    for done, table in enumerate(tables.values(), start=1):
        progress("tables", done, len(tables))
        if table.name != "lineage.state":
            columns = ", ".join(f'"{column}"' for column in schema.column_names(table))
            target.execute(f"insert into {table.name} by name select {columns} from source.{table.name}")
    with transaction(target):  # last, as this says that it is whole
        target.execute("delete from lineage.state")
        target.execute("insert into lineage.state by name select name, value from source.lineage.state")
    held = comparing.content(target, is_exact=True)
    if found := comparing.differences(comparing.content(target, is_exact=True, catalog="source"), held):
        _begin(target, {})
        raise WarehouseError(f"{name} does not hold what was copied ({'; '.join(found)}); nothing was changed, please report it.")
    return len(held), sum(n for n, _ in held.values())


def _is_filling(target: Connection) -> bool:
    return target.execute("select 1 from lineage.state where name = ?", [FILLING]).fetchone() is not None


def _begin(target: Connection, tables: dict[str, schema.Table]) -> None:
    """Empty tables that an earlier attempt may have filled, and say that they are being filled."""
    with transaction(target):
        for name in tables:
            if name != "lineage.state":
                target.execute(f"delete from {name}")
        target.execute("delete from lineage.state where name = ?", [FILLING])
        target.execute("insert into lineage.state values (?, 'by needle warehouse copy')", [FILLING])
