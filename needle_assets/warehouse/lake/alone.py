"""One writer at a time, on whatever machine: an advisory lock in the Postgres that keeps the catalogue."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from needle_assets.errors import WarehouseError
from needle_assets.home import HomeBusyError
from needle_assets.warehouse.lake.place import Lake

# Any number will do that nobody else takes in this database: "needle".
KEY = int.from_bytes(b"needle")
# As much of a name as Postgres keeps.
NAME_BYTES = 2**6 - 1
_HOLDER = (
    "select application_name from pg_stat_activity join pg_locks using (pid) where locktype = 'advisory' "
    "and (classid::bigint << 32) + objid::bigint = %s and granted limit 1"
)
_held: dict[Lake, Any] = {}


@contextmanager
def alone(lake: Lake, *, what: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """
    Be the only one that writes into a lake. With a local catalogue the lock of the home is enough.

    Raises
    ------
    HomeBusyError
        If somebody else still does after ``wait_seconds``.
    WarehouseError
        If the catalogue cannot be reached.
    """
    if lake.kind != "postgres" or lake in _held:
        yield
        return
    session = _session(lake, what)
    try:
        _wait(lake, session, wait_seconds)
        _held[lake] = session
        yield
    finally:
        _held.pop(lake, None)
        with suppress(Exception):  # gone with the server already
            session.close()


def require_held(lake: Lake) -> None:
    """Raise WarehouseError if this process was the writer of a lake and no longer is: another may be by now."""
    session = _held.get(lake)
    if session is not None and not _is_alive(session):
        raise WarehouseError(
            f"the connection to the catalogue of {lake} was lost, and with it the right to be the only one that writes; what was "
            "stored before is kept. Run the command again when the catalogue's server is back."
        )


def _is_alive(session: Any) -> bool:
    try:
        _asked(session, "select 1")
    except Exception:  # whatever the driver says: the session holds no lock any more
        return False
    return True


def _session(lake: Lake, what: str) -> Any:
    import psycopg2

    name = f"needle {what} (process {os.getpid()} on {socket.gethostname()})"
    try:
        session = psycopg2.connect(lake.connects_to, connect_timeout=10, application_name=name[:NAME_BYTES])
    except psycopg2.Error as error:
        text = " ".join(str(error).split()).rstrip(".")
        raise WarehouseError(
            f"{lake} cannot be used ({text}); see that the catalogue's server runs and that the credentials in the environment are "
            "right, then run the command again."
        ) from error
    session.autocommit = True
    return session


def _wait(lake: Lake, session: Any, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while not _asked(session, "select pg_try_advisory_lock(%s)", KEY)[0]:
        if time.monotonic() >= deadline:
            holder = (_asked(session, _HOLDER, KEY) or [""])[0] or "another process"
            raise HomeBusyError(f"{lake} is written by {holder}; wait for it to end, then run the command again.")
        time.sleep(0.2)


def _asked(session: Any, query: str, *values: object) -> Any:
    with session.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchone()
