"""Dagster's SQLite storages, made fast enough for one event per asset and object and safe to create twice at once.

Dagster's own event log opens a new engine and a new connection for every event, and closing the last connection of a file in
WAL mode copies the log back into the file: some 10 to 40 ms an event. ``WalEventLogStorage`` keeps one engine per file with its
connections open, and stores a batch of events with one insert per table. The runs and schedules need no such care (some 20 short
statements a run), but when two processes make their files at the same moment, the files can never be opened again; so all three
are made under a lock. Files and contents are those of the stock storages, which can read them and go on with them.

In ``dagster.yaml``::

    event_log_storage:
      module: needle_assets.orchestration.records.event_storage
      class: WalEventLogStorage
      config: {base_dir: <home>/history/runs}
    run_storage:
      module: needle_assets.orchestration.records.event_storage
      class: LockedRunStorage
      config: {base_dir: <home>/history}
    schedule_storage:
      module: needle_assets.orchestration.records.event_storage
      class: LockedScheduleStorage
      config: {base_dir: <home>/schedules}
"""

import fcntl
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import sqlalchemy as db
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.event_api import EventHandlerFn
from dagster._core.events import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
    SqliteEventLogStorageWatchdog,
)
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool
from watchdog.events import FileSystemEvent
from watchdog.observers import Observer

BUSY_TIMEOUT_SECONDS = 60
MAX_OPEN_FILES = 16
MAX_IDLE_CONNECTIONS = 2

# What Dagster writes in batches and only mirrors into the index, its tags and the asset's row; all else goes one by one.
BULK_EVENT_TYPES = frozenset(
    {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_OBSERVATION, DagsterEventType.ASSET_MATERIALIZATION_PLANNED}
)


_read_migrations = ScriptDirectory.from_config
_migrations: dict[str | None, ScriptDirectory] = {}


def _known_migrations(config: Config) -> ScriptDirectory:
    """
    Dagster's migrations, read once a process.

    Alembic reads all of them, some 180 modules, whenever it is asked for the newest: four times in every run, eight in a new home.
    """
    location = config.get_main_option("script_location")
    if location not in _migrations:
        _migrations[location] = _read_migrations(config)
    return _migrations[location]


ScriptDirectory.from_config = staticmethod(_known_migrations)  # type: ignore[method-assign]


class _OpenFile(NamedTuple):
    engine: Engine
    inode: int | None


class WalEventLogStorage(SqliteEventLogStorage):
    """
    The SQLite event log with its files kept open and real batch inserts.

    Safe for many threads and processes at once, and after a fork: a child never touches a connection of its parent. A
    process killed at any point leaves files that the next one opens as they are. Events of the index (what the asset pages
    and the ledger's re-emission read) are on disk when a call returns, even if the power fails; the log of a single run may
    then lose its last lines.

    Parameters
    ----------
    base_dir : str
        Folder of the files: ``index.db`` and one ``<run id>.db`` per run.
    inst_data : ConfigurableClassData, optional
        How Dagster was told to load this class; given by Dagster.
    """

    _obs: Any

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._forget_open_files()
        # held, never closed: SQLite deletes the -wal file of that name when it closes, which may be the parent's or a new one
        self._abandoned: list[_OpenFile] = []
        self._known_tables: set[str] = set()
        with _creation_lock(base_dir):
            super().__init__(base_dir, inst_data)
            # a process killed while it made the index leaves it without these marks; with them, both calls return at once
            self.reindex_events()
            self.reindex_assets()

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "WalEventLogStorage":
        """The storage that ``dagster.yaml`` describes (the inherited method would build the stock class)."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """A connection to one file inside a transaction, which ends with the block."""
        with self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> Engine:
        """The open engine of a file; opens it (and creates the file) the first time and closes the one used longest ago."""
        if self._pid != os.getpid():
            self._abandoned += self._open_files.values()
            self._forget_open_files()
        path = Path(self.path_for_shard(shard))
        with self._open_files_lock:
            entry = self._open_files.get(shard)
            if entry is not None and entry.inode != _inode(path):  # deleted by another process
                self._abandoned.append(entry)
                entry = None
            if entry is None:
                entry = self._open_files[shard] = _OpenFile(self._open(shard), _inode(path))
                self._close_least_recent()
            self._open_files.move_to_end(shard)
            return entry.engine

    def _forget_open_files(self) -> None:
        self._pid = os.getpid()
        self._open_files_lock = threading.Lock()
        self._open_files: OrderedDict[str, _OpenFile] = OrderedDict()

    def _open(self, shard: str) -> Engine:
        engine = db.create_engine(
            self.conn_string_for_shard(shard),
            poolclass=QueuePool,
            pool_size=MAX_IDLE_CONNECTIONS,
            max_overflow=-1,
            connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        # a ledger row is marked as told once its event is in the index, so the index must survive a power cut: one sync a
        # commit
        level = "FULL" if shard == INDEX_SHARD_NAME else "NORMAL"
        db.event.listen(engine, "connect", lambda connection, _: connection.execute(f"pragma synchronous = {level}"))
        if not _is_stamped(engine):
            self._initdb(engine)  # tries again when another process is at it
        return engine

    def _close(self, shard: str) -> None:
        entry = self._open_files.pop(shard, None)
        if entry is not None:
            entry.engine.dispose()

    def _close_least_recent(self) -> None:
        runs = [shard for shard in self._open_files if shard != INDEX_SHARD_NAME]
        for shard in runs[: max(0, len(self._open_files) - MAX_OPEN_FILES)]:
            self._close(shard)

    def _close_all(self) -> None:
        with self._open_files_lock:
            for shard in list(self._open_files):
                self._close(shard)

    def has_table(self, table_name: str) -> bool:
        """Whether the index has this table; asked for every batch, so a yes is remembered."""
        if table_name not in self._known_tables:
            with self.index_connection() as connection:
                if not db.inspect(connection).has_table(table_name):
                    return False
            self._known_tables.add(table_name)
        return True

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """
        Store many events at once, with the same result as storing them one by one in this order.

        The index commits before the run's own log, inside its transaction: a failed batch leaves neither, so that Dagster's
        second try, event by event, doubles nothing.
        """
        if len({event.run_id for event in events}) != 1 or not all(map(_is_bulk, events)):
            super().store_event_batch(events)
            return
        rows = [self._event_to_row(event) for event in events]
        with self.run_connection(events[0].run_id) as run, self.index_transaction() as index:
            run.execute(SqlEventLogStorageTable.insert(), rows)
            ids = _insert_into_index(index, rows)
            self._store_asset_event_tags(index, events, ids)
            for event, event_id in _last_of_each(events, ids):
                self._store_asset_event(index, event, event_id)

    def wipe(self) -> None:
        """Delete everything, with no file open."""
        self._close_all()
        super().wipe()

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Call back on new events of a run; they stay in the ``-wal`` file for long, so that file is watched as well."""
        if not self._obs:
            self._obs = Observer()
            self._obs.start()
        handler = _WalWatchdog(self, run_id, callback, cursor)
        self._watchers[run_id][callback] = (handler, self._obs.schedule(handler, self._base_dir, recursive=True))

    def dispose(self) -> None:
        """Stop watching and close every file."""
        super().dispose()
        self._close_all()


