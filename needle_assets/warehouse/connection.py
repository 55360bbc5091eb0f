"""Opens the database. Nothing else in the project does. Nobody holds it while something long is computed."""

import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from needle_assets.errors import DamagedWarehouseError, WarehouseError
from needle_assets.processes.stopping import signals_held
from needle_assets.warehouse.lake.place import Lake, lake_of
from needle_assets.warehouse.lake.tables import is_lake

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

OPEN_ATTEMPT_SECONDS = 60.0
# More than one transaction writes. DuckDB 1.5 aborts the process, without a word, when the disk fills up within a commit.
MIN_FREE_BYTES = 128_000_000
# DuckDB sets 28 MiB aside for each column of stamps in each step of a query and each thread, though it fills little of it.
MEMORY_LIMIT = "1000MB"
THREADS = 1
# What is added to a table is written together with the rest of the last group of its rows. DuckDB's own 122,880 rows of stamps are
# 2 GB, written again for every chunk of a refresh.
ROWS_PER_GROUP = 2048
# Writing a change into the database file itself costs a tenth of a second however small it is. So small ones stay in the log beside it,
# which every opening reads again, until together they are worth it; publishing leaves nothing in the log. While the file stays open
# nobody reads the log, and it may grow.
LOG_LIMIT_BYTES, KEPT_LOG_LIMIT_BYTES = 1_000_000, 32_000_000
# For each column of an answer DuckDB asks the system for room for a whole batch, however few rows there are: 17 GB a column of stamps
# with its own million, which a system that promises no more memory than it has refuses.
ROWS_PER_BATCH = 8192
# What was read stays in memory, up to the limit, for as long as a file is open. From here on it is closed and opened again.
KEPT_CACHE_BYTES = 250_000_000

# Of a working and of a published file that cannot be read.
REMEDY = {
    False: "`needle restore` puts the published warehouse, or a kept copy that you name, in its place; `needle restore --list` names them.",
    True: "`needle refresh` publishes it anew.",
}

Connection = duckdb.DuckDBPyConnection

# Files that stay open from one use to the next, and the connection that keeps them so, if there was a use.
_kept: dict[Path, Connection | None] = {}
# Of the same files an empty database in memory each, to which they are attached while used: making one takes longer than attaching.
_hosts: dict[Path, Connection] = {}
_n_users: Counter[Path] = Counter()


