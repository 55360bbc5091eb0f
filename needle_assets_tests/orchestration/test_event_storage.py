"""The WAL event log stores what the stock one stores, and loses nothing to threads, processes, forks and kills."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest
import sqlalchemy as db
from dagster._core.events import (
    AssetMaterializationPlannedData,
    AssetObservationData,
    DagsterEvent,
    DagsterEventType,
    StepMaterializationData,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.base import AssetRecord
from dagster._core.storage.event_log.schema import AssetKeyTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from hypothesis import given, settings
from hypothesis import strategies as st

from needle_assets.orchestration.records import event_storage
from needle_assets.orchestration.records.event_storage import WalEventLogStorage

FORKS = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
RUN = "run-1"
ASSETS = ("raw", "stamps")
TAGS = {"dagster/data_version": "v1", "needle/write_id": "w1"}
MADE = {
    "materialization": lambda asset, key: (
        DagsterEventType.ASSET_MATERIALIZATION,
        StepMaterializationData(dg.AssetMaterialization(asset, partition=key, tags=TAGS)),
    ),
    "observation": lambda asset, key: (
        DagsterEventType.ASSET_OBSERVATION,
        AssetObservationData(dg.AssetObservation(asset, partition=key, tags=TAGS)),
    ),
    "planned": lambda asset, key: (
        DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        AssetMaterializationPlannedData(dg.AssetKey(asset), partition=key),
    ),
}


def entry(kind: str, asset: str, key: str | None, *, run_id: str = RUN, timestamp: float = 2e9) -> EventLogEntry:
    event_type, data = MADE[kind](asset, key)
    event = DagsterEvent(event_type.value, "job", step_key="step", event_specific_data=data)
    return EventLogEntry(None, 10, "", run_id, timestamp, step_key="step", job_name="job", dagster_event=event)


def batch(n: int, *, first: int = 0, run_id: str = RUN) -> list[EventLogEntry]:
    return [entry("materialization", "raw", f"Z{first + i}", run_id=run_id) for i in range(n)]


def keys_in(folder: Path | str) -> set[str]:
    """What a fresh, stock storage reads from these files."""
    return SqliteEventLogStorage(str(folder)).get_materialized_partitions(dg.AssetKey("raw"))


@pytest.fixture
def wal(tmp_path: Path) -> Iterator[WalEventLogStorage]:
    storage = WalEventLogStorage(str(tmp_path / "events"))
    yield storage
    storage.dispose()


def asset_times(storage: SqliteEventLogStorage) -> list[object]:
    query = db.select(AssetKeyTable.c.asset_key, AssetKeyTable.c.last_materialization_timestamp).order_by(
        AssetKeyTable.c.asset_key
    )
    with storage.index_connection() as connection:
        return [tuple(row) for row in connection.execute(query)]


def everything(storage: SqliteEventLogStorage) -> list[object]:
    """All that Dagster asks an event log about these assets and this run."""
    asset_keys = [dg.AssetKey(name) for name in ASSETS]
    kind = DagsterEventType.ASSET_MATERIALIZATION
    return [
        [(r.storage_id, r.event_log_entry) for r in storage.get_records_for_run(RUN).records],
        sorted(storage.all_asset_keys()),
        asset_times(storage),
        [without_wipe_time(record) for record in sorted(storage.get_asset_records(asset_keys), key=lambda r: str(r.asset_entry))],
        [storage.get_materialized_partitions(key) for key in asset_keys],
        [storage.get_latest_storage_id_by_partition(key, kind) for key in asset_keys],
        [storage.get_latest_tags_by_partition(key, kind, ["dagster/data_version"]) for key in asset_keys],
        [storage.fetch_materializations(key, limit=100).records for key in asset_keys],
        [storage.fetch_observations(key, limit=100).records for key in asset_keys],
        [storage.get_event_tags_for_asset(key) for key in asset_keys],
    ]


def without_wipe_time(record: AssetRecord) -> list[object]:
    shown = record.asset_entry
    return [shown.asset_key, shown.last_materialization_record, shown.last_run_id]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqliteEventLogStorage, WalEventLogStorage]]:
    folder = tmp_path_factory.mktemp("pair")
    stock, wal = SqliteEventLogStorage(str(folder / "stock")), WalEventLogStorage(str(folder / "wal"))
    yield stock, wal
    wal.dispose()


STEPS = st.one_of(
    st.lists(
        st.builds(
            entry,
            st.sampled_from(sorted(MADE)),
            st.sampled_from(ASSETS),
            st.sampled_from([None, "Z1", "Z2"]),
            timestamp=st.integers(2_000_000_000, 2_000_000_009).map(float),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(ASSETS),
)


@settings(max_examples=10)
@given(steps=st.lists(STEPS, max_size=5))
def test_batches_and_wipes_in_any_order_leave_what_the_stock_storage_leaves(pair, steps) -> None:
    for storage in pair:
        storage.wipe()
        for step in steps:
            storage.wipe_asset(dg.AssetKey(step)) if isinstance(step, str) else storage.store_event_batch(step)
    stock, wal = pair
    assert everything(wal) == everything(stock)


def test_events_that_are_not_of_assets_are_stored_one_by_one(wal) -> None:
    started = DagsterEvent(DagsterEventType.STEP_START.value, "job", step_key="step")
    wal.store_event_batch([*batch(2), EventLogEntry(None, 10, "", RUN, 2e9, job_name="job", dagster_event=started)])
    kinds = [record.event_log_entry.dagster_event_type for record in wal.get_records_for_run(RUN).records]
    assert kinds == [DagsterEventType.ASSET_MATERIALIZATION] * 2 + [DagsterEventType.STEP_START]


def test_a_batch_larger_than_sqlite_takes_values_is_stored(wal) -> None:
    wal.store_event_batch(batch(5000))
    assert len(wal.get_materialized_partitions(dg.AssetKey("raw"))) == 5000


def test_ids_follow_the_order_of_the_events(wal) -> None:
    wal.store_event_batch(batch(2500))
    ids = wal.get_latest_storage_id_by_partition(dg.AssetKey("raw"), DagsterEventType.ASSET_MATERIALIZATION)
    assert [ids[f"Z{i}"] for i in range(2500)] == list(range(1, 2501))


def test_a_batch_that_fails_leaves_nothing(wal, monkeypatch) -> None:
    monkeypatch.setattr(wal, "_store_asset_event", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        wal.store_event_batch(batch(3))
    assert wal.get_records_for_run(RUN).records == []
    assert wal.get_materialized_partitions(dg.AssetKey("raw")) == set()


def test_the_stock_storage_reads_the_files(wal, tmp_path) -> None:
    wal.store_event_batch(batch(3))
    assert keys_in(tmp_path / "events") == {"Z0", "Z1", "Z2"}


def test_few_files_stay_open_however_many_runs(wal, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(event_storage, "MAX_OPEN_FILES", 3)
    for i in range(6):
        wal.store_event_batch(batch(2, first=2 * i, run_id=f"run-{i}"))
    open_files = {file.path for file in psutil.Process().open_files() if str(tmp_path) in file.path and file.path.endswith(".db")}
    assert len(open_files) == 3
    assert len(keys_in(tmp_path / "events")) == 12


def test_dispose_closes_every_file(wal, tmp_path) -> None:
    wal.store_event_batch(batch(2))
    wal.dispose()
    assert not [file for file in psutil.Process().open_files() if str(tmp_path) in file.path]


def test_after_a_wipe_it_writes_into_new_files(wal, tmp_path) -> None:
    wal.store_event_batch(batch(3))
    wal.wipe()
    wal.store_event_batch(batch(2, first=7))
    assert keys_in(tmp_path / "events") == {"Z7", "Z8"}
    assert len(wal.get_records_for_run(RUN).records) == 2


def test_a_file_deleted_by_another_process_is_made_anew(wal, tmp_path) -> None:
    wal.store_event_batch(batch(1))
    for file in (tmp_path / "events").glob(f"{RUN}.db*"):
        file.unlink()
    wal.store_event_batch(batch(2))
    assert len(SqliteEventLogStorage(str(tmp_path / "events")).get_records_for_run(RUN).records) == 2


def test_who_watches_a_run_is_called_while_its_file_stays_open(wal) -> None:
    wal.store_event_batch(batch(1))
    seen, called = [], threading.Event()
    wal.watch(RUN, None, lambda event, _cursor: (seen.append(event), called.set()))
    wal.store_event_batch(batch(2, first=1))
    assert called.wait(10)
    wal.end_watch(RUN, next(iter(wal._watchers[RUN])))
    assert seen[0].dagster_event.partition == "Z0"


@pytest.fixture
def in_child() -> Callable[..., int]:
    """Run a function in a forked process and return its id."""

    def start(function: Callable[..., object], *arguments: object) -> int:
        child = os.fork()
        if child == 0:
            try:
                function(*arguments)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        return child

    return start


def exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def write_without(storage: WalEventLogStorage, parents_engine: db.Engine) -> None:
    storage.store_event_batch(batch(5, first=5))
    assert storage._engine(RUN) is not parents_engine


def write_batches(folder: Path, first: int, n_batches: int, size: int) -> None:
    storage = WalEventLogStorage(str(folder))
    for i in range(n_batches):
        storage.store_event_batch(batch(size, first=first + i * size))


@FORKS
def test_a_forked_child_writes_without_the_connections_of_its_parent(wal, tmp_path, in_child) -> None:
    wal.store_event_batch(batch(5))
    child = in_child(write_without, wal, wal._engine(RUN))
    wal.store_event_batch(batch(5, first=10))
    assert exit_code(child) == 0
    wal.store_event_batch(batch(5, first=15))
    assert keys_in(tmp_path / "events") == {f"Z{i}" for i in range(20)}


@FORKS
def test_four_threads_and_two_processes_that_start_without_files_lose_nothing(tmp_path, in_child) -> None:
    folder = tmp_path / "events"
    children = [in_child(write_batches, folder, 10_000 * i, 10, 50) for i in (1, 2)]
    wal = WalEventLogStorage(str(folder))
    threads = [threading.Thread(target=write_in_turns, args=(wal, 1000 * i)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [exit_code(child) for child in children] == [0, 0]
    assert len(keys_in(folder)) == len(wal.get_records_for_run(RUN).records) == 4 * 200 + 2 * 500
    wal.dispose()


def write_in_turns(storage: WalEventLogStorage, first: int) -> None:
    for i in range(0, 200, 20):
        storage.store_event_batch(batch(19, first=first + i))
        storage.store_event(batch(1, first=first + i + 19)[0])


@FORKS
def test_a_reader_sees_whole_batches_while_another_process_writes(wal, tmp_path, in_child) -> None:
    child = in_child(write_batches, tmp_path / "events", 0, 20, 100)
    counts = [0]
    while counts[-1] < 2000:
        counts.append(len(wal.get_materialized_partitions(dg.AssetKey("raw"))))
    assert exit_code(child) == 0
    assert counts == sorted(counts)
    assert {count % 100 for count in counts} == {0}


@FORKS
def test_kill_9_leaves_whole_batches_and_files_that_open(tmp_path, in_child) -> None:
    folder = tmp_path / "events"
    wal = WalEventLogStorage(str(folder))
    child = in_child(write_batches, folder, 0, 1000, 50)
    while len(wal.get_materialized_partitions(dg.AssetKey("raw"))) < 200:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert exit_code(child) == -signal.SIGKILL
    wal.dispose()
    survived = keys_in(folder)
    assert len(survived) % 50 == 0
    wal.store_event_batch(batch(50, first=100_000))
    assert len(keys_in(folder)) == len(survived) + 50
    wal.dispose()


def write_config(home: Path) -> None:
    classes = {
        "event_log_storage": ("WalEventLogStorage", "history/runs"),
        "run_storage": ("LockedRunStorage", "history"),
        "schedule_storage": ("LockedScheduleStorage", "schedules"),
    }
    lines = [
        f"{part}: {{module: needle_assets.orchestration.records.event_storage, class: {name}, config: {{base_dir: {home / folder}}}}}"
        for part, (name, folder) in classes.items()
    ]
    (home / "dagster.yaml").write_text("\n".join(["telemetry: {enabled: false}", *lines]))


def open_and_read(home: Path, start: float) -> None:
    while time.time() < start:
        pass
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.get_runs(), instance.all_instigator_state(), instance.all_asset_keys()


@FORKS
def test_processes_that_open_an_empty_home_at_once_all_succeed(tmp_path, in_child) -> None:
    write_config(tmp_path)
    start = time.time() + 0.2
    children = [in_child(open_and_read, tmp_path, start) for _ in range(4)]
    assert [exit_code(child) for child in children] == [0, 0, 0, 0]


def test_the_migrations_are_read_once_for_all_files_of_a_process(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(event_storage, "_migrations", {})
    monkeypatch.setattr(
        event_storage, "_read_migrations", lambda config, ask=event_storage._read_migrations: read.append(1) or ask(config)
    )
    storages = [WalEventLogStorage(str(tmp_path / name)) for name in ("first", "second")]
    assert len(read) == 1
    for storage in storages:
        assert storage.get_logs_for_run("nobody's") == []
        storage.dispose()