class LockedRunStorage(SqliteRunStorage):
    """The stock run storage, created by one process at a time and patient when the file is busy."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(f"{conn_string}?timeout={BUSY_TIMEOUT_SECONDS}", inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "LockedRunStorage":
        """The storage that ``dagster.yaml`` describes."""
        with _creation_lock(config_value["base_dir"]):
            return cls.from_local(inst_data=inst_data, **config_value)


class LockedScheduleStorage(SqliteScheduleStorage):
    """The stock schedule storage, created by one process at a time and patient when the file is busy."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(f"{conn_string}?timeout={BUSY_TIMEOUT_SECONDS}", inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "LockedScheduleStorage":
        """The storage that ``dagster.yaml`` describes."""
        with _creation_lock(config_value["base_dir"]):
            return cast("LockedScheduleStorage", cls.from_local(inst_data=inst_data, **config_value))


@contextmanager
def _creation_lock(base_dir: str) -> Iterator[None]:
    """Let one process at a time look at a folder and create its files. The lock ends with the process that holds it."""
    folder = Path(base_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "creation.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _WalWatchdog(SqliteEventLogStorageWatchdog):
    """The stock watcher, woken by the ``-wal`` file too."""

    def __init__(self, storage: WalEventLogStorage, run_id: str, callback: EventHandlerFn, cursor: str | None) -> None:
        super().__init__(storage, run_id, callback, cursor)
        self._patterns = [self._log_path, f"{self._log_path}-wal"]

    def on_modified(self, event: FileSystemEvent) -> None:  # noqa: ARG002 - the watcher's signature
        self._process_log()


def _inode(path: Path) -> int | None:
    """What tells a file from a later one of the same name, as long as we have it open; None if there is no file."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _is_bulk(event: EventLogEntry) -> bool:
    return (
        event.dagster_event is not None
        and event.dagster_event.event_type in BULK_EVENT_TYPES
        and event.dagster_event.asset_key is not None
    )


def _insert_into_index(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Insert event rows and return their ids in the order of the rows; SQLite numbers upwards but returns in any order."""
    statement = SqlEventLogStorageTable.insert().returning(SqlEventLogStorageTable.c.id)
    return sorted(connection.execute(statement, rows).scalars())


def _last_of_each(events: Sequence[EventLogEntry], ids: Sequence[int]) -> list[tuple[EventLogEntry, int]]:
    """The last event of every asset and type, in order: what storing one by one would leave in the assets' rows."""
    last: dict[tuple[Any, ...], tuple[EventLogEntry, int]] = {}
    for event, event_id in zip(events, ids, strict=True):
        key = (event.get_dagster_event().asset_key, event.get_dagster_event().event_type)
        last.pop(key, None)
        last[key] = (event, event_id)
    return list(last.values())


def _is_stamped(engine: Engine) -> bool:
    """Whether a file has its tables; the stock check loads every migration script, at each first use of a run's file."""
    with engine.connect() as connection:
        try:
            return (
                connection.execute(db.select(db.column("version_num")).select_from(db.table("alembic_version"))).scalar()
                is not None
            )
        except OperationalError:
            return False