@contextmanager
def writing(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """
    Open the working database; closed again even after an error. Everything that looks at it does so here, and in this way.

    DuckDB reads its log back when a file is opened. It can do so of any change of the schema where the file is attached to another
    database, but not where the file is the database itself ("no default database set").

    Raises
    ------
    WarehouseError
        If the disk is nearly full, the file is no database, or another process does not let go of it.
    """
    _require_space(path.parent)
    if (lake := lake_of(path)) is not None:
        with _in_lake(lake, None) as connection:
            yield connection
        return
    with (
        signals_held()
    ):  # raised within DuckDB, what a handler raises aborts the process, or leaves a file that nobody can open again
        connection = _open(path, read_only=False)
        _keep(path)
        try:
            yield connection
            if path in _kept and _holds_much(connection, path):
                let_go(path)
        except duckdb.Error as error:
            let_go(path)  # after some errors DuckDB refuses everything until the file has been closed
            _end_host(path)
            raise _explained(error, path) from error
        finally:
            _close(connection, path)


@contextmanager
def kept_open(path: Path, *, what: str = "refresh", wait_seconds: float = 0.0) -> Iterator[None]:
    """
    Keep a working database open from one use to the next, until the block ends: opening one costs as much as fifty small queries.

    Other processes cannot open it meanwhile, so whoever begins something long says :func:`let_go`. A lake stays open as it is, but
    has one writer alone, on whatever machine: ``what`` it does is told to others, and one that is there is waited for.

    Raises
    ------
    HomeBusyError
        If another machine still writes into the lake after ``wait_seconds``.
    """
    if (lake := lake_of(path)) is not None:
        from needle_assets.warehouse.lake.alone import alone

        with alone(lake, what=what, wait_seconds=wait_seconds):
            yield
        return
    _kept[path] = None
    try:
        yield
    finally:
        let_go(path)
        _end_host(path)
        del _kept[path]


def let_go(path: Path) -> None:
    """Close a file that is kept open; the next use opens it again."""
    connection = _kept.get(path)
    if connection is not None:
        _kept[path] = None
        with signals_held():
            if _log_bytes(path) > LOG_LIMIT_BYTES:
                with suppress(duckdb.Error):  # after an error nothing can be written; the log is whole
                    connection.execute("checkpoint")
            _close(connection, path)


def _holds_much(connection: Connection, path: Path) -> bool:
    if path.stat().st_size < KEPT_CACHE_BYTES:  # asking costs as much as a small query
        return False
    held = connection.execute("select sum(memory_usage_bytes) from duckdb_memory()").fetchone()
    return held is not None and held[0] > KEPT_CACHE_BYTES


def _log_bytes(path: Path) -> int:
    try:
        return path.with_name(f"{path.name}.wal").stat().st_size
    except OSError:
        return 0


def _end_host(path: Path) -> None:
    host = _hosts.pop(path, None)
    if host is not None:
        host.close()


def _keep(path: Path) -> None:
    if path in _kept and _kept[path] is None:
        _kept[path] = _open(path, read_only=False)


@contextmanager
def reading(
    path: Path, *, may_spill: bool = True, memory_limit: str = MEMORY_LIMIT, snapshot: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """
    Open a published database, which has no log, for looking only: it cannot be written, and no other file can be reached from it.

    What does not fit in memory goes to a folder beside it for as long as the query takes, unless it may not spill. Parts of the
    file that were read stay in memory up to the limit. Of a lake it is the snapshot of that number, else the one published last.

    Raises
    ------
    WarehouseError
        If the file does not exist yet, or cannot be read.
    """
    if (lake := lake_of(path)) is not None:
        with _in_lake(lake, _published(path, lake) if snapshot is None else snapshot, may_spill=may_spill) as connection:
            yield connection
        return
    if not path.exists():
        raise WarehouseError(f"{path} does not exist yet; run `needle refresh --landing FOLDER` to make it.")
    with signals_held():
        connection = _open(path, read_only=True, memory_limit=memory_limit)
        try:
            _lock(connection, may_spill=may_spill)
            yield connection
        except duckdb.IOException as error:
            raise _explained(error, path, read_only=True) from error
        finally:
            connection.close()


def opened_reader(path: Path, version: str) -> duckdb.DuckDBPyConnection:
    """
    A published database for looking only, until whoever asked closes it: for servers, which ask it many times in several threads.

    Attached under a name of its own for each ``version``: DuckDB would give a file of the same path to whoever still reads the one before.
    """
    if (lake := lake_of(path)) is not None:
        from needle_assets.warehouse.lake import attached

        return attached.locked(attached.attached(lake, int(version)), lake, may_spill=False)
    connection = duckdb.connect(f":memory:{version} of {path}", config={"threads": THREADS, "memory_limit": MEMORY_LIMIT})
    try:
        quoted = str(path).replace("'", "''")
        connection.execute(f"attach if not exists '{quoted}' as needle (read_only)")
        connection.execute("use needle")
        _lock(connection, may_spill=False)
    except duckdb.Error as error:
        connection.close()
        raise _explained(error, path, read_only=True, is_opening=True) from error
    return connection


@contextmanager
def _in_lake(lake: Lake, snapshot: int | None, *, may_spill: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    from needle_assets.warehouse.lake import alone, attached  # homes in a file do without

    alone.require_held(lake)
    with signals_held():
        connection = attached.writer(lake) if snapshot is None else attached.reader(lake, snapshot, may_spill=may_spill)
        try:
            yield connection
        except duckdb.Error as error:
            attached.let_go(lake)
            if isinstance(error, duckdb.IOException | duckdb.FatalException | duckdb.TransactionException | duckdb.HTTPException):
                raise attached.unreachable(lake, error) from error
            raise
        finally:
            connection.close()


def version_of(path: Path) -> str:
    """Changes whenever something is published; empty while nothing is."""
    if (lake := lake_of(path)) is not None:
        from needle_assets.warehouse.lake import attached

        return str(attached.newest_published(lake) or "")
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_ino:x}-{found.st_mtime_ns:x}"


def _published(path: Path, lake: Lake) -> int:
    found = version_of(path)
    if not found:
        raise WarehouseError(f"{lake} holds nothing published yet; run `needle refresh --landing FOLDER` to fill it.")
    return int(found)


def attach_published(connection: duckdb.DuckDBPyConnection, published: Path, name: str) -> None:
    """Attach what readers see of a home beside an open database, read-only."""
    if (lake := lake_of(published)) is not None:
        from needle_assets.warehouse.lake import attached

        attached.attach(connection, lake, name, _published(published, lake))
        return
    quoted = str(published).replace("'", "''")
    connection.execute(f"attach '{quoted}' as {name} (read_only)")


def cursor_of(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A second connection to the same database, for a query beside another; a cursor itself knows of no database in use."""
    cursor = connection.cursor()
    name = connection.execute("select current_database()").fetchone()
    cursor.execute(f'use "{name[0] if name else ""}"')
    return cursor


def named(published: Path) -> str:
    """What readers open, in words: the file, or the lake and its newest published snapshot."""
    lake = lake_of(published)
    return str(published) if lake is None else f"snapshot {version_of(published)} of {lake}"


def is_published(path: Path) -> bool:
    """Whether readers find anything where a home publishes."""
    return bool(version_of(path))


def settle(connection: duckdb.DuckDBPyConnection) -> None:
    """Write everything into the file itself. A lake has nothing beside it; there the same word would begin its maintenance."""
    if not is_lake(connection):
        connection.execute("checkpoint")


def _lock(connection: duckdb.DuckDBPyConnection, *, may_spill: bool) -> None:
    """From now on nothing but what is attached can be reached, and no query changes that."""
    if not may_spill:
        connection.execute("set temp_directory = ''")
    connection.execute("set autoinstall_known_extensions = false")
    connection.execute("set autoload_known_extensions = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def table_of(answer: Connection) -> "pa.Table":
    """The rows of the query that was just executed."""
    return answer.to_arrow_table(ROWS_PER_BATCH)


def as_frame(answer: "pa.Table") -> "pl.DataFrame":
    """Rows as a polars frame. What needs none, such as an idle refresh, starts without polars: a third of its time."""
    import polars as pl

    frame = pl.from_arrow(answer)
    assert isinstance(frame, pl.DataFrame)
    return frame


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing."""
    connection.execute("begin")
    try:
        yield
    except BaseException:
        # After a failed write the database refuses this too; the first error is the one to tell.
        with suppress(duckdb.Error):
            connection.execute("rollback")
        raise
    connection.execute("commit")


def _require_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        raise WarehouseError(
            f"{folder}: the disk is full ({free / 1e6:.0f} MB are free, {MIN_FREE_BYTES / 1e6:.0f} MB are needed to go on); "
            "everything stored before is kept. Free some space, then run `needle refresh` again."
        )


def _config(memory_limit: str) -> dict[str, str | bool | int | float | list[str]]:
    return {"threads": THREADS, "memory_limit": memory_limit, "preserve_insertion_order": False}


def _open(path: Path, *, read_only: bool, memory_limit: str = MEMORY_LIMIT) -> duckdb.DuckDBPyConnection:
    # Another process may hold the file for the moment of a load or store; DuckDB then refuses at once instead of waiting.
    deadline = time.monotonic() + OPEN_ATTEMPT_SECONDS
    while True:
        try:
            config = _config(memory_limit)
            return duckdb.connect(str(path), read_only=True, config=config) if read_only else _attached(path, config)
        except duckdb.Error as error:
            if "Could not set lock" not in str(error):
                raise _explained(error, path, read_only=read_only, is_opening=True) from error
            if time.monotonic() > deadline:
                raise _explained(error, path) from error
            time.sleep(0.05)


def _attached(path: Path, config: dict[str, str | bool | int | float | list[str]]) -> duckdb.DuckDBPyConnection:
    # A name, so that connections of one process share what is attached, as they would share a file.
    kept = _kept.get(path)
    connection = kept.cursor() if kept is not None else duckdb.connect(f":memory:{path}", config=config)
    if path in _kept and path not in _hosts:
        _hosts[path] = duckdb.connect(f":memory:{path}", config=config)
    try:
        if kept is None:
            quoted = str(path).replace("'", "''")
            connection.execute(f"attach if not exists '{quoted}' as needle (row_group_size {ROWS_PER_GROUP})")
            limit = KEPT_LOG_LIMIT_BYTES if path in _kept else LOG_LIMIT_BYTES
            connection.execute(f"set checkpoint_threshold = '{limit}B'")
            connection.execute("pragma disable_checkpoint_on_shutdown")
        connection.execute("use needle")
    except duckdb.Error:
        connection.close()
        raise
    _n_users[path] += 1
    return connection


def _close(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Close a connection to a working file, and with the last one the file."""
    _n_users[path] -= 1
    try:
        connection.close()
        if path in _hosts and not _n_users[path]:
            _hosts[path].execute("detach needle")
    except duckdb.Error as error:
        _end_host(path)
        raise _explained(error, path) from error


def _explained(error: duckdb.Error, path: Path, *, read_only: bool = False, is_opening: bool = False) -> Exception:
    text = str(error)
    if "No space left" in text or "Out of disk" in text or "Could not write" in text or "File too large" in text:
        return WarehouseError(
            f"{path.parent}: the disk is full, so the last step was not stored and everything stored before is kept; "
            "free some space, then run `needle refresh` again."
        )
    if "Could not set lock" in text:
        return WarehouseError(f"{path} is held by another process ({_holder(text)}); end it or wait for it, then try again.")
    if is_opening or isinstance(error, duckdb.IOException | duckdb.SerializationException | duckdb.FatalException):
        return DamagedWarehouseError(f"{path} cannot be read ({text.splitlines()[0].rstrip('.')}); {REMEDY[read_only]}")
    return error


def _holder(text: str) -> str:
    found = re.search(r"PID \d+", text)
    return found[0] if found else "unknown"
