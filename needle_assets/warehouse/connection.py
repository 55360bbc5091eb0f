"""Opens the database. Nothing else in the project does. Connections are short: nobody holds one while computing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

OPEN_ATTEMPT_SECONDS = 60.0
MEMORY_LIMIT = "700MB"
THREADS = 2

Connection = duckdb.DuckDBPyConnection


class WarehouseError(RuntimeError):
    """The database cannot be used; the message says why and what to do."""


@contextmanager
def writing(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the working database for writing; closed again even after an error."""
    connection = _open(path, read_only=False)
    try:
        yield connection
    except duckdb.Error as error:
        raise _explained(error, path) from error
    finally:
        _close(connection, path)


@contextmanager
def reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """
    Open a database for looking only: it cannot be written, and no other file can be reached from it.

    Raises
    ------
    WarehouseError
        If the file does not exist yet.
    """
    if not path.exists():
        raise WarehouseError(f"{path} does not exist yet; run `needle refresh --landing FOLDER` to make it.")
    connection = _open(path, read_only=True)
    try:
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection
    finally:
        connection.close()


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing."""
    connection.execute("begin")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _open(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    # Another process may hold the file for the moment of a load or store; DuckDB then refuses at once instead of waiting.
    deadline = time.monotonic() + OPEN_ATTEMPT_SECONDS
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": THREADS,
        "memory_limit": MEMORY_LIMIT,
        "preserve_insertion_order": False,
    }
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only, config=config)
        except duckdb.IOException as error:
            if "lock" not in str(error).lower() or time.monotonic() > deadline:
                raise _explained(error, path) from error
            time.sleep(0.05)


def _close(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    try:
        connection.close()
    except duckdb.Error as error:
        raise _explained(error, path) from error


def _explained(error: duckdb.Error, path: Path) -> Exception:
    text = str(error)
    if "No space left" in text or "Out of disk" in text or "Could not write" in text or "File too large" in text:
        return WarehouseError(
            f"{path.parent}: the disk is full, so the last step was not stored and everything stored before is kept; "
            "free some space, then run `needle refresh` again."
        )
    if isinstance(error, duckdb.IOException):
        return WarehouseError(f"{path} cannot be opened ({text.splitlines()[0]}); end the process that holds it, then try again.")
    return error
